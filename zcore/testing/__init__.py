"""What the tests of zops, and of a plugin for it, need: real services and a real command line.

Put `pytest_plugins = ["zcore.testing.plugin"]` into `tests/conftest.py`; `zcore.testing.plugin`
lists the fixtures. Nothing here is imported when `zops` runs.
"""

from __future__ import annotations
