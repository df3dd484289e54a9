"""Whatever is typed: refused in words, or stored as it was meant; never a traceback.

What the rules let through is written to a SQLite database with all of the server's constraints,
and to its limits of length, which SQLite itself does not keep.
"""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from typing import TYPE_CHECKING, Any

import email_validator
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.zops_realm.normalized_rows import all_rows
from zcore import Refused
from zcore.schema import tables
from zops_realm import create_realm, create_user
from zops_realm.bulk.run import BulkRequest
from zops_realm.bulk.run import run as run_bulk
from zops_realm.new_password import NewPassword
from zops_realm.rules import emails

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zcore import Context
    from zcore.database import Database

NO_PASSWORD = NewPassword(None)
BOUNDED = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    # One database for all examples is meant: they meet each other's rows.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
ANYTHING = st.text(max_size=120)


def mostly(usual: st.SearchStrategy[str], *strange: str) -> st.SearchStrategy[str]:
    """Often what people type, sometimes `strange`, sometimes anything at all."""
    others = st.sampled_from([*strange, ""]) | ANYTHING
    return st.integers(0, 7).flatmap(lambda choice: usual if choice else others)


SUBDOMAINS = mostly(
    st.from_regex(r"\A[a-z0-9][a-z0-9-]{1,38}[a-z0-9]\Z"),
    "www",
    "mail",
    "zulipinternal",
    "a" * 41,
    "Big",
    "a.b",
)
NAMES = mostly(
    st.text(st.characters(categories=("L", "N", "Zs", "S")), min_size=2, max_size=45),
    "Ann|12",
    "*bold*",
    "a" * 101,
    " ",
    "tab\there",
)
ADDRESSES = mostly(
    st.from_regex(
        r"\A[a-zA-Z0-9]{1,9}([.+'_-][a-zA-Z0-9]{1,9})?@[a-zA-Z0-9]{1,20}\.[a-zA-Z]{2,6}\Z"
    ),
    "a@localhost",
    "welcome-bot@zulip.com",
    "a@mailinator.com",
    "a@bücher.example",
    "a@[127.0.0.1]",
    '"a b"@c.test',
    "a" * 65 + "@b.test",
    "ü@b.test",
    "a@b",
)


@pytest.fixture
def context(sqlite_database: Database, context_of: Callable[..., Context]) -> Context:
    """A run on an empty database that keeps the lengths of columns."""
    return context_of(sqlite_database)


def an_organization(context: Context) -> None:
    """Make `acme` unless an example before did."""
    request = create_realm.RealmRequest(
        name="Acme", string_id="acme", email="o@a.test", full_name="Olive", password=NO_PASSWORD
    )
    if not all_rows(context.database)["zerver_realm"]:
        create_realm.run(context, request)


def accounts_in(context: Context) -> int:
    """How many accounts there are, of people and of bots."""
    counted = sa.select(sa.func.count()).select_from(tables["zerver_userprofile"])
    with context.database.read() as connection:
        return connection.scalar(counted) or 0


def within_their_columns(database: Database) -> bool:
    """Would PostgreSQL take every text, too? It has limits of length, and no NUL."""
    return all(
        len(value) <= (getattr(tables[name].c[column].type, "length", None) or len(value))
        and "\0" not in value
        for name, rows in all_rows(database).items()
        for row in rows
        for column, value in row.items()
        if isinstance(value, str)
    )


@BOUNDED
@given(name=NAMES, string_id=SUBDOMAINS, email=ADDRESSES, full_name=NAMES)
@example(name="Acme", string_id="", email="a@b.test", full_name="Ann")
@example(name="Acme", string_id="a\0b", email="a\0@b.test", full_name="A\0nn")
@example(name="\ud800", string_id="\ud800", email="\ud800@b.test", full_name="\ud800\ud800")
@example(name="Acme\n", string_id="acme\n", email="a@b.test\n", full_name="Ann\n")
def test_organizations(
    name: str, string_id: str, email: str, full_name: str, context: Context
) -> None:
    request = create_realm.RealmRequest(
        name=name, string_id=string_id, email=email, full_name=full_name, password=NO_PASSWORD
    )
    before = len(all_rows(context.database)["zerver_realm"])
    try:
        created = create_realm.run(context, request).data
    except Refused:
        assert len(all_rows(context.database)["zerver_realm"]) == before
        return

    rows = all_rows(context.database)
    realm = rows["zerver_realm"][-1]
    assert (realm["id"], realm["string_id"]) == (created["realm_id"], string_id)
    assert realm["name"] == name.strip()
    assert string_id == "" or 3 <= len(string_id) <= 40
    assert within_their_columns(context.database)
    assert rows["zerver_userprofile"][-1]["realm_id"] == realm["id"]


@BOUNDED
@given(email=ADDRESSES, full_name=NAMES)
@example(email="Ann@B.test", full_name="Ann Lee")
@example(email="ANN@b.test", full_name="Ann Lee")
@example(email="\ud800@b.test", full_name="Ann \ud800")
@example(email="id:3", full_name="Ann\0")
def test_accounts(email: str, full_name: str, context: Context) -> None:
    an_organization(context)
    request = create_user.UserRequest(
        realm="acme", email=email, full_name=full_name, password=NO_PASSWORD
    )
    try:
        create_user.run(context, request)
    except Refused:
        return

    user = all_rows(context.database)["zerver_userprofile"][-1]
    local, _, domain = email.rpartition("@")
    assert user["delivery_email"] == user["email"] == f"{local}@{domain.lower()}"
    assert domain.lower() != "mailinator.com"
    assert user["full_name"] == full_name.strip()
    assert 2 <= len(user["full_name"]) <= 100
    assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in user["full_name"])
    assert within_their_columns(context.database)
    people = [row for row in all_rows(context.database)["zerver_userprofile"] if not row["is_bot"]]
    assert len({row["delivery_email"].lower() for row in people}) == len(people)


LINES = st.lists(
    st.tuples(ADDRESSES, NAMES, mostly(st.sampled_from(["", "guest", "Owner"]), "boss", "5")),
    max_size=6,
)
VALUES = st.none() | st.integers() | ADDRESSES | NAMES | st.lists(ANYTHING, max_size=2)
OBJECTS = st.lists(
    st.dictionaries(
        mostly(st.sampled_from(["email", "full_name", "role", "groups", "channels"]), "x"), VALUES
    ),
    min_size=1,
    max_size=4,
)


def csv_of(lines: list[tuple[str, str, str]]) -> bytes:
    """A file as a spreadsheet writes it."""
    file = io.StringIO()
    csv.writer(file).writerows([("email", "full_name", "role"), *lines])
    return file.getvalue().encode("utf-8", "surrogatepass")


@BOUNDED
@given(
    content=st.binary(max_size=200)
    | LINES.map(csv_of)
    | OBJECTS.map(lambda objects: "\n".join(map(json.dumps, objects)).encode()),
    keep_going=st.booleans(),
)
@example(content=b'{"email": "\\ud800@b.test", "full_name": "A\\u0000"}', keep_going=True)
@example(content=b"{" * 100_000, keep_going=True)
@example(content=csv_of([("a@b.test", "Ann\ud800", "")]), keep_going=False)
def test_files(content: bytes, keep_going: bool, context: Context, tmp_path: Path) -> None:
    """Every line is an account, there already, or refused."""
    an_organization(context)
    path = tmp_path / "people"
    path.write_bytes(content)
    request = BulkRequest(
        realm="acme",
        source=str(path),
        no_password=True,
        keep_going=keep_going,
        if_not_exists=True,
        bare=True,
    )
    before = accounts_in(context)
    try:
        data: Any = run_bulk(context, request).data
    except Refused:
        assert accounts_in(context) == before
        return

    assert accounts_in(context) == before + data["created"]
    assert keep_going or not data["refused"]
    assert within_their_columns(context.database)


@BOUNDED
@given(realm=ANYTHING | st.sampled_from(["id:", "id:x", "id:99999999999999999999", "\0", "\ud800"]))
def test_realms_that_are_not_there(realm: str, context: Context) -> None:
    from zcore import UsageError

    request = create_user.UserRequest(
        realm=realm, email="a@b.test", full_name="Ann Lee", password=NO_PASSWORD
    )
    with pytest.raises((Refused, UsageError)):
        create_user.run(context, request)


@BOUNDED
@given(
    address=st.from_regex(
        r"[a-zA-Z0-9]{1,6}([._+-][a-zA-Z0-9]{1,6}){0,3}"
        r"@([a-zA-Z0-9]{1,9}(-[a-zA-Z0-9]{1,9})?\.){1,4}[a-zA-Z]{2,20}",
        fullmatch=True,
    )
)
@example(address="a" * 64 + "@b.test")
def test_plain_addresses_are_what_the_library_accepts(address: str) -> None:
    email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

    assert emails.PLAIN.fullmatch(address)
    email_validator.validate_email(address, check_deliverability=False)


@BOUNDED
@given(password=st.text(max_size=110) | st.text("aA1 ", max_size=110))
@example(password="\ud800" * 10)
@example(password="a" * 100)
@example(password="correct horse battery staple " * 3)
def test_passwords(password: str, context: Context) -> None:
    """The rules say yes or no; what they accept can be hashed (which takes too long to do here)."""
    from zcore.validation import Validation, find_problems

    validation = Validation(settings=context.settings)
    problems = find_problems(context.plugins, {"user.password": [password]}, validation)

    assert all(problem.code.startswith("password-") for problem in problems)
    if not problems:
        assert 6 <= len(password) <= 100
        password.encode("utf-8")
