"""All validators run, all their problems come out, and one that fails never passes in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.zcore.conftest import InstalledPlugins
    from zcore.database import Database
    from zcore.testing.commands import Runner
    from zcore.testing.in_process import ZopsInProcess


@pytest.fixture
def zops(zops_in_process: ZopsInProcess) -> ZopsInProcess:
    """`zops` inside the process of the tests: nothing here needs one of its own."""
    return zops_in_process


COMMAND = """
allow = frozenset(sys.stdin.read().split())
subjects = {'word': ['one', 'no', 'three'], 'nothing': []}
require_valid(zcore.current(), 'these words will not do', subjects, allow=allow, dry_run=True)
"""

RULES = """
from zcore import Problem

def short(values, context):
    for index, value in enumerate(values):
        if len(value) < 3:
            yield Problem('short', f'{value} is short', 'take a longer one', index, '--allow-short')

def vowel(values, context):
    return [
        Problem('vowel', f'{value} begins with a vowel', index=index)
        for index, value in enumerate(values)
        if value[0] in 'aeiou'
    ]

def fine(values, context):
    return None
"""

DECLARED = """
from zcore import Validator, hookimpl

@hookimpl
def zops_validators():
    return [
        Validator('vowel', 'word', 'dist_of_rules.rules:vowel'),
        Validator('short', 'word', 'dist_of_rules.rules:short'),
        Validator('fine', 'word', 'dist_of_rules.rules:fine'),
        Validator('other', 'number', 'dist_of_rules.rules:not_there'),
    ]
"""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a database with all tables and no rows, of both kinds."""
    if request.param == "sqlite":
        database: Database = request.getfixturevalue("sqlite_database")
        return str(database.url)
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(autouse=True)
def command(plugins: InstalledPlugins) -> None:
    """The command `check`, which validates three words."""
    imports = "import sys\nfrom zcore.validation import require_valid"
    plugins.install_command("check", COMMAND, imports=imports)


def found(zops: Runner, stdin: str = "") -> list[tuple[str, int]]:
    done = zops("check", "--json", exit_code=3, stdin=stdin)
    problems = done.json()["error"]["problems"]
    return [(problem["code"], problem["index"]) for problem in problems]


def one_rule(source: str) -> str:
    return (
        "from zcore import Problem, Validator, hookimpl\n"
        "@hookimpl\n"
        "def zops_validators():\n"
        "    return [Validator('rule', 'word', 'dist_of_acme.plugin:rule')]\n"
        f"{source}\n"
    )


def test_without_validators_nothing_is_refused(zops: Runner) -> None:
    assert zops("check", "--json").json() == {"ok": True}


def test_all_problems_come_at_once_in_order_of_the_values(
    zops: Runner, plugins: InstalledPlugins
) -> None:
    plugins.install("rules", DECLARED, rules=RULES)
    assert found(zops) == [("vowel", 0), ("short", 1)]
    assert zops("check", exit_code=3).stderr.splitlines() == [
        "zops: error: these words will not do: 2 problems",
        "problem: one begins with a vowel",
        "problem: no is short",
        "hint: take a longer one",
    ]


def test_a_flag_lets_pass_what_names_it(zops: Runner, plugins: InstalledPlugins) -> None:
    plugins.install("rules", DECLARED, rules=RULES)
    assert found(zops, stdin="--allow-short") == [("vowel", 0)]
    done = zops("check", exit_code=3, stdin="--allow-short")
    assert done.stderr == "zops: error: one begins with a vowel\n"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def rule(values, context): 1 / 0", "ZeroDivisionError: division by zero"),
        ("def rule(values, context): raise SystemExit(0)", "SystemExit: 0"),
        ("def rule(values, context): yield 'no'", "it gave a str, not a Problem"),
        ("def rule(values, context): return True", "'bool' object is not iterable"),
        ("def rule(): pass", "TypeError"),
        ("rule = 3", "not callable"),
        ("", "'dist_of_acme.plugin:rule': dist_of_acme.plugin has no 'rule'"),
    ],
)
def test_a_rule_that_fails_refuses(
    source: str, reason: str, zops: Runner, plugins: InstalledPlugins
) -> None:
    plugins.install("acme", one_rule(source))
    plugins.install("rules", DECLARED, rules=RULES)
    assert found(zops) == [("validator-failed", 0), ("vowel", 0), ("short", 1)]
    done = zops("check", exit_code=3)
    assert "the validator 'rule' of plugin 'acme' (dist-of-acme 1.0) failed: " in done.stderr
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("error", "exit_code"), [("Unreachable", 4), ("Interrupted", 130)])
def test_what_is_no_fault_of_a_rule_ends_with_its_own_code(
    error: str, exit_code: int, zops: Runner, plugins: InstalledPlugins
) -> None:
    source = f"from zcore import errors\ndef rule(values, context): raise errors.{error}('away')"
    plugins.install("acme", one_rule(source))
    done = zops("check", exit_code=exit_code)
    assert "failed" not in done.stderr
    assert "away" in done.stderr


def test_nothing_lets_a_rule_that_fails_pass(zops: Runner, plugins: InstalledPlugins) -> None:
    plugins.install("acme", one_rule("def rule(values, context): 1 / 0"))
    assert found(zops, stdin="None rule --disable validator-failed") == [("validator-failed", 0)]


def test_a_plugin_that_cannot_say_its_rules_refuses(
    zops: Runner, plugins: InstalledPlugins
) -> None:
    plugins.install("acme", "import zcore\n@zcore.hookimpl\ndef zops_validators():\n    1 / 0")
    done = zops("check", exit_code=3)
    error, hint = done.stderr.splitlines()
    assert "plugin 'acme' (dist-of-acme 1.0) cannot be asked for zops_validators" in error
    assert "--disable-plugin acme" in hint
    assert zops("--disable-plugin", "acme", "check").exit_code == 0


def test_the_order_is_by_plugin_and_name_and_by_wishes(
    zops: Runner, plugins: InstalledPlugins
) -> None:
    for plugin, before, after in (("ccc", "()", "()"), ("bbb", "()", "('ccc',)")):
        plugins.install(
            plugin,
            f"""
            from zcore import Problem, Validator, hookimpl

            @hookimpl
            def zops_validators():
                target = 'dist_of_{plugin}.plugin:rule'
                yield Validator('{plugin}', 'word', target, before={before}, after={after})
                yield Validator('{plugin}-a', 'word', target)

            def rule(values, context):
                yield Problem('{plugin}', 'a problem of {plugin}')
            """,
        )
    codes = [code for code, _ in found(zops)]
    assert codes == ["bbb", "ccc", "bbb", "ccc"]


LOOKS = """
def rule(values, context):
    with context.database.read() as connection:
        connection.exec_driver_sql("DELETE FROM zerver_client")
"""


def test_a_rule_can_look_into_the_database_and_cannot_write(
    zops: Runner, plugins: InstalledPlugins, database_url: str
) -> None:
    plugins.install("acme", one_rule(LOOKS))
    done = zops("check", exit_code=3, env={"ZOPS_DATABASE": database_url})
    assert "the validator 'rule'" in done.stderr
    assert "read" in done.stderr


@pytest.mark.parametrize("attribute", ["begin", "writer", "engine"])
def test_a_rule_has_no_other_way_to_the_database(
    attribute: str, zops: Runner, plugins: InstalledPlugins, sqlite_database: Database
) -> None:
    plugins.install("acme", one_rule(f"def rule(values, context): context.database.{attribute}"))
    url = str(sqlite_database.url)
    done = zops("check", exit_code=3, env={"ZOPS_DATABASE": url})
    assert f"has no attribute '{attribute}'" in done.stderr
