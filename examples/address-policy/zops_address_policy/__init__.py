"""A company's policy for the e-mail addresses of accounts: a plugin for zops."""

from __future__ import annotations
