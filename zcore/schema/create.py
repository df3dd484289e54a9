"""Making the tables, on PostgreSQL and on SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable, ExecutableDDLElement

from zcore.schema.columns import GIN, WHERE, metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Dialect, Index
    from sqlalchemy.sql.compiler import DDLCompiler


@compiles(CreateIndex)
def _create_index(create: CreateIndex, compiler: DDLCompiler, **options: Any) -> str:
    """SQLAlchemy's statement, with what our indexes note down in their `info`."""
    index: Index = create.element
    dialect = compiler.dialect.name
    if WHERE in index.info:
        index.dialect_kwargs[f"{dialect}_where"] = text(index.info[WHERE])
    if GIN in index.info:
        index.dialect_kwargs["postgresql_using"] = "gin"
        index.dialect_kwargs["postgresql_with"] = {"fastupdate": "off"}
    statement = str(compiler.visit_create_index(create, **options))  # type: ignore[no-untyped-call]
    # SQLite does not know the words; NULL is the lowest there, so that they say nothing
    return statement.replace(" NULLS LAST", "") if dialect == "sqlite" else statement


def create_tables(connection: Connection) -> None:
    """Create every table of `metadata`, with keys and indexes; none of them may exist yet.

    On PostgreSQL the foreign keys come after the tables, which refer to each other in cycles, and
    all goes to the server at once. Raises what SQLAlchemy raises when the database says no.
    """
    statements = [_text(element, connection.dialect) for element in _elements(connection.dialect)]
    if connection.dialect.name == "postgresql":
        statements = [";\n".join(statements)]
    for statement in statements:
        connection.exec_driver_sql(statement)


def _text(element: ExecutableDDLElement, dialect: Dialect) -> str:
    return str(element.compile(dialect=dialect)).strip()


def _elements(dialect: Dialect) -> Iterator[ExecutableDDLElement]:
    tables = metadata.tables.values()
    apart = dialect.supports_alter
    for table in tables:
        yield CreateTable(table, include_foreign_key_constraints=[] if apart else None)
    for table in tables:
        for index in sorted(table.indexes, key=lambda index: index.name or ""):
            if not (index.info.get(GIN) and dialect.name != "postgresql"):
                yield CreateIndex(index)
    if apart:
        for table in tables:
            for constraint in table.foreign_key_constraints:
                # else SQLAlchemy would never again put it into the CREATE TABLE of any database
                yield AddConstraint(constraint, isolate_from_table=False)
