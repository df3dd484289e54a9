"""`zops export --privacy strict`: what leaves of people, table by table and mode by mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from tests.interop.reading import Row, WholeExport
from tests.zops_export.building import ABOUT_EXPORTS, NOW, Builder, Named
from tests.zops_export.conftest import ZopsHere
from zcore.schema import tables
from zcore.schema.defaults import has_default
from zcore.schema.facts import exported_tables, json_key, references, row_keys
from zcore.schema.types import UtcDateTime
from zops_export.privacy import DECIDED, DECISIONS, EMPTIED, KEPT, settings

if TYPE_CHECKING:
    from pathlib import Path

    from zcore.database import Database

OPTIONS = {"P": "--public-only", "C": "--export-full-with-consent", "F": "--full"}
MODES = pytest.mark.parametrize("mode", list(OPTIONS))
USERS = "zerver_userprofile"
NOBODY = 4

# Who of the organization `hill` consents, and whose address nobody sees (`email` is then another)
PEOPLE: dict[str, dict[str, object]] = {
    "olga": {"role": 100},
    "ann": {"role": 100, "allow_private_data_export": True, "email_address_visibility": NOBODY},
    "ben": {"email_address_visibility": 3},
    "hid": {"email_address_visibility": NOBODY},
    "gone": {"is_active": False, "email_address_visibility": NOBODY},
    "dora": {"is_active": False, "is_mirror_dummy": True},
    "annbot": {"is_bot": True, "bot_type": 3},
    "benbot": {"is_bot": True, "bot_type": 3, "email_address_visibility": NOBODY},
}
OWNERS = {"annbot": "ann", "benbot": "ben"}
PERMITTING = {"P": set(), "C": {"ann", "annbot"}, "F": {"ann", "annbot"}}
DUMMIES = {
    "P": {"dora", "hid", "ann"},
    "C": {"dora", "hid", "olga", "ben", "benbot"},
    "F": {"dora", "hid"},
}
HIDDEN = {"P": {"ann", "hid", "gone"}, "C": {"hid", "gone"}, "F": {"hid", "gone"}}
OWNED = {name: one.owner for name, one in DECISIONS.items() if one.owner is not None}
# Chosen by their owner, and different from what a new account has
CHOSEN = {"enter_sends": True, "default_language": "eo", "color_scheme": 2}


def secret(user: str, table: str) -> str:
    return f"{user} {table.removeprefix('zerver_')}"[:16]


class Hill:
    """An organization in which every user has a row in each table of their own."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.zops = ZopsHere(folder).on(database)
        with database.begin() as connection:
            self.builder = Builder(connection, self.zops.uploads)
            self._build(self.builder)

    def _build(self, build: Builder) -> None:
        build.realm("hill")
        for name, given in PEOPLE.items():
            chosen = {**CHOSEN, "avatar_source": "G", **given}
            if name in OWNERS:
                chosen["bot_owner_id"] = build.ids["users"][OWNERS[name]]
            user_id = build.user(name, "hill", **chosen)
            if given.get("email_address_visibility", 1) != 1 and "is_bot" not in given:
                self._change(USERS, user_id, email=f"user{user_id}@zulip.test")
            self._change(USERS, user_id, last_login=NOW, zoom_token={"token": secret(name, "zoom")})
        build.channel("town", "hill")
        build.subscribe("#town", *PEOPLE)
        build.group("ours", "ann", "ben")
        build.group("theirs", "ben", "hid")
        build.message("said", "hid", "#town", PEOPLE, realm="hill")
        build.message("whispered", "ben", "{theirs}", ["ben", "hid"], realm="hill")
        subscriptions, had = tables["zerver_subscription"], tables["zerver_usermessage"]
        build.execute(sa.update(subscriptions).values(is_muted=True, color="#123456"))
        build.execute(sa.update(had).values(flags=1 << 1 | 1 << 3 | 1 << 9))
        for name in OWNED:
            for user in PEOPLE:
                build.insert(name, **self._filled(tables[name], user, OWNED[name]))
        for user in PEOPLE:
            build.insert(
                "zerver_realmauditlog",
                realm_id=build.ids["realms"]["hill"],
                event_type=124,
                event_time=NOW,
                backfilled=False,
                modified_user_id=build.ids["users"][user],
                extra_data={"1": secret(user, "name")},
            )

    def _change(self, table: str, row: int, **values: object) -> None:
        changed = tables[table]
        self.builder.execute(sa.update(changed).where(changed.c.id == row).values(**values))

    def _filled(self, table: sa.Table, user: str, owner: str) -> dict[str, object]:
        """A row of the user's, with their secret in every text."""
        ids = self.builder.ids
        targets = {
            "zerver_realm": ids["realms"]["hill"],
            "zerver_client": self.builder.client_id,
            "zerver_stream": ids["channels"]["town"],
            "zerver_recipient": ids["recipients"]["#town"],
            USERS: ids["users"]["olga" if user != "olga" else "ann"],
        }
        values: dict[str, object] = {}
        for column in table.columns:
            if column.foreign_keys:
                (target, *_) = [one.target for one in references(column)]
                if target in targets and not column.nullable:
                    values[column.name] = targets[target]
            elif isinstance(column.type, (sa.String, sa.Text)):
                values[column.name] = secret(user, table.name)
            elif isinstance(column.type, UtcDateTime) and not column.nullable:
                values[column.name] = NOW
            elif not has_default(column) and not column.primary_key:
                values[column.name] = 1
        if "reaction_type" in values:
            values |= {"emoji_name": "", "emoji_code": "", "reaction_type": "unicode_emoji"}
        return values | {owner: ids["users"][user]}

    def exported(self, mode: str) -> Named:
        """What a strict export carries. Made once."""
        target = self.folder / mode
        if not target.exists():
            words = ("-r", "hill", "--output", target, OPTIONS[mode], "--privacy", "strict")
            self.zops("export", *words)
        return Named(WholeExport.read(target), self.builder.ids)

    def accounts(self, mode: str) -> dict[str, Row]:
        """The rows of users by their names."""
        found = self.exported(mode)
        return {found.name("users", row["id"]): row for row in found.export.rows(USERS)}


@pytest.fixture(scope="module")
def hill(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Hill:
    """For tests that only look."""
    return Hill(shared_database, tmp_path_factory.mktemp("hill"))


def _leads_to_users(table: sa.Table) -> bool:
    found = (one for column in table.columns if column.foreign_keys for one in references(column))
    return any(one.target == USERS for one in found)


def test_there_is_a_decision_about_every_table_that_has_to_do_with_users() -> None:
    concerned = {table.name for table in exported_tables(dict(tables)) if _leads_to_users(table)}
    undecided = concerned - DECISIONS.keys()
    assert not undecided, f"say in zops_export.privacy what strict privacy does with {undecided}"
    assert DECISIONS.keys() <= {table.name for table in exported_tables(dict(tables))}


def test_there_is_a_decision_about_every_column_of_an_account() -> None:
    users = tables[USERS]
    keys = {json_key(column): column.name for column in users.columns}
    decided = KEPT | DECIDED | EMPTIED | {column.name for column in settings()}
    undecided = {key for key in row_keys(users) if key in keys} - decided
    assert not undecided, f"say in zops_export.privacy what strict privacy does with {undecided}"


def test_the_documentation_names_every_decision() -> None:
    from tools.docs.pages import ROOT

    page = (ROOT / "docs" / "privacy.md").read_text()
    for name, decision in DECISIONS.items():
        assert f"| `{name}` | {decision.says} |" in page


@MODES
@pytest.mark.parametrize("table", OWNED)
def test_private_rows_leave_with_consent_only(hill: Hill, mode: str, table: str) -> None:
    found = hill.exported(mode)
    key = json_key(tables[table].c[OWNED[table]])
    owners = {found.name("users", row[key]) for row in found.rows(table)}
    scheduled = table == "zerver_scheduledmessage" and mode == "C"  # a server's own rule
    assert owners == PERMITTING[mode] - ({"annbot"} if scheduled else set())


@MODES
def test_who_does_not_consent_leaves_without_settings(hill: Hill, mode: str) -> None:
    for name, row in hill.accounts(mode).items():
        private = {key: row[key] for key in CHOSEN}
        assert (private == CHOSEN) is (name in PERMITTING[mode]), name
        assert (row["last_login"] is None) is (name not in PERMITTING[mode]), name
        assert (row["zoom_token"] is None) is (name not in PERMITTING[mode]), name
        given = PEOPLE[name]
        assert row["email_address_visibility"] == given.get("email_address_visibility", 1)
        assert row["allow_private_data_export"] is bool(given.get("allow_private_data_export"))


@MODES
def test_hidden_addresses_are_nowhere_in_the_export(hill: Hill, mode: str) -> None:
    files = list((hill.folder / mode).rglob("*.json")) if hill.exported(mode) else []
    text = "".join(path.read_text() for path in files)
    assert files
    for name in PEOPLE:
        assert (f"{name}@hill.test" in text) is (name not in HIDDEN[mode]), name
        private = [secret(name, table) for table in (*OWNED, "zoom", "name")]
        told = any(f'"{one}"' in text for one in private)
        assert told is (name in PERMITTING[mode]), name
    addresses = [row["delivery_email"].lower() for row in hill.accounts(mode).values()]
    assert len(set(addresses)) == len(addresses)


@MODES
def test_who_becomes_a_dummy(hill: Hill, mode: str) -> None:
    found = hill.exported(mode)
    assert found.names("users", f"{USERS}_mirrordummy") == sorted(DUMMIES[mode])
    assert found.names("users", USERS) == sorted(PEOPLE.keys() - DUMMIES[mode])
    for name, row in hill.accounts(mode).items():
        assert row["is_mirror_dummy"] is (name in DUMMIES[mode]), name
        active = PEOPLE[name].get("is_active", True) and name not in DUMMIES[mode]
        assert row["is_active"] is active, name


@MODES
def test_messages_are_those_of_the_mode_and_nobody_elses_marks(hill: Hill, mode: str) -> None:
    found = hill.exported(mode)
    everything = ["said", "whispered"] if mode == "F" else ["said"]
    assert found.names("messages", "zerver_message") == everything
    groups = {"P": [], "C": ["ours"], "F": ["ours", "theirs"]}[mode]
    assert found.names("groups", "zerver_huddle") == groups
    for row in found.rows("zerver_usermessage"):
        name = found.name("users", row["user_profile"])
        assert name not in DUMMIES[mode]
        kept = name in PERMITTING[mode]
        assert row["flags_mask"] == (1 << 1 | 1 << 3 | 1 << 9 if kept else 1 << 0 | 1 << 3), name
    for row in found.rows("zerver_subscription"):
        name = found.name("users", row["user_profile"])
        kept = name in PERMITTING[mode]
        assert (row["is_muted"], row["color"]) == (
            (True, "#123456") if kept else (False, "#c2c2c2")
        )


@MODES
def test_the_audit_log_keeps_what_is_not_about_accounts(hill: Hill, mode: str) -> None:
    found = hill.exported(mode)
    changed = {
        found.name("users", row["modified_user"])
        for row in found.rows("zerver_realmauditlog")
        if row["modified_user"] is not None
    }
    assert changed == PERMITTING[mode]


@MODES
def test_a_strict_export_is_whole_and_can_be_imported(
    hill: Hill, mode: str, sqlite_database: Database, tmp_path: Path
) -> None:
    hill.exported(mode)
    hill.zops("verify", hill.folder / mode)
    other = ZopsHere(tmp_path).on(sqlite_database)
    done: dict[str, Any] = other("--json", "import", "hill", hill.folder / mode).json()
    assert done["ok"]
    with sqlite_database.read() as connection:
        users = tables[USERS]
        query = sa.select(users.c.full_name).where(users.c.is_mirror_dummy)
        assert set(connection.scalars(query)) == DUMMIES[mode]


def test_the_manifest_says_that_it_was_strict(hill: Hill) -> None:
    assert hill.exported("F").export.others["zops-manifest.json"]["privacy"] == "strict"


@MODES
def test_a_dry_run_counts_what_leaves(hill: Hill, mode: str) -> None:
    words = ("export", "-r", "hill", OPTIONS[mode], "--privacy", "strict", "--dry-run")
    exported = {table: len(rows) for table, rows in hill.exported(mode).export.tables.items()}
    planned = hill.zops("--json", *words).json()["rows"]
    for table in ABOUT_EXPORTS:
        del planned[table], exported[table]
    assert planned == exported
