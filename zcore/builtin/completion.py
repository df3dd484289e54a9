"""`zops completion`."""

from __future__ import annotations

import click

from zcore.completion import SHELLS, script
from zcore.values import Result


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> Result:
    """Print the script with which SHELL completes command lines of zops.

    It completes commands, those of plugins too, options, and the names of plugins, queues and
    organizations. Organizations are those that a command last saw in the database: to complete a
    line, zops connects to nothing. The script for zsh belongs into a folder of $fpath.

    \b
    Examples:
      zops completion bash > ~/.local/share/bash-completion/completions/zops
      zops completion zsh > ~/.zfunc/_zops
      zops completion fish > ~/.config/fish/completions/zops.fish
      source <(zops completion bash)
    """
    text = script(shell)
    return Result({"shell": shell, "script": text}, text=text.rstrip("\n"))
