"""`zops plugins list` and `show`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.zcore.conftest import InstalledPlugins
    from zcore.testing.commands import Runner
    from zcore.testing.in_process import ZopsInProcess


@pytest.fixture
def zops(zops_in_process: ZopsInProcess) -> ZopsInProcess:
    """`zops` inside the process of the tests: nothing here needs one of its own."""
    return zops_in_process


REALM = (
    "acme",
    "--string-id",
    "acme-corp",
    "--email",
    "ann@example.com",
    "--full-name",
    "Ann Other",
)
CREATE_REALM = ("create-realm", *REALM, "--no-password")

GREETINGS = """
    from zcore import Command, Setting, hookimpl

    zops_api = 1

    @hookimpl
    def zops_commands():
        return [Command("hello", "dist_of_acme.cli:hello", "Say hello.")]

    @hookimpl
    def zops_settings():
        return [
            Setting("greeting", "What to say", default="hello"),
            Setting("often", "How often", default=1, kind=int),
            Setting("pass_phrase", "What opens", default="", secret=True, env="ACME_OPEN"),
        ]

    @hookimpl
    def zops_hookspecs():
        from dist_of_acme import hookspecs
        return hookspecs

    @hookimpl
    def zops_acme_greetings():
        return ["smtp://me:hush@mail", object]
"""
GREETING_HOOKS = '''
    from zcore import hookspec

    @hookspec
    def zops_acme_greetings():
        """Greetings to choose from.

        Any text will do.
        """
'''
RULES = """
    from zcore import Check, CheckResult, Problem, Validator, hookimpl

    @hookimpl
    def zops_validators():
        return [
            Validator(name, "realm.name", f"dist_of_acme.plugin:{name}") for name in ("no", "oops")
        ]

    @hookimpl
    def zops_checks():
        return [Check("acme", "dist_of_acme.plugin:check")]

    def no(values, context): return [Problem("acme-no", "postgresql://me:hush@db is no name")]
    def oops(values, context): 1 / 0
    def check(context): return CheckResult("ok", "all well")
"""


class TestList:
    def test_for_programs(self, zops: Runner, plugins: InstalledPlugins) -> None:
        plugins.install("bad", "raise ValueError('no luck')", version="2.1")
        listed = zops("--disable-plugin", "realm", "plugins", "list", "--json").json()["plugins"]
        assert [(one["name"], one["status"]) for one in listed] == [
            ("bad", "broken"),
            ("export", "active"),
            ("queue", "active"),
            ("realm", "disabled"),
        ]
        bad, export = listed[:2]
        assert (bad["distribution"], bad["version"]) == ("dist-of-bad", "2.1")
        assert bad["error"] == "it cannot be loaded: ValueError: no luck"
        assert {"export", "import", "verify"} <= set(export["commands"])
        assert {"zops_commands", "zops_hookspecs"} <= set(export["hooks"])
        assert export["origin"].endswith("zops_export/plugin.py")
        assert export["api"] == 1
        assert export["seconds"] > 0
        assert export["deprecations"] == []

    def test_for_people(self, zops: Runner, plugins: InstalledPlugins) -> None:
        plugins.install("bad", "raise ValueError('no luck')")
        first, *lines = zops("plugins", "list").stdout.splitlines()
        assert " ".join(first.split()) == "PLUGIN VERSION FROM STATUS HOOKS COMMANDS MS PROBLEM"
        assert lines[0].startswith("bad     1.0      dist-of-bad  broken")
        assert lines[0].endswith("it cannot be loaded: ValueError: no luck")
        assert "process-queue, queue" in lines[2]
        wide = zops("plugins", "list", "--wide").stdout
        assert "zops_queue_brokers" in wide
        assert "zops_queue/plugin.py" in wide
        assert zops("-v", "plugins", "list").stdout.splitlines()[0].endswith("ORIGIN")


class TestShow:
    def test_everything_that_it_provides(self, zops: Runner) -> None:
        shown = zops("plugins", "show", "realm", "--json").json()
        assert shown["status"] == "active"
        commands = {command["name"] for command in shown["provides"]["zops_commands"]}
        assert commands == set(shown["commands"])
        assert {"create-realm", "create-user"} <= commands
        validators = shown["provides"]["zops_validators"]
        assert "realm.subdomain" in {validator["subject"] for validator in validators}

    def test_for_people(self, zops: Runner) -> None:
        lines = zops("plugins", "show", "export").stdout.splitlines()
        assert lines[0] == "export, active: zops-cli 0.1.0"
        assert "zops_import_stages: Stages of `zops import`." in lines
        (verify,) = (line.split() for line in lines if line.startswith("  verify"))
        assert verify[1:3] == ["Say", "whether"]
        assert verify[-1] == "zops_export.cli:verify"
        (attachments,) = (line.split() for line in lines if line.startswith("  attachments"))
        assert "uploads" in attachments  # what it needs

    def test_settings_and_hooks_of_its_own(self, zops: Runner, plugins: InstalledPlugins) -> None:
        plugins.install("acme", GREETINGS, hookspecs=GREETING_HOOKS)
        (zops.folder / "zops.toml").write_text('[plugins.acme]\ngreeting = "hi"\n')
        environment = {"ACME_OPEN": "sesame", "ZOPS_ACME_OFTEN": "daily"}
        done = zops("plugins", "show", "acme", "--json", env=environment)
        provides = done.json()["provides"]
        greeting, often, secret = provides["zops_settings"]
        assert (greeting["value"], greeting["variable"]) == ("hi", "ZOPS_ACME_GREETING")
        assert greeting["origin"].endswith("zops.toml")
        assert "must be a whole number" in often["problem"]
        assert (secret["value"], secret["origin"]) == ("***", "environment ACME_OPEN")
        assert provides["zops_hookspecs"] == [
            {"name": "zops_acme_greetings", "help": "Greetings to choose from."}
        ]
        assert provides["zops_acme_greetings"] == [
            {"value": "smtp://me:***@mail"},
            {"value": "<class 'object'>"},
        ]
        text = zops("plugins", "show", "acme", env=environment).stdout
        assert "zops_acme_greetings  Greetings to choose from." in text
        assert "sesame" not in text + done.stdout

    def test_one_that_is_broken(self, zops: Runner, plugins: InstalledPlugins) -> None:
        plugins.install("acme", "def fail():\n    raise ValueError('no luck')\n\nfail()")
        shown = zops("plugins", "show", "acme").stdout
        assert "problem: it cannot be loaded: ValueError: no luck" in shown
        assert "in fail\n    raise ValueError('no luck')" in shown

    def test_one_that_is_not_there(self, zops: Runner) -> None:
        done = zops("plugins", "show", "relam", exit_code=2)
        assert done.stderr.splitlines() == [
            "zops: error: there is no plugin 'relam'",
            "hint: there are export, queue, realm",
        ]

    def test_by_other_names(self, zops: Runner, plugins: InstalledPlugins) -> None:
        plugins.install("my-tool", "", distribution="zops-my-tool")
        for name in ("my-tool", "my_tool", "zops-my-tool"):
            assert zops("plugins", "show", name, "--json").json()["name"] == "my-tool"
        zops("plugins", "show", "zops-cli", exit_code=2)  # has three

    def test_a_hook_that_fails_when_it_is_asked(
        self, zops: Runner, plugins: InstalledPlugins
    ) -> None:
        source = "import zcore\n@zcore.hookimpl\ndef zops_checks():\n    1 / 0"
        plugins.install("acme", source)
        done = zops("plugins", "show", "acme", "--json")
        assert done.json()["hooks"] == ["zops_checks"]
        assert "ZeroDivisionError" in done.stderr


class TestTrace:
    """What comes after --trace is a command like any other, but for what is told of it."""

    def test_what_ran_in_which_order(self, zops: Runner) -> None:
        done = zops("plugins", "show", "realm", "--trace", *CREATE_REALM, "--json").json()
        assert done["string_id"] == "acme-corp"
        trace = done["trace"]
        whats = [one["what"] for one in trace]
        assert whats[:2] == ["command create-realm", "zops_validators"]
        assert whats[-1] == "zops_committed"
        assert {"validator subdomain-taken", "validator email-syntax"} <= set(whats)
        assert [one["began"] for one in trace] == sorted(one["began"] for one in trace)
        assert trace[0]["seconds"] >= max(one["seconds"] for one in trace)
        assert {one["error"] for one in trace} == {""}
        assert {one["result"] for one in trace if "validator " in one["what"]} == {"none"}

    def test_of_a_command_that_fails(self, zops: Runner, plugins: InstalledPlugins) -> None:
        plugins.install("acme", RULES)
        traced = ("plugins", "show", "acme", "--trace", *CREATE_REALM, "--dry-run")
        done = zops(*traced, "--json", exit_code=3)
        assert done.codes() == {"invalid", "acme-no", "validator-failed"}
        hook, no, oops = done.json()["trace"]
        assert (hook["what"], hook["result"]) == ("zops_validators", "no, oops")
        assert no["what"] == "validator no"
        assert no["result"] == "acme-no: postgresql://me:***@db is no name"
        assert (oops["result"], oops["error"]) == (
            "",
            "ZeroDivisionError: division by zero",
        )
        people = zops(*traced, exit_code=3)
        assert people.stdout == ""
        assert "error: ZeroDivisionError" in people.stderr
        assert people.stderr.index("validator no") < people.stderr.index("validator oops")

    def test_checks_and_workers(self, zops: Runner, plugins: InstalledPlugins) -> None:
        plugins.install("acme", RULES)
        done = zops("plugins", "show", "acme", "--trace", "doctor", "--json").json()
        assert [one["what"] for one in done["trace"]] == ["zops_checks", "check acme"]
        assert done["trace"][1]["result"] == "ok: all well"
        events = "".join(f"{json.dumps({'number': number})}\n" for number in range(3))
        zops("queue", "publish", "noop", stdin=events)
        done = zops("plugins", "show", "queue", "--trace", "process-queue", "noop", "--drain")
        assert "processed 3" in done.stdout
        for what in (
            "command process-queue",
            "zops_queue_workers",
            "broker embedded",
            "worker noop",
        ):
            assert what in done.stderr

    def test_of_a_plugin_that_has_no_part_in_it(self, zops: Runner) -> None:
        done = zops("plugins", "show", "export", "--trace", "settings")
        assert done.stdout.startswith("SETTING")
        assert done.stderr == "nothing of the plugin 'export' ran\n"

    def test_of_the_help(self, zops: Runner) -> None:
        done = zops("plugins", "show", "realm", "--trace", "create_user", "--help")
        assert done.stdout.startswith("Usage: zops create-user ")

    def test_of_what_is_no_command(self, zops: Runner) -> None:
        show = ("plugins", "show", "realm", "--trace")
        assert "a command is missing" in zops(*show, exit_code=2).stderr
        zops(*show, "--database", "x", "doctor", exit_code=2)
        done = zops(*show, "create-usr", "--json", exit_code=2).json()
        assert "did you mean 'create-user'" in done["error"]["hint"]
        assert done["trace"] == []

    def test_does_not_pass_over_wrong_settings(self, zops: Runner) -> None:
        """As `zops plugins` does, which writes nothing."""
        (zops.folder / "zops.toml").write_text("[database\n")
        zops("plugins", "show", "realm")
        zops("plugins", "show", "realm", "--trace", *CREATE_REALM, exit_code=3)
        assert not zops.home.exists()
