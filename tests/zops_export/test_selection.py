"""Which rows each mode of an export carries.

The letters say in which modes something is expected: P `--public-only`, C
`--export-full-with-consent`, F full; `-` in none.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.interop.reading import WholeExport
from tests.zops_export.building import ABOUT_EXPORTS, NOW, Builder, Named
from tests.zops_export.conftest import ZopsHere
from zcore.schema import tables

if TYPE_CHECKING:
    from pathlib import Path

    from zcore.database import Database

OPTIONS = {"P": "--public-only", "C": "--export-full-with-consent", "F": "--full"}
MODES = pytest.mark.parametrize("mode", list(OPTIONS))

# In the organization `hill`; `fay` is of the organization `vale`.
CONSENTING = {"ann", "cam"}
ORDINARY = CONSENTING | {"ben", "gone", "robo", "twin", "lost"}  # neither dummies nor system bots
DUMMIES = {"dora", "dim"}
USERS = {
    "ann": {"allow_private_data_export": True},
    "cam": {"allow_private_data_export": True},
    "ben": {},
    # who left, and bots, consent to nothing
    "gone": {"is_active": False, "allow_private_data_export": True},
    "robo": {"is_bot": True, "bot_type": 1, "allow_private_data_export": True},
    # no system bot: their addresses are compared letter by letter, and this is no bot
    "twin": {"email": "Welcome-Bot@ZULIP.com"},
    "dora": {"is_mirror_dummy": True, "is_active": False},
    # a deleted account whose messages were kept
    "dim": {"is_mirror_dummy": True, "is_active": False, "subscribed": False},
    "lost": {"subscribed": False},
}

PRIVATE = {"invite_only": True}
PROTECTED = {"history_public_to_subscribers": False}
CHANNELS = {  # settings, subscribers, those who left
    "town": ({}, "ann ben gone robo dora", "cam"),
    "archive": ({"deactivated": True}, "ben", ""),
    "fog": (PROTECTED, "ann ben", ""),  # as in a realm that mirrors Zephyr
    "lounge": (PRIVATE, "ben", "ann"),
    "cellar": (PRIVATE, "ben lost", ""),
    "attic": (PRIVATE, "gone robo dora", ""),
    "shed": (PRIVATE | {"deactivated": True}, "ben cam", ""),
    "cabinet": (PRIVATE | PROTECTED, "ann ben", ""),
    "drawer": (PRIVATE | PROTECTED, "ben", "ann"),
    "vault": (PRIVATE | PROTECTED, "ben", ""),
}
GROUPS = {
    "trio": "ann ben robo",
    "quiet": "ben gone dora",
    "departed": "cam dim lost",
    "with-bot": "ann ben welcome-bot",
    "with-foreigner": "ann ben fay",
}
KEPT_GROUPS = ["departed", "quiet", "trio"]

# name, sender, recipient, who had it, in which modes
MESSAGES = [
    ("town-ann", "ann", "#town", "ann cam ben gone robo dora fay", "PCF"),
    ("town-ben", "ben", "#town", "ann ben", "PCF"),
    ("town-gone", "gone", "#town", "gone", "PCF"),
    ("town-robo", "robo", "#town", "robo", "PCF"),
    ("town-dora", "dora", "#town", "dora", "PCF"),
    ("town-dim", "dim", "#town", "", "PCF"),
    ("town-lost", "lost", "#town", "lost", "PCF"),
    ("town-twin", "twin", "#town", "twin", "PCF"),
    ("town-notified", "notification-bot", "#town", "ann", "PCF"),
    ("town-mailed", "emailgateway", "#town", "ben", "PCF"),
    ("town-nagios", "nagios-send-bot", "#town", "ann", "-"),
    ("town-foreign", "fay", "#town", "ann fay", "-"),
    ("archive-ben", "ben", "#archive", "ben", "PCF"),
    ("fog-had", "ben", "#fog", "ann ben", "PCF"),
    ("fog-not-had", "ben", "#fog", "ben", "PCF"),
    ("lounge-had", "ben", "#lounge", "ann ben", "CF"),
    ("lounge-after-ann-left", "ben", "#lounge", "ben", "CF"),
    ("lounge-foreign", "fay", "#lounge", "ann", "-"),
    ("cellar-ben", "ben", "#cellar", "ben", "F"),
    ("cellar-mentioning-ann", "ben", "#cellar", "ann ben", "F"),
    ("attic-gone", "gone", "#attic", "gone robo", "F"),
    ("shed-ben", "ben", "#shed", "", "CF"),
    ("cabinet-had", "ben", "#cabinet", "ann ben", "CF"),
    ("cabinet-not-had", "ben", "#cabinet", "ben", "F"),
    ("cabinet-of-ann-not-had", "ann", "#cabinet", "ben", "F"),
    ("cabinet-had-by-bot", "notification-bot", "#cabinet", "robo gone", "F"),
    ("cabinet-foreign", "fay", "#cabinet", "ann", "-"),
    ("drawer-had", "ben", "#drawer", "ann ben", "CF"),
    ("drawer-had-by-other", "ben", "#drawer", "cam ben", "CF"),
    ("drawer-not-had", "ben", "#drawer", "ben", "F"),
    ("vault-had", "ben", "#vault", "ann ben", "F"),
    ("trio-ann", "ann", "{trio}", "ann ben robo", "CF"),
    ("trio-ben", "ben", "{trio}", "ben", "CF"),
    ("quiet-ben", "ben", "{quiet}", "ben gone dora", "F"),
    ("departed-dim", "dim", "{departed}", "cam", "CF"),
    ("with-bot-ann", "ann", "{with-bot}", "ann ben welcome-bot", "-"),
    ("with-foreigner-ann", "ann", "{with-foreigner}", "ann ben fay", "-"),
    ("with-foreigner-fay", "fay", "{with-foreigner}", "ann ben fay", "-"),
]

# From whom, to whom. Full has what goes to somebody with a personal subscription, and what
# ordinary users write to dummies and to the three system bots. Consent has what goes to somebody
# who consents, and what somebody who consents writes to others of the organization and to the bots.
DIRECT_MESSAGES = """
                 ann cam ben gone robo twin dora dim lost welcome-bot nagios-send-bot fay
ann              CF  CF  CF  CF   CF   CF   CF   CF  C    CF          -               -
cam              CF  CF  CF  CF   CF   CF   CF   CF  C    CF          -               -
ben              CF  CF  F   F    F    F    F    F   -    F           -               -
gone             CF  CF  F   F    F    F    F    F   -    F           -               -
robo             CF  CF  F   F    F    F    F    F   -    F           -               -
twin             CF  CF  F   F    F    F    F    F   -    F           -               -
lost             CF  CF  F   F    F    F    F    F   -    F           -               -
dora             CF  CF  F   F    F    F    F    -   -    -           -               -
dim              CF  CF  F   F    F    F    F    -   -    -           -               -
notification-bot CF  CF  F   F    F    F    F    -   -    -           -               -
nagios-send-bot  -   -   -   -    -    -    -    -   -    -           -               -
fay              -   -   -   -    -    -    -    -   -    -           -               -
"""

# Whom messages lead to: everybody with a personal subscription, each channel and kept group; and
# those of the organization without a subscription whom a message of the export was written to.
RECIPIENTS = ["ann", "cam", "ben", "gone", "robo", "twin", "dora"]
RECIPIENTS += [f"#{channel}" for channel in CHANNELS] + [f"{{{group}}}" for group in KEPT_GROUPS]
ADDED_RECIPIENTS = {"P": [], "C": ["dim", "lost"], "F": ["dim"]}

SCHEDULED = [
    ("ann-later", "ann", "#town", "CF"),
    ("ann-later-to-ben", "ann", "ben", "CF"),
    ("ben-later", "ben", "#town", "F"),
    ("gone-later", "gone", "#town", "F"),
    ("fay-later", "fay", "#valley", "-"),
]

# Name, who, to which message: in the export when the message is. (Also one by somebody of another
# organization to `town-ann`, which is in no export: it would lead to nobody.)
REACTIONS = [
    ("by-ben", "ben", "town-ann"),
    ("by-dummy", "dora", "town-ann"),
    ("in-trio", "ben", "trio-ann"),
    ("in-cellar", "ben", "cellar-ben"),
    ("to-nagios", "ann", "town-nagios"),
    ("in-valley", "ann", "valley-fay"),
]

AVATAR_SALT = "a-salt-for-tests"
EMOJI = [  # name, deactivated, file; where one was replaced, old servers kept the name of its file
    ("smile", False, "1.png"),
    ("old", True, "old.gif"),
    ("old", False, "old.gif"),
]

ATTACHMENTS = {  # owner, messages and scheduled messages: with the modes that list them
    "in-town": ("ann", {"town-ann": "PCF"}, {}),
    "in-trio": ("ann", {"trio-ann": "CF"}, {}),
    "in-cellar": ("ben", {"cellar-ben": "F"}, {}),
    "everywhere": (
        "ben",
        {"cellar-ben": "F", "trio-ben": "CF", "town-ben": "PCF", "town-nagios": "-"},
        {"ben-later": "F", "ann-later": "CF"},
    ),
    "only-scheduled": ("ann", {}, {"ann-later": "CF"}),
    "scheduled-by-ben": ("ben", {}, {"ben-later": "F"}),
    "of-dummy": ("dora", {"town-dora": "PCF"}, {}),
    "unclaimed": ("ann", {}, {}),
    "only-in-dropped": ("ann", {"town-nagios": "-"}, {}),
    "of-foreigner": ("fay", {"town-ann": "-"}, {}),
}


def direct_messages() -> list[tuple[str, str, str, str, str]]:
    """The grid as rows like those of `MESSAGES`; both sides had each message."""
    header, *lines = DIRECT_MESSAGES.strip().splitlines()
    return [
        (f"{sender}>{to}", sender, to, " ".join(dict.fromkeys([sender, to])), modes)
        for sender, *cells in map(str.split, lines)
        for to, modes in zip(header.split(), cells, strict=True)
    ]


ALL_MESSAGES = MESSAGES + direct_messages()


def build(build: Builder) -> None:
    """The organization `hill`, and beside it `vale`."""
    build.realm("hill")
    build.realm("vale")
    for name, settings in USERS.items():
        build.user(name, "hill", **settings)
    build.user("fay", "vale", allow_private_data_export=True)
    for name, (settings, subscribers, former) in CHANNELS.items():
        build.channel(name, "hill", **settings)
        build.subscribe(f"#{name}", *subscribers.split())
        build.subscribe(f"#{name}", *former.split(), active=False)
    build.channel("valley", "vale")
    build.subscribe("#valley", "fay")
    for name, members in GROUPS.items():
        build.group(name, *members.split())
    for name, sender, to, had, _ in ALL_MESSAGES:
        build.message(name, sender, to, had.split(), realm="hill")
    build.message("valley-fay", "fay", "#valley", ["fay"], realm="vale")
    build.message("valley-notified", "notification-bot", "#valley", ["fay"], realm="vale")
    build.message("astray", "welcome-bot", "#town", ["ann"], realm="vale")
    for name, sender, to, _ in SCHEDULED:
        build.scheduled(name, sender, to)
    for name, user, message in [*REACTIONS, ("by-foreigner", "fay", "town-ann")]:
        build.reaction(name, user, message)
    for name, (owner, messages, scheduled) in ATTACHMENTS.items():
        build.attachment(name, owner, messages, scheduled)


def build_belongings(build: Builder) -> None:
    """For every user an alert word and a status, for both realms a domain."""
    for name in [*USERS, "fay", "welcome-bot"]:
        user_id = build.ids["users"][name]
        realm_id = build.ids["realms"]["vale" if name == "fay" else "hill"]
        build.insert(
            "zerver_alertword", realm_id=realm_id, user_profile_id=user_id, word=f"word-{name}"
        )
        build.insert(
            "zerver_userstatus",
            user_profile_id=user_id,
            client_id=build.client_id,
            timestamp=NOW,
            status_text=f"status-{name}",
            emoji_name="",
            emoji_code="",
            reaction_type="unicode_emoji",
        )
    for realm in ("hill", "vale"):
        realm_id = build.ids["realms"][realm]
        build.insert("zerver_realmdomain", realm_id=realm_id, domain=f"{realm}.test")


def build_files(build: Builder, avatars: Path) -> dict[str, list[str]]:
    """Avatars, emoji and icons of both realms; the paths, by kind, that an export of hill has."""
    hill, vale = (build.ids["realms"][realm] for realm in ("hill", "vale"))
    expected: dict[str, list[str]] = {"avatars": [], "emoji": [], "realm_icons": []}

    def store(path: str, kind: str = "") -> None:
        file = avatars / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
        if kind:
            expected[kind].append(path)

    for user, source in {"ann": "U", "dora": "U", "gone": "U", "cam": "G", "fay": "U"}.items():
        user_id = build.ids["users"][user]
        users = tables["zerver_userprofile"]
        build.execute(sa.update(users).where(users.c.id == user_id).values(avatar_source=source))
        realm_id = vale if user == "fay" else hill
        digest = hashlib.sha256(f"{user_id}:1:{AVATAR_SALT}".encode()).hexdigest()[:40]
        exported = "avatars" if source == "U" and realm_id == hill else ""
        for suffix in (".original", ".png"):
            store(f"{realm_id}/{digest}{suffix}", exported)
        store(f"{realm_id}/{digest}-medium.png")
    for realm_id in (hill, vale):
        kind = "emoji" if realm_id == hill else ""
        for name, deactivated, file_name in EMOJI:
            build.insert(
                "zerver_realmemoji",
                realm_id=realm_id,
                name=name,
                deactivated=deactivated,
                file_name=file_name,
            )
        for file_name in ("1.png", "old.gif"):
            store(f"{realm_id}/emoji/images/{file_name}", kind)
            store(f"{realm_id}/emoji/images/{file_name}.original", kind)
        store(f"{realm_id}/emoji/images/still/old.png")
        for name in ("icon.original", "icon.png", "night_logo.png"):
            store(f"{realm_id}/realm/{name}")
    expected["realm_icons"] = [
        f"{hill}/{name}" for name in ("icon.original", "icon.png", "night_logo.png")
    ]
    return expected


def expected_messages(mode: str) -> list[str]:
    """The names of all messages in the mode."""
    return sorted(name for name, *_, modes in ALL_MESSAGES if mode in modes)


def expected_user_messages(mode: str) -> list[str]:
    """Whose user messages of the exported messages are there too."""
    owners = CONSENTING if mode == "C" else ORDINARY
    return sorted(
        f"{user} has {name}"
        for name, _, _, had, modes in ALL_MESSAGES
        if mode in modes
        for user in had.split()
        if user in owners
    )


def expected_attachments(mode: str) -> dict[str, list[str]]:
    """Attachments that something exported links to, with what that is, in order."""
    found = {}
    for name, (_, messages, scheduled) in ATTACHMENTS.items():
        order = [entry[0] for entry in [*ALL_MESSAGES, *SCHEDULED]]
        links = [link for link, modes in (messages | scheduled).items() if mode in modes]
        if links:
            found[name] = sorted(links, key=order.index)
    return found


def expected_subscriptions() -> list[str]:
    """Personal ones, to channels active or not, and to kept groups: the same in all modes."""
    found = [f"{user} to {user}" for user in USERS if user in RECIPIENTS]
    for channel, (_, subscribers, former) in CHANNELS.items():
        found += [f"{user} to #{channel}" for user in f"{subscribers} {former}".split()]
    for group in KEPT_GROUPS:
        found += [f"{user} to {{{group}}}" for user in GROUPS[group].split()]
    return sorted(found)


class Hill:
    """The organization in a database, and its exports."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.zops = ZopsHere(folder).on(database)
        with database.begin() as connection:
            self.builder = Builder(connection, self.zops.uploads)
            build(self.builder)
            build_belongings(self.builder)
            self.files = build_files(self.builder, self.zops.uploads / "avatars")

    def exported(self, mode: str, realm: str = "hill", *, check: bool = True) -> Named:
        """What an export carries. Made once."""
        target = self.folder / f"{realm}-{mode}"
        if not target.exists():
            words = ("-r", realm, "--output", target, OPTIONS[mode], "--allow-unusable")
            self.zops("export", *words, check=check)
        return Named(WholeExport.read(target), self.builder.ids)


@pytest.fixture(scope="module")
def hill(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Hill:
    """For tests that only look."""
    return Hill(shared_database, tmp_path_factory.mktemp("hill"))


@pytest.fixture
def own_hill(database: Database, tmp_path: Path) -> Hill:
    """For a test that changes something."""
    return Hill(database, tmp_path)


@MODES
def test_what_a_mode_exports(hill: Hill, mode: str) -> None:
    found = hill.exported(mode)
    assert found.names("messages", "zerver_message") == expected_messages(mode)
    assert found.user_messages() == expected_user_messages(mode)
    assert found.names("recipients", "zerver_recipient") == sorted(
        RECIPIENTS + ADDED_RECIPIENTS[mode]
    )
    assert found.subscriptions() == expected_subscriptions()
    assert found.names("groups", "zerver_huddle") == KEPT_GROUPS
    assert found.names("channels", "zerver_stream") == sorted(CHANNELS)
    assert found.names("scheduled", "zerver_scheduledmessage") == sorted(
        name for name, *_, modes in SCHEDULED if mode in modes
    )
    assert sorted(row["emoji_name"] for row in found.rows("zerver_reaction")) == sorted(
        name for name, _, message in REACTIONS if message in expected_messages(mode)
    )
    assert found.attachments() == expected_attachments(mode)
    assert sorted(record["path"].split("/")[-2] for record in found.export.records["uploads"]) == (
        sorted(expected_attachments(mode))
    )


@MODES
def test_users_and_what_is_theirs_is_the_same_in_all_modes(hill: Hill, mode: str) -> None:
    found = hill.exported(mode)
    assert found.names("users", "zerver_userprofile") == sorted(ORDINARY)
    assert found.names("users", "zerver_userprofile_mirrordummy") == sorted(DUMMIES)
    assert found.rows("zerver_userprofile_crossrealm") == [
        {
            "email": f"{bot}@zulip.com",
            "id": hill.builder.ids["users"][bot],
            "recipient_id": hill.builder.ids["recipients"][bot],
        }
        for bot in ("emailgateway", "notification-bot", "welcome-bot")
    ]
    assert {row["word"] for row in found.rows("zerver_alertword")} == {
        f"word-{name}" for name in USERS
    }
    assert {row["status_text"] for row in found.rows("zerver_userstatus")} == {
        f"status-{name}" for name in USERS
    }
    assert [row["domain"] for row in found.rows("zerver_realmdomain")] == ["hill.test"]


@MODES
def test_files_of_users_and_realm_are_the_same_in_all_modes(hill: Hill, mode: str) -> None:
    found = hill.exported(mode).export
    for kind, expected in hill.files.items():
        paths = [record["path"] for record in found.records[kind]]
        assert paths == sorted(paths)
        assert set(paths) == set(expected)
        written = [name for name in found.files if name.startswith(f"{kind}/")]
        assert sorted(written) == sorted(f"{kind}/{path}" for path in expected)
    assert len(found.rows("zerver_realmemoji")) == len(EMOJI)
    assert len(found.records["emoji"]) == 2 * len(EMOJI)  # a record for each, and its original


@MODES
def test_rows_are_in_order_and_of_this_realm_only(hill: Hill, mode: str) -> None:
    found = hill.exported(mode)
    realm_id = hill.builder.ids["realms"]["hill"]
    for table, rows in found.export.tables.items():
        numbers = [row["id"] for row in rows]
        assert numbers == sorted(set(numbers)), table
        realms = {row[key] for row in rows for key in ("realm", "realm_for_sharding") if key in row}
        assert realms <= {realm_id}, table
    with hill.database.read() as connection:
        clients = set(connection.scalars(sa.select(tables["zerver_client"].c.id)))
    assert {row["id"] for row in found.rows("zerver_client")} == clients


@MODES
def test_a_dry_run_counts_what_is_exported(hill: Hill, mode: str) -> None:
    done = hill.zops(
        "--json", "export", "-r", "hill", OPTIONS[mode], "--dry-run", "--allow-unusable"
    )
    planned = done.json()["rows"]
    exported = {table: len(rows) for table, rows in hill.exported(mode).export.tables.items()}
    for table in ABOUT_EXPORTS:
        del planned[table], exported[table]
    assert planned == exported


def test_the_other_realm_has_its_own(hill: Hill) -> None:
    found = hill.exported("F", "vale")
    assert found.names("messages", "zerver_message") == ["valley-fay", "valley-notified"]
    assert found.user_messages() == ["fay has valley-fay", "fay has valley-notified"]
    assert found.names("recipients", "zerver_recipient") == ["#valley", "fay"]
    assert found.subscriptions() == ["fay to #valley", "fay to fay"]
    assert found.names("groups", "zerver_huddle") == []
    assert found.names("scheduled", "zerver_scheduledmessage") == ["fay-later"]
    assert found.attachments() == {}  # what its attachment is linked to is of the other realm


def test_the_realm_of_the_system_bots_names_none_of_them(hill: Hill) -> None:
    found = hill.exported("F", "zulipinternal", check=False)  # its bots' avatars are not there
    assert found.rows("zerver_userprofile_crossrealm") == []
    assert "nagios-send-bot" in found.names("users", "zerver_userprofile")
    assert "welcome-bot" not in found.names("users", "zerver_userprofile")


def test_a_bot_elsewhere_with_the_address_of_a_system_bot_is_none(own_hill: Hill) -> None:
    with own_hill.database.begin() as connection:
        builder = own_hill.builder.on(connection)
        address = "NOTIFICATION-bot@zulip.com"
        builder.user("impostor", "vale", email=address, is_bot=True, bot_type=1)
        builder.message("by-impostor", "impostor", "#town", realm="hill")
    found = own_hill.exported("F")
    assert own_hill.builder.ids["users"]["notification-bot"] in [
        row["id"] for row in found.rows("zerver_userprofile_crossrealm")
    ]
    assert found.names("messages", "zerver_message") == expected_messages("F")


def test_messages_are_a_thousand_a_file_with_their_user_messages(own_hill: Hill) -> None:
    with own_hill.database.begin() as connection:
        builder = own_hill.builder.on(connection)
        for number in range(2001 - len(expected_messages("P"))):
            # every third one is not exported, so that the files are no plain ranges of ids
            sender = "ann" if number % 3 else "nagios-send-bot"
            builder.message(f"more-{number}", sender, "#town", ["ben"], realm="hill")
            if number % 3 == 0:
                builder.message(f"instead-{number}", "ben", "#town", ["ben"], realm="hill")
    own_hill.exported("P")
    folder = own_hill.folder / "hill-P"
    files = [json.loads(path.read_bytes()) for path in sorted(folder.glob("messages-*.json"))]
    assert [len(file["zerver_message"]) for file in files] == [1000, 1000, 1]
    in_order = [row["id"] for file in files for row in file["zerver_message"]]
    assert in_order == sorted(set(in_order))
    for file in files:
        ids = {row["id"] for row in file["zerver_message"]}
        assert {row["message"] for row in file["zerver_usermessage"]} <= ids
    owned = sum(len(file["zerver_usermessage"]) for file in files)
    assert owned == len(expected_user_messages("P")) + 2001 - len(expected_messages("P"))
