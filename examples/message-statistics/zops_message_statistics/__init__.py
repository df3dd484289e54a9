"""Messages for each channel and day: a plugin for zops."""

from __future__ import annotations
