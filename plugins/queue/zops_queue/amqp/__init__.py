"""RabbitMQ, through pika: the queues that a Zulip server publishes to."""

from __future__ import annotations
