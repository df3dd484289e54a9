"""What this plugin declares: it imports zcore only."""

from __future__ import annotations
