"""`zops plugins check`: what it finds, and what it comes through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.zcore.conftest import InstalledPlugins
    from zcore.testing.commands import Runner
    from zcore.testing.in_process import ZopsInProcess


@pytest.fixture
def zops(zops_in_process: ZopsInProcess) -> ZopsInProcess:
    """`zops` inside the process of the tests: nothing here needs one of its own."""
    return zops_in_process


def found(zops: Runner, *arguments: str) -> list[dict[str, Any]]:
    """The findings of a check."""
    done = zops("plugins", "check", *arguments, "--json", exit_code=5)
    findings: list[dict[str, Any]] = done.json()["findings"]
    return findings


def messages(zops: Runner, *arguments: str) -> set[tuple[str, str]]:
    """Code and message of each finding."""
    return {(finding["code"], finding["message"]) for finding in found(zops, *arguments)}


def test_our_own_are_well(zops: Runner) -> None:
    done = zops("plugins", "check", "--json")
    assert done.json()["checked"] == ["export", "queue", "realm"]
    assert done.json()["seconds"].keys() == {"export", "queue", "realm"}
    assert done.stderr == ""


def test_one_that_does_not_say_its_api_version_is_told(
    zops: Runner, plugins: InstalledPlugins
) -> None:
    plugins.install_command("acme", '"""Do nothing."""')
    done = zops("plugins", "check", "acme")
    assert done.stdout == "nothing wrong: acme\n"
    assert done.stderr.startswith("acme: it names no version of the plugin API (zops_api = 1)")


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("raise ValueError('no luck')", "broken"),
        ("zops_api = 99", "incompatible"),
        ("", "no-hooks"),
        ("def zops_commands(): return []", "not-marked"),
        ("import os; os.environ.get('CHECKED') and os.abort()", "crash"),
        ("import os, time; time.sleep(60 * bool(os.environ.get('CHECKED')))", "timeout"),
    ],
)
def test_of_one_that_does_nothing(
    source: str, code: str, zops: Runner, plugins: InstalledPlugins
) -> None:
    own = "import sys, os\nif 'zcore.builtin.plugin_check' in sys.orig_argv:\n"
    plugins.install("acme", f"{own}    os.environ['CHECKED'] = '1'\n{source}")
    (finding,) = found(zops, "acme", "--timeout", "3")
    assert finding["code"] == code
    assert finding["where"] == "acme"
    assert finding["hint"]


class TestHooks:
    """What a plugin implements, against what is specified."""

    SOURCE = """
        import rich
        from zcore import hookimpl

        zops_api = 1

        @hookimpl(tryfirst=True)
        def zops_commands():
            return []

        @hookimpl(wrapper=True)
        def zops_settings():
            return (yield)

        @hookimpl
        def zops_validator():
            return []

        @hookimpl
        def zops_committed(change, user):
            pass

        @hookimpl(specname="zops_file_stores")
        def stores():
            return ["a folder"]

        @hookimpl
        def zops_export_stages():
            1 / 0

        def zops_checks():
            return []
    """

    def test_each_mistake(self, zops: Runner, plugins: InstalledPlugins) -> None:
        plugins.install("acme", self.SOURCE)
        assert messages(zops, "acme") == {
            ("heavy-import", "it imports rich as zops starts, and every command waits for that"),
            ("no-effect", "tryfirst of zops_commands has no effect"),
            ("hook-wrapper", "zops_settings is a wrapper, which zops does not call"),
            ("unknown-hook", "there is no hook zops_validator"),
            ("unknown-argument", "zops_committed is not called with 'user'"),
            (
                "broken-hook",
                "zops_file_stores fails: TypeError: returned a list with a str in it, "
                "not FileStoreKind",
            ),
            ("broken-hook", "zops_export_stages fails: ZeroDivisionError: division by zero"),
            ("not-marked", "zops_checks is not marked as a hook, and never called"),
        }
        hints = {finding["message"]: finding["hint"] for finding in found(zops, "acme")}
        assert hints["there is no hook zops_validator"] == "did you mean zops_validators?"
        assert hints["zops_committed is not called with 'user'"] == "it may take change, context"

    def test_hooks_of_other_plugins(self, zops: Runner, plugins: InstalledPlugins) -> None:
        plugins.install(
            "acme",
            """
            from types import ModuleType
            from zcore import Deprecated, hookimpl, hookspec

            zops_api = 1

            @hookspec(warn_on_impl=Deprecated("zops_acme_old", "9.0", instead="nothing"))
            def zops_acme_old(): "As it was."

            @hookspec
            def acme_hook(name): ...

            @hookimpl
            def zops_hookspecs():
                module = ModuleType("hooks")
                vars(module).update(zops_acme_old=zops_acme_old, acme_hook=acme_hook)
                return module
            """,
        )
        plugins.install(
            "other",
            """
            import warnings
            from zcore import Deprecated, hookimpl

            zops_api = 1
            warnings.warn(Deprecated("the old name", "9.0"))  # as a public name of zcore does

            @hookimpl
            def zops_acme_old(): return None
            """,
        )
        assert messages(zops, "acme") == {
            ("bad-name", "the hook 'acme_hook' does not begin with zops_"),
            ("no-help", "the hook 'acme_hook' has no docstring"),
        }
        assert messages(zops, "other") == {
            (
                "deprecated",
                "zops_acme_old is deprecated and goes away with zops 9.0; use nothing instead",
            ),
            ("deprecated", "the old name is deprecated and goes away with zops 9.0"),
        }


class TestDeclarations:
    """Names, help and settings."""

    SOURCE = """
        from zcore import Check, Command, FileStoreKind, Rewrite, Setting, Stage, Validator, Worker
        from zcore import hookimpl

        zops_api = 1
        GOOD = "dist_of_acme.work:one"

        @hookimpl
        def zops_commands():
            return [Command("doctor", "dist_of_acme.cli:good", "One."),
                    Command("twice", "dist_of_acme.cli:good", "One."),
                    Command("twice", "dist_of_acme.cli:good", "One.")]

        @hookimpl
        def zops_validators():
            return [Validator("Acme_rule", "realm.name", "dist_of_acme.work:two", help="Some.")]

        @hookimpl
        def zops_export_stages():
            return [Stage("messages", GOOD, help="Some."),
                    Stage("late", GOOD, needs=("nothing",), help="Some."),
                    Rewrite("zerver_relm", None, GOOD, help="Some."),
                    Rewrite("zerver_realm", "nam", GOOD, help="Some.")]

        @hookimpl
        def zops_checks():
            return [Check("acme", GOOD)]

        @hookimpl
        def zops_file_stores():
            return [FileStoreKind("Share", "dist_of_acme.work:two", "Some.")]

        @hookimpl
        def zops_queue_workers():
            return [Worker("noop", "dist_of_acme.work:two", "Some.")]

        @hookimpl
        def zops_settings():
            return [Setting("half-life", "Some.", default=1.0, kind=complex),
                    Setting("often", "Some.", default="1", kind=int),
                    Setting("place", "", default="", env="ZOPS_DATABASE")]
    """

    def test_each_mistake(self, zops: Runner, plugins: InstalledPlugins) -> None:
        plugins.install(
            "acme",
            self.SOURCE,
            cli="import click\n@click.command()\ndef good():\n    '''Good.'''",
            work="def one(job): pass\ndef two(one, other): pass",
        )
        assert messages(zops, "acme") == {
            ("name-taken", "zops itself also has a command 'doctor'"),
            ("name-twice", "there are two of the command 'twice'"),
            ("bad-name", "the name of the validator 'Acme_rule' is not in kebab case"),
            ("name-taken", "plugin 'export' also has a stage 'messages'"),
            ("unknown-stage", "the stage 'late' needs a stage 'nothing', which is not there"),
            ("unknown-table", "there is no table 'zerver_relm'"),
            ("unknown-column", "zerver_realm has no column 'nam'"),
            ("no-help", "the check 'acme' has no help"),
            ("bad-name", "the name of the file store 'Share' is not in the form of a URL's scheme"),
            ("name-taken", "plugin 'queue' also has a worker 'noop'"),
            ("bad-name", "the name of the setting 'half-life' is not in snake case"),
            ("unknown-kind", "the setting 'half-life' is of a kind that zops cannot read"),
            ("wrong-default", "the default of the setting 'often' is a str, not a int"),
            ("no-help", "the setting 'place' has no help"),
            (
                "name-taken",
                "the variable ZOPS_DATABASE of the setting 'place' is one of zops itself",
            ),
        }


class TestTargets:
    """What the values stand for: it is imported, and looked at."""

    SOURCE = """
        from zcore import Check, Command, Stage, Validator, Worker, hookimpl

        zops_api = 1

        @hookimpl
        def zops_commands():
            return [Command(f"acme-{name}", f"dist_of_acme.cli:{name}", "Some.")
                    for name in ("one", "two", "group")]

        @hookimpl
        def zops_checks():
            return [Check("acme", "dist_of_acme.work:number", "Some.")]

        @hookimpl
        def zops_validators():
            return [Validator("acme", "realm.name", "dist_of_acme.work:one", help="Some.")]

        @hookimpl
        def zops_export_stages():
            return [Stage("acme", "dist_of_acme.work:one", estimate="dist_of_acme.gone:x",
                          help="Some.")]

        @hookimpl
        def zops_queue_workers():
            return [Worker("acme", "dist_of_acme.work:wrapped", "Some.",
                           ready="dist_of_acme.work:none")]
    """
    CLI = '''
        import click

        one = 1

        @click.group()
        @click.pass_context
        def group(context):
            """All right."""

        @group.command("Below")
        @click.option("--no_help")
        @click.option("--good/--not_good", help="Some.")
        @click.argument("name")
        def below(no_help, good):
            pass
    '''
    WORK = """
        import functools

        number = 3
        def one(job): pass
        def none(): pass
        @functools.wraps(none)
        def wrapped(*anything): pass
    """

    def test_each_mistake(self, zops: Runner, plugins: InstalledPlugins) -> None:
        plugins.install("acme", self.SOURCE, cli=self.CLI, work=self.WORK)
        assert messages(zops, "acme") == {
            ("broken-target", "'dist_of_acme.cli:one' is a int, not a click command"),
            ("broken-target", "'dist_of_acme.cli:two': dist_of_acme.cli has no 'two'"),
            ("bad-name", "the command 'Below' is not in kebab case"),
            ("no-help", "the command 'acme-group Below' has no help"),
            ("no-help", "the option --no_help of the command 'acme-group Below' has no help"),
            (
                "bad-name",
                "the option --no_help of the command 'acme-group Below' is not in kebab case",
            ),
            (
                "bad-name",
                "the option --not_good of the command 'acme-group Below' is not in kebab case",
            ),
            (
                "wrong-signature",
                "the function of the command 'acme-group Below' does not take its parameters: "
                "got an unexpected keyword argument 'name'",
            ),
            ("broken-target", "'dist_of_acme.work:number' cannot be called"),
            (
                "wrong-signature",
                "'dist_of_acme.work:one' cannot be called with (values, context): "
                "too many positional arguments",
            ),
            (
                "broken-target",
                "'dist_of_acme.gone:x' cannot be imported: "
                "the module 'dist_of_acme.gone' is not installed",
            ),
            (
                "wrong-signature",
                "'dist_of_acme.work:none' cannot be called with (context): "
                "too many positional arguments",
            ),
        }
        where = {finding["where"] for finding in found(zops, "acme")}
        assert "acme: zops_queue_workers" in where


class TestSurroundings:
    """Whatever else is installed, and whatever it does."""

    def test_what_plugins_write_is_no_finding(
        self, zops: Runner, plugins: InstalledPlugins
    ) -> None:
        plugins.install_command("acme", '"""Do nothing."""')
        noisy = "import os, subprocess\nos.write(1, b'noise')\nsubprocess.run(['echo', 'noise'])\n"
        plugins.install(
            "noisy", f"{noisy}import zcore\n@zcore.hookimpl\ndef zops_checks(): return []"
        )
        done = zops("plugins", "check", "acme")
        assert done.stdout == "nothing wrong: acme\n"

    def test_of_one_that_is_switched_off(self, zops: Runner, plugins: InstalledPlugins) -> None:
        plugins.install("acme", "raise ValueError('no luck')")
        done = zops("--disable-plugin", "*", "plugins", "check", "acme", exit_code=5)
        assert "no luck" in done.stderr
        done = zops("--disable-plugin", "*", "plugins", "check", "--json")
        assert done.json()["checked"] == []

    def test_without_one_that_hangs(self, zops: Runner, plugins: InstalledPlugins) -> None:
        plugins.install("hangs", "import time\ntime.sleep(600)")
        plugins.install_command("acme", '"""Do nothing."""')
        off = ("--disable-plugin", "hangs")
        assert zops(*off, "plugins", "check", "acme").stdout == "nothing wrong: acme\n"

    def test_of_one_that_is_installed_twice(self, zops: Runner, plugins: InstalledPlugins) -> None:
        plugins.install("realm", "1 / 0", distribution="another-realm")
        (finding,) = found(zops, "realm")
        assert finding["code"] == "broken"
        assert "'realm' (zops-cli" in finding["message"]  # the other one is looked at
