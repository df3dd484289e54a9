"""The broker that needs nothing set up: durable queues in one SQLite file in the data folder."""

from __future__ import annotations
