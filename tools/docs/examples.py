"""The code in the docs: blocks of Markdown, and the files that examples are made of.

An example is a package. What it holds is said by the first line of each of its parts, a comment
with the path of a file: `# zops_acme/rules.py`, or `{# zops_acme/mails/hello.txt #}` in a template.
In a docstring of a hook, what comes before the first such line is `zops_acme/plugin.py`.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from dataclasses import dataclass

PLUGIN_FILE = "zops_acme/plugin.py"
FILE_LINE = re.compile(r"\{?# (?P<path>[\w./-]+\.(?:py|toml|txt))(?:,? .*)?")
FENCE = re.compile(r"(?m)^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code of a page. `line` counts from 1."""

    language: str
    text: str
    line: int

    @property
    def path(self) -> str | None:
        """The file that its first line names; None when it names none."""
        found = FILE_LINE.fullmatch(self.text.partition("\n")[0])
        return found["path"] if found else None


def blocks(text: str) -> list[Block]:
    """The blocks of code of a Markdown text that say their language, in order."""
    return [
        Block(found["language"], found["text"], text.count("\n", 0, found.start()) + 1)
        for found in FENCE.finditer(text)
    ]


def files(text: str) -> dict[str, str]:
    """The files that the blocks of a Markdown text name, by path."""
    return {block.path: block.text for block in blocks(text) if block.path}


def files_of_docstring(docstring: str | None) -> dict[str, str]:
    """The files of the example in a hook's docstring, by path; empty when it has none."""
    _, _, example = inspect.cleandoc(docstring or "").partition("Example::\n")
    found: dict[str, str] = {}
    path = PLUGIN_FILE
    for line in textwrap.dedent(example).strip().splitlines():
        named = FILE_LINE.fullmatch(line)
        path = named["path"] if named else path
        found[path] = found.get(path, "" if named else f"# {path}\n") + f"{line}\n"
    return {path: f"{source.strip()}\n" for path, source in found.items()}


def language(path: str) -> str:
    """The language of a file, for a block of Markdown."""
    return {"py": "python", "toml": "toml", "txt": "text"}[path.rpartition(".")[2]]
