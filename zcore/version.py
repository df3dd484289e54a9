"""The version of the distribution `zops-cli`."""

from __future__ import annotations

__version__ = "0.1.0"
