"""Mail: from events of the server's form to letters that an SMTP server takes, each once."""

from __future__ import annotations
