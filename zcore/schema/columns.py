"""How the tables of this package are written down: short words for what all of them repeat.

A column is NOT NULL unless it says `null=True`. A `default` is Python's, as the server has it:
PostgreSQL fills nothing in but the few columns that also say `server_default`. A foreign key is
deferred to the commit and has an index, as all of the server's have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    MetaData,
    SmallInteger,
    text,
)

from zcore.schema.facts import (
    INFO_KEY,
    MENTIONS,
    ColumnFacts,
    Dangling,
    ExportFile,
    ExtraKey,
    Form,
    Reference,
    TableFacts,
    When,
)
from zcore.schema.naming import NAMING_CONVENTION
from zcore.schema.types import BIG_ID, INT_ID

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

metadata = MetaData(naming_convention=NAMING_CONVENTION)
"""All tables of this package; `zcore.schema.create_tables` makes them."""

WHERE = "where"
GIN = "gin"
"""In `index.info`: the condition of a partial index; whether it is PostgreSQL's kind for text.

They stand there, and not in SQLAlchemy's own arguments, because those load both dialects at once.
"""

_INT_IDS = frozenset(
    {
        "django_content_type",
        "zerver_client",
        "zerver_message",
        "zerver_realm",
        "zerver_recipient",
        "zerver_userprofile",
    }
)
_KEYS_NOT_CALLED_ID = {"zerver_namedusergroup": "usergroup_ptr_id"}

SECRET = ColumnFacts(left_out=True, secret=True)
"""Never leaves the database."""

LEFT_OUT = ColumnFacts(left_out=True)
"""Means nothing elsewhere, so that no export has it."""


def mentions(*path: str) -> tuple[Reference, ...]:
    """References of HTML that mentions users, channels and groups; `path` as in `Reference`."""
    return tuple(Reference(target, Form.HTML, path, dangling=Dangling.KEEP) for target in MENTIONS)


MENTIONING = ColumnFacts(references=mentions())
"""Holds rendered HTML."""

EMOJI_CODE = ColumnFacts(
    references=(
        Reference(
            "zerver_realmemoji",
            Form.TEXT,
            when=When("reaction_type", "realm_emoji"),
            dangling=Dangling.MEND_DROP,
        ),
    )
)
"""The code of an emoji: for one of the realm's own, its id."""


def info(facts: ColumnFacts | TableFacts | None) -> dict[Any, Any] | None:
    """What goes into `info=` to state facts."""
    return None if facts is None else {INFO_KEY: facts}


def int_id() -> Column[int]:
    """The key `id` of one of the old tables: 32 bits, given out by the database."""
    return Column("id", INT_ID, Identity(), primary_key=True)


def big_id() -> Column[int]:
    """The key `id` of 64 bits, given out by the database."""
    return Column("id", BIG_ID, Identity(), primary_key=True)


def column(
    name: str,
    type_: TypeEngine[Any] | type[TypeEngine[Any]],
    *constraints: CheckConstraint | ForeignKey,
    null: bool = False,
    default: Any = None,
    server_default: str | None = None,
    index: bool = False,
    unique: bool = False,
    facts: ColumnFacts | None = None,
) -> Column[Any]:
    """A column, NOT NULL unless `null`; `default` is a value or a function that makes one."""
    return Column(
        name,
        type_,
        *constraints,
        nullable=null,
        default=default,
        server_default=None if server_default is None else text(server_default),
        index=index or None,
        unique=unique or None,
        info=info(facts),
    )


def flag(
    name: str,
    default: bool | None = None,
    *,
    null: bool = False,
    server_default: str | None = None,
    index: bool = False,
) -> Column[bool]:
    """A column that is true or false."""
    return column(
        name, Boolean, null=null, default=default, server_default=server_default, index=index
    )


def unsigned(
    name: str,
    type_: TypeEngine[Any] | type[TypeEngine[Any]] = SmallInteger,
    *,
    null: bool = False,
    default: int | None = None,
    server_default: str | None = None,
    index: bool = False,
) -> Column[int]:
    """A number that the database does not let go below zero."""
    check = CheckConstraint(f"{name} >= 0", info={"column": name})
    return column(
        name,
        type_,
        check,
        null=null,
        default=default,
        server_default=server_default,
        index=index,
    )


def foreign_key(
    name: str,
    target: str,
    *,
    null: bool = False,
    unique: bool = False,
    index: bool = True,
    json_key: str | None = None,
    dangling: Dangling = Dangling.FINDING,
) -> Column[int]:
    """A reference to the row of table `target`; one that is unique needs no index of its own."""
    facts = None
    if json_key is not None or dangling is not Dangling.FINDING:
        facts = ColumnFacts(json_key=json_key, dangling=dangling)
    return column(
        name,
        INT_ID if target in _INT_IDS else BIG_ID,
        reference_to(target),
        null=null,
        unique=unique,
        index=index and not unique,
        facts=facts,
    )


def reference_to(target: str) -> ForeignKey:
    """The foreign key itself, to the key of table `target`, looked at when a transaction ends."""
    key = _KEYS_NOT_CALLED_ID.get(target, "id")
    return ForeignKey(f"{target}.{key}", deferrable=True, initially="DEFERRED")


def index(name: str | None, *columns: str, where: str | None = None, unique: bool = False) -> Index:
    """An index over columns or expressions; `where` makes it a partial one.

    Without a name it gets the one that Django would give.
    """
    parts = [part if part.isidentifier() else text(part) for part in columns]
    return Index(name, *parts, unique=unique, info={WHERE: where} if where else None)


def gin_index(name: str, column_name: str) -> Index:
    """PostgreSQL's index over the words of a text search vector; SQLite has none."""
    return Index(name, column_name, info={GIN: True}).ddl_if(dialect="postgresql")


def exported(
    file: ExportFile,
    order: int,
    *keys: str,
    required: bool = False,
    imported: bool = True,
    extra_keys: tuple[ExtraKey, ...] = (),
) -> dict[Any, Any] | None:
    """`info=` of a table that exports carry; see `TableFacts`."""
    return info(TableFacts(file, order, keys, required, imported, extra_keys))
