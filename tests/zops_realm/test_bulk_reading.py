"""Files of accounts: their encodings, their columns, and what is said of those that are no use."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from zcore import Refused
from zops_realm.bulk.reading import Entry, read_entries
from zops_realm.bulk.refusals import Refusal

if TYPE_CHECKING:
    from zcore.testing.commands import Zops

HEADER = b"email,full_name\n"


def entries(content: bytes, place: str = "people.csv") -> list[Entry | Refusal]:
    return list(read_entries(io.BytesIO(content), place))


@pytest.mark.parametrize(
    "content",
    [
        b"email,full_name\na@a.test,Zo\xc3\xab\n",
        b"\xef\xbb\xbfemail,full_name\r\na@a.test,Zo\xc3\xab\r\n",
        b"E-Mail,Name\na@a.test,Zo\xc3\xab".replace(b"E-Mail", b"Email"),
        b"email;full name\na@a.test;Zo\xc3\xab\n",
        b'email\tFULL-NAME\na@a.test\t"Zo\xc3\xab"\n\n',
    ],
    ids=["plain", "mark", "no last line end", "semicolons", "tabs"],
)
def test_csv(content: bytes) -> None:
    assert entries(content) == [Entry(2, {"email": "a@a.test", "full_name": "Zo\u00eb"})]


@pytest.mark.parametrize("place", ["people.jsonl", "-"])
def test_json_lines_by_name_or_content(place: str) -> None:
    found = entries(b'{"email": "a@a.test"}\n\n[]\n{oops\n', place)

    assert found[0] == Entry(1, {"email": "a@a.test"})
    assert [(each.line, each.code) for each in found[1:] if isinstance(each, Refusal)] == [
        (3, "line-json"),
        (4, "line-json"),
    ]


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    found = entries(HEADER + b'\na@a.test,"Ann\nAmes"\nb@a.test,Bo\nc@a.test\n')

    assert [each.line for each in found] == [3, 5, 6]
    assert isinstance(found[2], Refusal)
    assert found[2].code == "line-columns"


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (HEADER + b"a@a.test,Ann\nb@a.test,Zo\xeb\n", "file-encoding", "line 3"),
        ("email,full_name\n".encode("utf-16"), "file-encoding", "line 1"),
        ("email,full_name\n".encode("utf-16-le"), "file-encoding", "line 1"),
        (b"", "file-empty", "is empty"),
        (b"\nemail\n", "file-empty", "begins with"),
        (b"email,fullname\n", "column-unknown", "'full_name'"),
        (b"email,full_name,streams\n", "column-unknown", "'channels'"),
        (b"email,full_name,Email\n", "column-twice", "'email'"),
        (b"email,role\n", "column-missing", "'full_name'"),
        (HEADER + b'a@a.test,"Ann" Ames\n', "file-format", "line 2"),
        (HEADER + b'a@a.test,"Ann Ames\n', "file-format", "line 2"),
        (b'[{"email": "a@a.test"}]', "column-unknown", ""),
        (HEADER + b"a" * (1 << 20), "file-line", "line 2"),
    ],
)
def test_files_that_are_no_use(content: bytes, code: str, said: str) -> None:
    with pytest.raises(Refused) as error:
        entries(content)

    assert error.value.code == code
    assert said in f"{error.value.message} {error.value.hint}"


def test_a_json_array_is_told_how_to_become_lines() -> None:
    with pytest.raises(Refused, match="JSON array") as error:
        entries(b'[{"email": "a@a.test"}]', "-")

    assert error.value.code == "file-format"


@pytest.mark.parametrize(
    "words",
    [
        ("a@a.test", "--from", "people.csv"),
        ("--full-name", "Ann", "--from", "people.csv"),
        ("--password-stdin", "--from", "people.csv"),
        ("a@a.test", "Ann Ames", "--no-password", "--keep-going"),
    ],
)
def test_one_account_or_many(zops_on_sqlite: Zops, words: tuple[str, ...]) -> None:
    zops_on_sqlite("create-user", "-r", "acme", *words, exit_code=2)


def test_a_file_that_is_not_there(zops_on_sqlite: Zops) -> None:
    zops_on_sqlite("create-realm", "A", "o@a.test", "Ol O", "--string-id=acme", "--no-password")
    words = ("--json", "create-user", "-r", "acme", "--from", "nowhere.csv")

    zops_on_sqlite(*words, check=False).assert_refused("file")
