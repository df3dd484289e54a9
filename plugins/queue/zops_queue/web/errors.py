"""Why a request got no answer that is of use."""

from __future__ import annotations


class NoAnswer(Exception):
    """Why there is no answer, in words for a person."""


class WebUnavailable(NoAnswer):
    """There may be an answer another time: it took too long, or there was no connection."""


class WebForbidden(NoAnswer):
    """Nobody may be called there: it is no public address."""


class WebBroken(NoAnswer):
    """It would be no better another time: no address, an endless answer, a circle of redirects."""
