"""The rows that make an organization: what more than one plugin writes.

An organization needs the same rows whether it is created, imported without its groups, or is the
server's own internal one. Whoever writes them calls the functions here inside a transaction of
`zcore.database.Database.begin`, where foreign keys are checked at the end.
"""

from __future__ import annotations
