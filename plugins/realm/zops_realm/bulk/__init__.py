"""`zops create-user --from`: many accounts from one file, checked before the first is made.

`reading` makes entries of a file's lines, `wanted` what an entry asks for; `checking` runs the
rules over all of them, `creating` writes them, and `run` puts these together. What is between two
of these steps lies in a file without a name, a block at a time in memory.
"""

from __future__ import annotations
