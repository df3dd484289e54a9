"""Outgoing webhooks: what bots of users are told, what they answer, and what follows from it."""
