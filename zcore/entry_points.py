"""The entry points of one group, found without `importlib.metadata`.

That module brings email, zipfile and csv with it, and importing them takes longer than all of the
rest of `zops --help`. What a start needs stands in small text files, so they are read here, by the
same rules: of several distributions of one name the first on `sys.path` counts, whether it has
entry points or not. Nothing is kept from one run to the next, so nothing can be out of date.

Where a folder of `sys.path` is out of the ordinary (an archive, an egg, a finder of somebody's own)
`importlib.metadata` is asked after all.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import Distribution
    from typing import Protocol

    class Installed(Protocol):
        """An entry point: ours, or that of `importlib.metadata`."""

        @property
        def name(self) -> str: ...
        @property
        def value(self) -> str: ...
        @property
        def module(self) -> str: ...
        @property
        def dist(self) -> Distribution | None: ...
        def load(self) -> object: ...


FILE = "entry_points.txt"
KINDS = (".dist-info", ".egg-info")
UNKNOWN = "unknown"


class Unusual(Exception):
    """Something on `sys.path` that only `importlib.metadata` knows how to read."""


class EntryPoint:
    """A name, and the module or object that it stands for (`"package.module:attribute"`).

    `source` is the folder with the metadata of the distribution that it comes from, or that
    distribution itself, or None.
    """

    def __init__(self, name: str, value: str, source: str | Distribution | None) -> None:
        self.name = name
        self.value = value
        self.source = source

    @property
    def dist(self) -> Distribution | None:
        """The distribution that it comes from. Imports `importlib.metadata`."""
        if not isinstance(self.source, str):
            return self.source
        from importlib.metadata import Distribution

        return Distribution.at(self.source)

    @property
    def module(self) -> str:
        """The module that it names."""
        return self._parts()[0]

    def load(self) -> object:
        """Import what it stands for.

        Raises `ValueError` when the value names nothing, and whatever the import raises.
        """
        module, attributes = self._parts()
        if not module:
            raise ValueError(f"{self.value!r} is not of the form 'package.module:attribute'")
        found: object = import_module(module)
        for attribute in filter(None, attributes.split(".")):
            found = getattr(found, attribute)
        return found

    def _parts(self) -> tuple[str, str]:
        """Module and attribute; neither when the value is malformed. Extras count for nothing."""
        value, bracket, extras = self.value.partition("[")
        module, colon, attributes = (part.strip() for part in value.partition(":"))
        names = [module, attributes] if colon else [module]
        whole = not bracket or extras.endswith("]")
        if whole and all(_is_dotted_name(name) for name in names):
            return module, attributes
        return "", ""


def _is_dotted_name(text: str) -> bool:
    return text.replace("_", "x").replace(".", "x").isalnum()


def entry_points(group: str) -> list[EntryPoint]:
    """The entry points of `group` of all installed distributions. Nothing is imported."""
    try:
        return [
            EntryPoint(name, value, folder)
            for folder in _metadata_folders()
            for name, value in _read(os.path.join(folder, FILE), group)
        ]
    except Unusual:
        return list(_as_importlib_finds_them(group))


def parse(text: str, group: str) -> Iterator[tuple[str, str]]:
    """The names and values of one group in the text of an `entry_points.txt`."""
    section = None
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            section = line.strip("[]")
        elif section == group and line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield name.rstrip(), value.lstrip()


def _metadata_folders() -> Iterator[str]:
    """Of each distribution the folder that counts. Raises `Unusual`."""
    if any(hasattr(f, "find_distributions") and f is not PathFinder for f in sys.meta_path):
        raise Unusual
    seen: set[str] = set()
    for entry in sys.path:
        for child in _children(entry):
            name = _name_of(child)
            if name not in seen:
                seen.add(name)
                yield os.path.join(entry, child)


def _children(entry: str) -> list[str]:
    """The folders of metadata in a folder of `sys.path`, those of one name together."""
    if not isinstance(entry, str) or entry.lower().endswith(".egg"):
        raise Unusual
    try:
        names = os.listdir(entry or ".")
    except OSError:
        if os.path.isfile(entry):  # an archive, as likely as not
            raise Unusual from None
        return []  # not there, or not for us to see: nothing can be imported from it either
    return [name for name in names if name.lower().endswith(KINDS)]


def _name_of(child: str) -> str:
    """The name of the distribution whose folder this is, in the one spelling that counts."""
    stem, kind = os.path.splitext(child)
    name = stem.partition("-")[0]
    if kind not in KINDS or not name:
        raise Unusual  # only the metadata inside knows the name
    return _normalized(name)


def _normalized(name: str) -> str:
    """`Acme.Tools`, `acme--tools` and `acme_tools` are one name."""
    name = name.lower().replace("-", "_").replace(".", "_")
    while "__" in name:
        name = name.replace("__", "_")
    return name


def _read(path: str, group: str) -> Iterator[tuple[str, str]]:
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError:
        return  # most distributions have none
    if group.encode() in content:
        # A byte that is no UTF-8 makes a value that cannot be imported, of a plugin that is named.
        yield from parse(content.decode(errors="backslashreplace"), group)


def _as_importlib_finds_them(group: str) -> Iterator[EntryPoint]:
    from importlib.metadata import distributions

    seen: set[str] = set()
    for distribution in distributions():
        known_as = _normalized(_identity_of(distribution)[0])
        if known_as in seen:
            continue
        if known_as != UNKNOWN:
            seen.add(known_as)
        for name, value in parse(_text_of(distribution), group):
            yield EntryPoint(name, value, distribution)


def _text_of(distribution: Distribution) -> str:
    try:
        return distribution.read_text(FILE) or ""
    except ValueError:
        return ""  # it is not text


def identity(point: Installed) -> tuple[str, str]:
    """Name and version of the distribution that `point` comes from.

    "unknown" and "" when its metadata does not say.
    """
    if isinstance(point, EntryPoint) and isinstance(point.source, str):
        header = _header(point.source)
        return header.get("name", UNKNOWN), header.get("version", "")
    return _identity_of(point.dist) if point.dist is not None else (UNKNOWN, "")


def location(point: Installed) -> str:
    """The folder that the distribution of `point` is installed in; "" when it has none."""
    if isinstance(point, EntryPoint) and isinstance(point.source, str):
        return os.path.dirname(point.source)
    return str(point.dist.locate_file("")) if point.dist is not None else ""


def _header(folder: str) -> dict[str, str]:
    """What stands above the first empty line of a distribution's metadata, keys in lower case."""
    header: dict[str, str] = {}
    for name in ("METADATA", "PKG-INFO"):
        try:
            with open(os.path.join(folder, name), errors="backslashreplace") as file:
                for line in iter(file.readline, ""):
                    key, colon, value = line.partition(":")
                    if not line.strip():
                        break
                    if colon and not key[0].isspace():  # it would belong to the line above
                        header.setdefault(key.lower(), value.strip())
        except OSError:
            continue
        return header
    return header


def _identity_of(distribution: Distribution) -> tuple[str, str]:
    try:
        metadata = distribution.metadata
    except (OSError, ValueError):
        return UNKNOWN, ""  # not there, or no text
    return (
        metadata["Name"] if "Name" in metadata else UNKNOWN,  # noqa: SIM401 # it has no get
        metadata["Version"] if "Version" in metadata else "",  # noqa: SIM401
    )
