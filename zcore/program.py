"""One run of `zops`: options, settings, plugins, command, result; and how each error ends it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zcore.builtin import COMMANDS
from zcore.command_line import PROGRAM, command_line
from zcore.commands import did_you_mean
from zcore.console import Console, write_line
from zcore.context import Context, set_current
from zcore.errors import ExitCode, Failed, Interrupted, Refused, UsageError, ZopsError
from zcore.global_options import GlobalOptions, parse_global_options
from zcore.plugin_loading import EVERY
from zcore.plugins import Plugins
from zcore.realm_names import refresh
from zcore.report import Output
from zcore.settings import Settings
from zcore.signals import StopFlag, watched
from zcore.streams import abandon_stdout, not_written, stdout_is_gone, stdout_takes_nothing
from zcore.text import describe, mask_passwords
from zcore.values import Result
from zcore.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcore.commands import CommandGroup

# these help to find out what is wrong with the settings, so they must work all the same
TOLERANT = {"doctor", "plugins", "settings"}
TRACE = "--trace"  # but not where one of them runs another command


class Ended(Exception):
    """The command ended the run itself, with an exit code."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class Run:
    """One run of the program."""

    def __init__(self, arguments: Sequence[str], output: Output) -> None:
        self.arguments = arguments
        self.output = output
        self.verbosity = 0
        self.settings: Settings | None = None
        self.group: CommandGroup | None = None
        self.plugins: Plugins | None = None

    def execute(self) -> Result:
        """Run the command. What it raises comes out."""
        options = parse_global_options(self.arguments)
        if options.version:
            return Result({"version": __version__}, text=f"zops {__version__}")
        self.verbosity = options.verbosity
        stop = StopFlag()
        console = Console(
            json=self.output.json, quiet=options.quiet, verbosity=options.verbosity, stop=stop
        )
        self.output.additions = console.additions
        settings = self.settings = _load_settings(options, console)
        plugins = self._load_plugins(settings, options, console)
        context = Context(settings, console, plugins, stop)
        set_current(context)
        try:
            return self._invoke(context, list(options.rest))
        finally:
            context.close()

    def whose(self) -> str:
        """Who made the command that runs, in words: for messages about bugs."""
        if self.group is None or self.plugins is None or self.group.running is None:
            return "zops"
        return self.plugins.maker(self.group.running)

    def _load_plugins(
        self, settings: Settings, options: GlobalOptions, console: Console
    ) -> Plugins:
        self.plugins = Plugins.load(
            disabled=settings.disabled_plugins, core_commands=COMMANDS, warn=console.warn
        )
        for name in options.flags.get("disabled_plugins", ()):
            if name not in {*self.plugins.names, EVERY}:
                console.warn(f"--disable-plugin {name}: there is no plugin of that name")
        return self.plugins

    def _invoke(self, context: Context, arguments: list[str]) -> Result:
        self.group = command_line(context.plugins)
        try:
            with (
                self.group.make_context(PROGRAM, arguments) as click_context,
                watched(context.stop, context.console.warn, self._last_words),
            ):
                result = _result(self.group.invoke(click_context))
                if not result.data.get("dry_run"):  # that leaves no trace whatever
                    refresh(context)  # in here a signal cannot make a failure of what is done
                return result
        except click.exceptions.Exit as ended:
            raise Ended(ended.exit_code) from ended
        except SystemExit as ended:
            if isinstance(ended.code, str):
                write_line(ended.code)
            number = ended.code if isinstance(ended.code, int) else bool(ended.code)
            raise Ended(int(number)) from ended  # a bool would be shown as "True"

    def _last_words(self) -> None:
        self.output.last_words(Interrupted("stopped at once by a signal"))


def run(arguments: Sequence[str]) -> int:
    """Run `zops` with `arguments`. Returns the exit code; prints everything there is to print."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a name need not fit the terminal
    output = Output(json=_wants_json(arguments))
    this = Run(arguments, output)
    try:
        with output:
            result = this.execute()
        return output.finish(result)
    except Ended as ended:
        return _ended(output, ended.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        if output.json:
            return output.fail(UsageError("a command is missing", hint=_help_hint(error)), 2)
        sys.stderr.write(f"{error.format_message()}\n")
        return ExitCode.USAGE
    except BaseException as error:  # noqa: BLE001 # whatever it is, the exit code says which kind
        return _failed(error, this)


def _wants_json(arguments: Sequence[str]) -> bool:
    """Is `--json` among the options? Wherever it is: also errors of parsing are shown in JSON."""
    before_separator = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in before_separator


def _load_settings(options: GlobalOptions, console: Console) -> Settings:
    cwd = _current_folder()
    try:
        settings = Settings.load(options.flags, os.environ, cwd)
    except ZopsError as error:
        helpful = "--help" in options.rest or "-h" in options.rest
        tolerant = TOLERANT & set(options.rest[:1]) and TRACE not in options.rest
        if not helpful and not tolerant:
            raise
        settings = Settings.load(options.flags, os.environ, cwd, broken=error.message)
    for problem in settings.problems:
        console.warn(problem)
    for line in settings.unread:
        console.debug(line)
    return settings


def _current_folder() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise Refused(f"the current folder cannot be used: {error.strerror}") from error


def _result(returned: object) -> Result:
    if returned is None:
        return Result()
    if isinstance(returned, Result):
        return returned
    raise TypeError(f"the command returned a {type(returned).__name__}, not a zcore.Result")


def _ended(output: Output, exit_code: int) -> int:
    """A command, or `--help`, ended the run itself."""
    if exit_code == ExitCode.DONE:
        return output.finish(Result()) if output.json else exit_code
    if output.json:
        error = Failed(f"the command ended with exit code {exit_code}", code="exit")
        return output.fail(error, exit_code)
    return exit_code


def _failed(error: BaseException, this: Run) -> int:
    """Print what went wrong. Returns the exit code."""
    output = this.output
    if this.verbosity:
        _show_traceback(error)
    match error:
        case ZopsError():
            return output.fail(error, error.exit_code)
        case click.UsageError():
            return output.fail(_usage_error(error), ExitCode.USAGE)
        case click.ClickException():
            return output.fail(Failed(error.format_message()), ExitCode.FAILED)
        case click.Abort() | KeyboardInterrupt():
            return output.fail(Interrupted("stopped"), ExitCode.INTERRUPTED)
        case BrokenPipeError() if stdout_is_gone():
            abandon_stdout()
            return ExitCode.DONE
        case OSError() if stdout_takes_nothing(error):  # the help, and what plugins print
            return not_written(error)
    return _bug(error, this)


def _usage_error(error: click.UsageError) -> UsageError:
    """What click has against the command line, in our form; what it takes for meant is a hint."""
    close = getattr(error, "possibilities", None)
    if not close:
        return UsageError(error.format_message(), hint=_help_hint(error))
    return UsageError(error.message, hint=f"{did_you_mean(close)} {_help_hint(error)}")


def _help_hint(error: click.UsageError) -> str:
    path = error.ctx.command_path if error.ctx is not None else "zops"
    return f"see '{path} --help'"


def _bug(error: BaseException, this: Run) -> int:
    whose = this.whose()
    if not this.verbosity:
        _show_traceback(error)
    write_line(f"zops {__version__}: this is a bug in {whose}")
    exit_code: int = ExitCode.BUG
    if this.output.json:
        failure = ZopsError(f"this is a bug in {whose}: {describe(error)}", code="bug")
        exit_code = this.output.fail(failure, ExitCode.BUG)
    if this.settings is not None and this.settings.sentry_dsn:
        _report(error, this, this.settings, whose)
    return exit_code


def _report(error: BaseException, this: Run, settings: Settings, whose: str) -> None:
    from zcore.sentry import report_bug

    running = this.group.running if this.group is not None else None
    command = running.name if running is not None else ""
    report_bug(error, settings, command=command, whose=whose, arguments=this.arguments)


def _show_traceback(error: BaseException) -> None:
    import traceback

    sys.stderr.write(mask_passwords("".join(traceback.format_exception(error))))
