"""Each recipe, installed as a package and used."""

from __future__ import annotations

import csv
import json
import stat
from typing import TYPE_CHECKING

import pytest

from tests.docs.packages import assert_nothing_wrong, implementing, install
from tests.docs.pages import PLUGIN_DOCS, sections
from tests.docs.shell import Shell, typed
from tests.interop.reading import REAL_EXPORTS
from tools.docs.examples import blocks, files

if TYPE_CHECKING:
    from pathlib import Path

    from zcore.testing.commands import Zops

RECIPES = sections(PLUGIN_DOCS / "recipes.md")
RULE = "A rule of the house"
CSV = "A file of one's own in each export"
WORKER = "A queue worker"
STORE = "A place for uploaded files"
REWRITE = "An export without a column"
HOOK = "A hook of one's own"


def install_recipe(title: str, zops: Zops) -> None:
    """Install the plugin of a recipe, and put its `zops.toml` where the command looks for it."""
    shown = files(RECIPES[title])
    configuration = shown.pop("zops.toml", "")
    install(shown, zops)
    if configuration:
        path = zops.folder / "zops.toml"
        path.write_text(configuration)
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)


def test_every_recipe_has_a_test() -> None:
    assert [*RECIPES] == [RULE, CSV, WORKER, STORE, REWRITE, HOOK]


@pytest.mark.parametrize("title", RECIPES)
def test_nothing_is_wrong_with_it(title: str, zops: Zops) -> None:
    install_recipe(title, zops)
    assert_nothing_wrong(zops)


def test_a_rule(acme: Zops) -> None:
    install_recipe(RULE, acme)
    words = ["create-user", "--full-name", "Max Member", "-r", "acme", "--no-password"]
    refused = acme("--json", *words, "max@gmail.example", exit_code=3)
    assert refused.codes() == {"acme-domain"}
    assert refused.json()["error"]["hint"] == "use one of acme.example, acme.test"
    acme(*words, "max@ACME.test")


def test_a_csv(acme: Zops) -> None:
    install_recipe(CSV, acme)
    acme("export", "-r", "acme", "--output", "exported")
    acme("verify", "exported")
    with (acme.folder / "exported" / "acme" / "channels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["channel"] for row in rows] == ["Zulip", "general", "sandbox"]
    assert all(row["description"] for row in rows)


def test_a_worker(zops: Zops) -> None:
    install_recipe(WORKER, zops)
    environment = zops.environment | {"PATH": f"{zops.program.parent}:{zops.environment['PATH']}"}
    shown = [block.text for block in blocks(RECIPES[WORKER]) if block.language == "console"]
    with Shell(zops.folder, environment) as shell:
        for one in typed("".join(shown)):
            shell.check(one)
    assert (zops.home / "greetings" / "7.txt").read_text() == "Welcome, number 7!\n"
    zops("queue", "publish", "acme_greetings", stdin="{}\n")
    zops("process-queue", "acme_greetings", "--drain", exit_code=5)


def test_a_file_store(zops: Zops) -> None:
    install_recipe(STORE, zops)
    share = zops.folder / "share"
    zops.environment |= {"ZOPS_UPLOADS": "acme://marketing", "ZOPS_ACME_SHARE": str(share)}
    away = zops("import", "acme", REAL_EXPORTS["public"], exit_code=4)
    assert f"{share} is not mounted" in away.stderr
    share.mkdir()
    came = zops("--json", "import", "acme", REAL_EXPORTS["public"]).json()
    found = [path for path in share.rglob("*") if path.is_file()]
    assert len(found) >= came["files"] > 0
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o640}
    assert {path.name for path in (share / "marketing").iterdir()} == {"files", "avatars"}


def test_a_rewrite(zops: Zops) -> None:
    zops("import", "acme", REAL_EXPORTS["public"])
    zops("export", "-r", "acme", "--output", "whole")
    install_recipe(REWRITE, zops)
    zops("export", "-r", "acme", "--output", "less")
    whole, less = (realm_of(zops.folder / name) for name in ("whole", "less"))
    assert any(user["timezone"] for user in whole["zerver_userprofile"])
    assert {user["timezone"] for user in less["zerver_userprofile"]} == {""}
    assert whole["zerver_useractivity"]
    assert less["zerver_useractivity"] == []
    zops("verify", "less")


def realm_of(export: Path) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = json.loads((export / "realm.json").read_text())
    return found


def test_a_hook(zops: Zops) -> None:
    install_recipe(HOOK, zops)
    other = implementing("zops_acme_greetings", "['hi']")
    broken = other.replace("['hi']", "1 / 0")
    install({"zops_other/plugin.py": other}, zops, plugin="other")
    install({"zops_third/plugin.py": broken}, zops, plugin="third")
    greeted = zops("greet")
    assert greeted.stdout == "hello\nhi\n"
    assert "plugin 'third' (zops-third 1.0): zops_acme_greetings" in greeted.stderr
