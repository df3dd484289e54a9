"""`zops process-queue`: from deliveries to workers, and what becomes of each event."""

from __future__ import annotations
