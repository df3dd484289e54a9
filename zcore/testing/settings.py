"""Settings for code that is called without a command around it."""

from __future__ import annotations

from pathlib import Path

from zcore.settings import Settings

NOWHERE = Path("/nonexistent")


def settings_of(**variables: str) -> Settings:
    """The settings that apply with these environment variables and nothing else.

    `settings_of(ZOPS_EXTERNAL_HOST="chat.example.com")`. Without `ZOPS_HOME` the data folder is
    one that is not there and cannot be made.
    """
    return Settings.load({}, {"ZOPS_HOME": str(NOWHERE), **variables}, NOWHERE)
