"""The literal assignments of a Python settings file, read without running it."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Set


@dataclass(frozen=True, slots=True)
class Literals:
    """What a settings file says in plain literals.

    `values` by name; `computed` names what is assigned in another way, with the line; `notes`
    says what else could not be followed.
    """

    values: Mapping[str, object]
    computed: Mapping[str, int]
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reading:
    wanted: Set[str]
    values: dict[str, object] = field(default_factory=dict)
    computed: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def known(self, name: str, value: object) -> None:
        self.values[name] = value
        self.computed.pop(name, None)

    def unknown(self, name: str, line: int) -> None:
        self.values.pop(name, None)
        self.computed[name] = line


def read_literals(source: str, wanted: Set[str]) -> Literals:
    """The `wanted` names that `source` assigns at its top level; the last assignment counts.

    Nothing is executed. When `source` is not Python, everything wanted is `computed` at line 0.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Literals({}, dict.fromkeys(sorted(wanted), 0), ("it is not Python",))
    reading = _Reading(wanted)
    for statement in tree.body:
        _read_statement(statement, reading)
    return Literals(reading.values, reading.computed, tuple(reading.notes))


def _read_statement(statement: ast.stmt, reading: _Reading) -> None:
    """Take over a literal assignment; whatever else a statement binds becomes unknown."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in reading.wanted:
            _read_value(name, value, reading)
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) if (
            name in reading.wanted
        ):
            _read_value(name, value, reading)
        case ast.AnnAssign(value=None):
            pass  # tells a type, and assigns nothing
        case _:
            for name, line in _bound_in(statement):
                if name in reading.wanted:
                    reading.unknown(name, line)
                elif name == "*":
                    reading.notes.append(f"line {line} imports * from a module that is not read")


def _read_value(name: str, value: ast.expr, reading: _Reading) -> None:
    try:
        reading.known(name, ast.literal_eval(value))
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        reading.unknown(name, value.lineno)


def _bound_in(statement: ast.stmt) -> Iterator[tuple[str, int]]:
    """The names that `statement` may bind or delete, each with its line."""
    for node in ast.walk(statement):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                yield name, node.lineno
            case ast.ImportFrom(names=aliases) | ast.Import(names=aliases):
                yield from ((alias.asname or alias.name, node.lineno) for alias in aliases)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, node.lineno
            case ast.Global(names=names):
                yield from ((name, node.lineno) for name in names)
            case _:
                continue
