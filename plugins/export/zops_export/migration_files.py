"""The migrations of a Zulip server's deployment: read from its files, of which none is run.

A migration is a Python file whose name is the migration's. What it depends on and which others it
replaces are literals in its class `Migration`, and are read as such.
"""

from __future__ import annotations

import ast
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from zcore.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Key = tuple[str, str]  # app, name

LARGEST_FILE = 1 << 22  # bytes
OPERATIONS = "\n    operations"  # most of a file, and of no interest
CLASS = "Migration"
VERSION_NAME = "ZULIP_VERSION"
GIT_VERSION = "zulip-git-version"  # in its first line, the version of what was made from git
VIRTUAL_ENVIRONMENTS = (".venv", "zulip-py3-venv")

# Where the migrations of an app are: below the deployment, and below its Python packages.
OWN_APPS = {app: app for app in ("analytics", "confirmation", "corporate", "zerver", "zilencer")}
OWN_APPS["pgroonga"] = "pgroonga"
FOREIGN_APPS = {
    "auth": "django/contrib/auth",
    "contenttypes": "django/contrib/contenttypes",
    "otp_static": "django_otp/plugins/otp_static",
    "otp_totp": "django_otp/plugins/otp_totp",
    "phonenumber": "two_factor/plugins/phonenumber",
    "sessions": "django/contrib/sessions",
    "social_django": "social_django",
}


@frozen
class Migration:
    """One migration of an app.

    `squashed`: how many others it stands for; `replaces` names them, where that is known.
    """

    name: str
    squashed: int = 0
    replaces: frozenset[Key] = frozenset()


Migrations = dict[str, tuple[Migration, ...]]


@frozen
class Deployment:
    """What a folder with the files of a server says: its version, and its migrations by app."""

    folder: Path
    version: str
    migrations: Migrations


@frozen
class _File:
    """What the file of a migration says."""

    name: str
    parents: frozenset[str]
    replaces: tuple[Key, ...]


def read_deployment(folder: Path) -> Deployment | None:
    """The deployment in `folder`; None when there is none, or its files cannot be read."""
    version = _version(folder)
    if not version:
        return None
    packages = _packages(folder)
    places = {app: folder / place for app, place in OWN_APPS.items()}
    places |= {app: packages / place for app, place in FOREIGN_APPS.items() if packages}
    found = {app: read_app(app, place / "migrations") for app, place in places.items()}
    if not found["zerver"]:
        return None
    return Deployment(folder, version, {app: listed for app, listed in found.items() if listed})


def _version(folder: Path) -> str:
    """The version that the server says of itself; "" when nothing says it."""
    lines = _text(folder / GIT_VERSION).splitlines()
    if lines and lines[0].strip():
        return lines[0].strip()
    for statement in _parsed(_text(folder / "version.py")).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(version))):
                if name == VERSION_NAME:
                    return version
    return ""


def _packages(folder: Path) -> Path | None:
    """The folder of the Python packages that the deployment uses."""
    for environment in VIRTUAL_ENVIRONMENTS:
        with suppress(OSError):
            for packages in sorted((folder / environment / "lib").glob("python3*/site-packages")):
                return packages
    return None


def read_app(app: str, folder: Path) -> tuple[Migration, ...]:
    """The migrations in `folder`, in the order in which a server lists them; none: no folder."""
    files: dict[str, _File] = {}
    with suppress(OSError):
        for path in sorted(folder.glob("[0-9]*.py")):
            files[path.stem] = _read_file(app, path)
    stand_ins = {
        name: file.name for file in files.values() for of, name in file.replaces if of == app
    }
    staying = {name: file for name, file in files.items() if name not in stand_ins}
    parents = {
        name: {stand_ins.get(parent, parent) for parent in file.parents} & staying.keys() - {name}
        for name, file in staying.items()
    }
    return tuple(
        Migration(name, len(staying[name].replaces), frozenset(staying[name].replaces))
        for name in _in_order(parents)
    )


def _in_order(parents: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """What is depended on first; of several, the last by name first, as a server walks."""
    seen: set[str] = set()
    leaves = parents.keys() - {name for some in parents.values() for name in some}
    stack = [(name, False) for name in sorted(leaves, reverse=True)]
    while stack:
        name, walked = stack.pop()
        if name in seen:
            continue
        if walked:
            seen.add(name)
            yield name
        else:
            stack.append((name, True))
            stack += [(parent, False) for parent in sorted(parents[name])]


def _read_file(app: str, path: Path) -> _File:
    said: dict[str, list[Key]] = {"dependencies": [], "replaces": []}
    source = _text(path)
    head = source.partition(OPERATIONS)[0]
    for statement in _parsed(head if "dependencies =" in head else source).body:
        if isinstance(statement, ast.ClassDef) and statement.name == CLASS:
            for name, value in _assigned(statement):
                if name in said:
                    said[name] += _keys(value)
    parents = frozenset(name for of, name in said["dependencies"] if of == app)
    return _File(path.stem, parents, tuple(said["replaces"]))


def _assigned(definition: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    for statement in definition.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value


def _keys(value: ast.expr) -> Iterator[Key]:
    """The pairs of texts in a list; what is computed names other apps' migrations."""
    for element in value.elts if isinstance(value, ast.List | ast.Tuple) else ():
        match element:
            case ast.Tuple(elts=[ast.Constant(value=str(app)), ast.Constant(value=str(name))]):
                yield app, name


def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def _text(path: Path) -> str:
    """What stands in a file; nothing when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_FILE).decode()
    except (OSError, UnicodeDecodeError):
        return ""
