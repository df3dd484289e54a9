"""`python -m zcore` is `zops`."""

from __future__ import annotations

import sys

from zcore.cli import main

sys.exit(main())
