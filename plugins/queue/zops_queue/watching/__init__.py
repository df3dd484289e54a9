"""What others see of a run of `zops process-queue`: files of statistics, metrics, health."""

from __future__ import annotations
