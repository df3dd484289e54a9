"""The rules that a realm's and a user's values must keep, one validator a rule.

Each function takes all values of its subject at once and yields the problems that it finds;
rules that need the database ask it one question however many values there are.
"""

from __future__ import annotations
