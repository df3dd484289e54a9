"""`zops plugins new`: the package of a new plugin, made from the templates beside this file."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from zcore.builtin.plugin_declarations import KEBAB
from zcore.errors import Failed, Refused, UsageError
from zcore.frozen import frozen
from zcore.plugin_settings import variable
from zcore.values import Result, Setting
from zcore.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zcore.plugins import Plugins

PREFIX = "zops-"
LONGEST_NAME = 40  # characters: the lines of the templates have room for that
RESERVED = ("cli", "core", "zcore", "zops")  # zops-cli is our own, the others mislead

# where each template goes, below the new folder; {module} is the package
FILES = {
    ".github/workflows/ci.yml": "ci.yml",
    ".gitignore": "gitignore",
    "README.md": "README.md",
    "pyproject.toml": "pyproject.toml",
    "src/{module}/__init__.py": "init.py",
    "src/{module}/cli.py": "cli.py",
    "src/{module}/export.py": "export.py",
    "src/{module}/people.py": "people.py",
    "src/{module}/plugin.py": "plugin.py",
    "src/{module}/rules.py": "rules.py",
    "tests/conftest.py": "tests_shared.py",
    "tests/test_cli.py": "tests_cli.py",
    "tests/test_export.py": "tests_export.py",
    "tests/test_plugin.py": "tests_plugin.py",
    "tests/test_rules.py": "tests_rules.py",
}


@frozen
class Names:
    """What a new plugin is called: as a plugin, as a distribution, as a package of Python."""

    plugin: str
    distribution: str
    module: str

    @classmethod
    def of(cls, name: str) -> Names:
        """From what a user said: `acme`, `acme-tools`, `acme_tools` or `zops-acme`.

        Raises `UsageError` for what cannot be a name.
        """
        plugin = name.replace("_", "-").removeprefix(PREFIX)
        if not KEBAB.fullmatch(plugin) or len(plugin) > LONGEST_NAME:
            raise UsageError(
                f"a plugin cannot be called {name!r}",
                hint=f"use small letters, digits and dashes, a letter first, up to {LONGEST_NAME}",
            )
        distribution = f"{PREFIX}{plugin}"
        return cls(plugin, distribution, distribution.replace("-", "_"))


def write_package(name: str, path: Path | None, plugins: Plugins) -> Result:
    """Make the folder `path` (by default one named after the distribution) with a package in it.

    Raises `UsageError` for a name that cannot be, `Refused` for one that is taken and for a folder
    that is there, `Failed` when it cannot be written. Then nothing is left behind.
    """
    names = Names.of(name)
    _refuse_taken(names, plugins)
    folder = path if path is not None else Path(names.distribution)
    files = rendered(names)
    _write(folder, files)
    data = {
        "name": names.plugin,
        "distribution": names.distribution,
        "module": names.module,
        "path": Path.cwd() / folder,
        "files": sorted(files),
    }
    return Result(data, text=_next_steps(names, folder, len(files)))


def rendered(names: Names) -> dict[str, str]:
    """The contents of all files of the package, by their paths inside."""
    words = {
        "name": names.plugin,
        "distribution": names.distribution,
        "module": names.module,
        "variable": variable(names.plugin, Setting("domains", "", default="")),
        "version": __version__,
    }
    templates = resources.files("zcore.builtin") / "templates"
    files = {
        place.format(module=names.module): Template(
            (templates / f"{template}.tmpl").read_text("utf-8")
        ).substitute(words)
        for place, template in FILES.items()
    }
    return {**files, f"src/{names.module}/py.typed": ""}


def _refuse_taken(names: Names, plugins: Plugins) -> None:
    """Raise `Refused` when something here has one of the names."""
    commands = {command.name: command for command in plugins.commands()}
    if names.plugin in RESERVED:
        owner = "is kept for zops itself"
    elif names.plugin in plugins.names:
        owner = "is that of a plugin that is installed"
    elif names.plugin in commands:
        owner = f"is that of a command of {plugins.provider(commands[names.plugin])}"
    elif find_spec(names.module) is not None:
        owner = f"belongs to the module {names.module}, which is installed"
    else:
        return
    message = f"the name {names.plugin!r} {owner}"
    raise Refused(message, hint="choose another one", code="name-taken")


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """Make `folder` with these files: whole or not at all."""
    try:
        if folder.exists() or folder.is_symlink():
            hint = "name another folder with --path"
            raise Refused(f"{folder} is already there", hint=hint, code="folder-exists")
        aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        try:
            package = aside / folder.name  # made like any folder; the one around it is private
            for place, content in files.items():
                file = package / place
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content, "utf-8")
            os.rename(package, folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise Failed(f"cannot write {folder}: {error.strerror}") from error


def _next_steps(names: Names, folder: Path, count: int) -> str:
    return "\n".join(
        (
            f"wrote {folder}: {count} files. To see that everything works:",
            f"  cd {shlex.quote(str(folder))}",
            "  python3 -m venv .venv",
            "  .venv/bin/pip install -e '.[dev]'",
            "  .venv/bin/pytest",
            f"  .venv/bin/zops plugins check {names.plugin}",
        )
    )
