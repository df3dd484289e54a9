"""What a shell is told when it asks how a command line could go on.

The shell sets `_ZOPS_COMPLETE` and runs `zops` whenever somebody presses the tab key. So this is
as lazy as the help, connects to nothing, and is silent: what is wrong is for the command to say.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import BashComplete, get_completion_class, split_arg_string

from zcore.builtin import COMMANDS
from zcore.cli import COMPLETION as VARIABLE
from zcore.command_line import PROGRAM, command_line
from zcore.console import Console
from zcore.context import Context, set_current
from zcore.errors import ZopsError
from zcore.global_options import parse_global_options
from zcore.plugins import Plugins
from zcore.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from click.shell_completion import CompletionItem, ShellComplete

SHELLS = ("bash", "fish", "zsh")

BASH_SCRIPT = """\
%(complete_func)s() {
    local kind value
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            plain) COMPREPLY+=("$value") ;;
            file) compopt -o default ;;
            dir) compopt -o dirnames ;;
        esac
    done < <(COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_WORDS="${COMP_WORDS[*]}" \\
        COMP_CWORD=$COMP_CWORD %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s 2>/dev/null ||
    complete -F %(complete_func)s %(prog_name)s
"""


class Bash(BashComplete):
    """bash tears words apart at `:`, `=` and `@`, as in a URL: here they are read from the line."""

    source_template = BASH_SCRIPT

    @staticmethod
    def _check_version() -> None:
        """The script also works in a bash that is older than click's allows."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The whole words before the cursor, and the one that it stands at the end of."""
        line = os.environ.get("COMP_LINE")
        if line is None:
            return super().get_completion_args()
        words = split_arg_string(line)[1:]
        if not words or line[-1].isspace():
            return words, ""
        return words[:-1], words[-1]


def script(shell: str) -> str:
    """The script with which `shell`, one of SHELLS, learns to complete `zops`."""
    return _kind(shell)(click.Command(PROGRAM), {}, PROGRAM, VARIABLE).source()


def answer(instruction: str) -> int:
    """Print what `instruction` (`bash_complete`) asks for. Returns the exit code."""
    shell, _, what = instruction.partition("_")
    if shell not in SHELLS or what not in {"complete", "source"}:
        return 1
    if what == "source":
        sys.stdout.write(script(shell))
        return 0
    with _silence():
        try:
            completions = _completions(_kind(shell))
        except (Exception, SystemExit):  # noqa: BLE001 # of a plugin, or a line that makes no sense
            completions = ""
    sys.stdout.write(f"{completions}\n" if completions else "")
    return 0


def _kind(shell: str) -> type[ShellComplete]:
    kind = Bash if shell == "bash" else get_completion_class(shell)
    assert kind is not None  # noqa: S101 # click knows all of SHELLS
    return kind


def _completions(kind: type[ShellComplete]) -> str:
    """The completions in the form that the shell's script expects, each on its line."""
    words, incomplete = kind(click.Command(PROGRAM), {}, PROGRAM, VARIABLE).get_completion_args()
    with _prepared(words) as context:
        group = command_line(context.plugins)
        completer = kind(group, {}, PROGRAM, VARIABLE)
        found = completer.get_completions(words, incomplete)
        return "\n".join(
            completer.format_completion(item) for item in _joined(found, incomplete, kind)
        )


def _joined(
    found: Sequence[CompletionItem], incomplete: str, kind: type[ShellComplete]
) -> Sequence[CompletionItem]:
    """Of `--realm=ac`, only bash takes what is behind the sign for a word of its own."""
    option, sign, _ = incomplete.partition("=")
    if sign and option.startswith("-") and kind is not Bash:
        for item in found:
            item.value = f"{option}={item.value}"
    return found


@contextmanager
def _prepared(words: Sequence[str]) -> Iterator[Context]:
    """What a command would have around it, with the global options among `words`."""
    options = parse_global_options(words, completing=True)
    try:
        settings = Settings.load(options.flags, os.environ, Path.cwd())
    except ZopsError as error:
        settings = Settings.load(options.flags, os.environ, Path.cwd(), broken=error.message)
    plugins = Plugins.load(disabled=settings.disabled_plugins, core_commands=COMMANDS)
    context = Context(settings, Console(quiet=True), plugins)
    set_current(context)
    try:
        yield context
    finally:
        context.close()


@contextmanager
def _silence() -> Iterator[None]:
    """While inside, what is written to stderr is gone: it would stand in the middle of a line."""
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)
