"""What an import changes in rows besides their own ids."""

from __future__ import annotations

import json
from array import array
from typing import TYPE_CHECKING, ClassVar

import pytest

from zops_export.export_index import ExportIndex, FileRecord
from zops_export.id_maps import IdMap
from zops_export.import_ids import new_upload_paths, safe_file_name
from zops_export.import_row_stages import group_hash
from zops_export.row_changes import (
    MessageChange,
    UserChange,
    attachment_change,
    change_group,
    change_realm,
    change_service,
    not_of_system_bots,
)
from zops_export.text_rewriting import TextRewriter

if TYPE_CHECKING:
    from zcore import Finding
    from zops_export.json_rows import JsonRow

OLD, NEW = "4/a0/old-token/photo.png", "9/1f/new-token/photo.png"


def _ids(*pairs: tuple[int, int]) -> IdMap:
    return IdMap(array("q", [old for old, _ in pairs]), [new for _, new in pairs])


@pytest.fixture
def change() -> MessageChange:
    """Users 12 and 13 become 112 and 113; message 1 links to an upload."""
    ids = {
        "zerver_userprofile": _ids((12, 112), (13, 113)),
        "zerver_stream": _ids((7, 107)),
        "zerver_message": _ids((1, 1001)),
        "zerver_realm": _ids((4, 9)),
        "zerver_usergroup": _ids((5, 105)),
    }
    return MessageChange(TextRewriter(ids), {1: {OLD: NEW}}, {})


def _message(**changes: object) -> JsonRow:
    row: JsonRow = {
        "id": 1,
        "content": "hello",
        "rendered_content": "<p>hello</p>",
        "edit_history": None,
        "has_attachment": True,
    }
    return row | changes


class TestMessages:
    def test_mentions_as_typed(self, change: MessageChange) -> None:
        assert change(_message(content="@**Ann|12**"))["content"] == "@**Ann|112**"

    def test_uploads(self, change: MessageChange) -> None:
        row = _message(
            content=f"[photo](/user_uploads/{OLD})",
            rendered_content=f'<a href="/user_uploads/{OLD}">photo</a>',
        )
        assert change(row)["content"] == f"[photo](/user_uploads/{NEW})"
        assert change(row)["rendered_content"] == f'<a href="/user_uploads/{NEW}">photo</a>'

    def test_uploads_of_other_messages_stay(self, change: MessageChange) -> None:
        row = _message(id=2, content=f"[photo](/user_uploads/{OLD})")
        assert change(row) == row

    def test_the_history_too(self, change: MessageChange) -> None:
        history = [
            {
                "user_id": 12,
                "timestamp": 5,
                "prev_content": f"@**Ann|12** /user_uploads/{OLD}",
                "prev_rendered_content": f"/user_uploads/{OLD}",
            },
            {"user_id": 13, "timestamp": 4, "prev_topic": "@**Ann|12**"},
        ]
        changed = change(_message(edit_history=json.dumps(history)))
        assert json.loads(str(changed["edit_history"])) == [
            {
                "user_id": 12,  # a reference of the schema: the conversion of rows puts it right
                "timestamp": 5,
                "prev_content": f"@**Ann|112** /user_uploads/{NEW}",
                "prev_rendered_content": f"/user_uploads/{NEW}",
            },
            {"user_id": 13, "timestamp": 4, "prev_topic": "@**Ann|12**"},
        ]

    @pytest.mark.parametrize(
        "history", [None, "", "[]", "nonsense", "{}", "[7]", '[ {"user_id":12} ]', "[" * 5000]
    )
    def test_a_history_without_texts_stays(self, history: object, change: MessageChange) -> None:
        assert change(_message(edit_history=history))["edit_history"] == history

    def test_texts_that_are_none(self, change: MessageChange) -> None:
        row = _message(content=7, rendered_content=None)
        assert change(row) == row

    def test_the_row_itself_stays(self, change: MessageChange) -> None:
        row = _message(content="@**Ann|12**")
        change(row)
        assert row["content"] == "@**Ann|12**"


class TestRealm:
    ROW: ClassVar[JsonRow] = {
        "name": "Acme",
        "string_id": "old",
        "uuid": "u",
        "plan_type": 10,
        "_max_invites": 5,
        "message_visibility_limit": 10_000,
        "first_visible_message_id": 77,
        "push_notifications_enabled": True,
        "deactivated": True,
        "description": "kept",
    }

    def test_under_its_new_subdomain(self) -> None:
        changed = change_realm(self.ROW, string_id="new", name=None, uuid_is_taken=False)
        assert changed == self.ROW | {
            "string_id": "new",
            "plan_type": 1,
            "_max_invites": None,
            "message_visibility_limit": None,
            "first_visible_message_id": 0,
            "push_notifications_enabled": False,
        }

    def test_under_a_new_name(self) -> None:
        changed = change_realm(self.ROW, string_id="new", name="Other", uuid_is_taken=False)
        assert changed["name"] == "Other"

    def test_beside_its_twin(self) -> None:
        changed = change_realm(self.ROW, string_id="new", name=None, uuid_is_taken=True)
        assert changed["uuid"] != "u"
        assert str(changed["uuid_owner_secret"]).startswith("zuliprealm_")


def test_secrets_are_made_anew() -> None:
    row: JsonRow = {"id": 1, "token": "known elsewhere"}
    assert change_service(row)["token"] != change_service(row)["token"]
    assert len(str(change_service(row)["token"])) == 32


def test_nobody_has_agreed_to_anything_here() -> None:
    assert UserChange(None)({"tos_version": "1.0"}) == {"tos_version": "-1"}


def test_staff_of_the_other_server_is_none_of_this_one() -> None:
    found: list[Finding] = []
    row: JsonRow = {"delivery_email": "eve@example.test", "is_staff": True, "is_superuser": False}
    changed = UserChange(found.append)(row)
    assert changed == row | {"is_staff": False, "tos_version": "-1"}
    assert [(finding.code, finding.where) for finding in found] == [
        ("server-staff", "eve@example.test")
    ]
    assert UserChange(None)(row)["is_staff"] is True


@pytest.mark.parametrize("value", [False, None, "yes", 1])
def test_what_is_no_staff_is_left_to_the_checks(value: object) -> None:
    found: list[Finding] = []
    assert UserChange(found.append)({"is_staff": value})["is_staff"] == value
    assert found == []


def test_old_hashes_are_in_nobodys_way() -> None:
    row: JsonRow = {"id": 1, "huddle_hash": "a" * 40}
    assert change_group(row)["huddle_hash"] != change_group(row)["huddle_hash"]


def test_the_hash_of_a_group_is_the_servers() -> None:
    """SHA-1 of the members' ids: distinct, ascending as numbers, with commas."""
    assert group_hash([10, 9, 100, 9]) == "49b9a1aae10e83169777d5fd541ca1bafca90ad6"


def test_attachments_whose_file_is_lost_are_left_out() -> None:
    change = attachment_change({OLD: NEW})
    assert change({"id": 1, "path_id": OLD}) == {"id": 1, "path_id": NEW}
    assert change({"id": 2, "path_id": "lost"}) is None


def test_counts_of_system_bots_are_left_out() -> None:
    change = not_of_system_bots(frozenset({3}))
    assert change({"user": 3}) is None
    assert change({"user": 4}) == {"user": 4}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("4/ab/token/photo.png", "photo.png"),
        ("a b\tc--d.png", "a-b-c-d.png"),
        ("größe & Maß.pdf", "größe-Maß.pdf"),
        ("ﬁle.txt", "file.txt"),
        ("x/<script>.html", "script.html"),
        ("x/", "uploaded-file"),
        ("x/..", "uploaded-file"),
        ("x/.", "uploaded-file"),
        ("x/???", "uploaded-file"),
        ("日本.txt", "日本.txt"),
        ("\0\n.txt", ".txt"),
    ],
)
def test_the_name_of_an_upload(path: str, name: str) -> None:
    assert safe_file_name(path) == name


def test_uploads_get_new_paths_with_safe_names() -> None:
    records = [FileRecord("uploads", {"s3_path": OLD, "path": f"{OLD}/a b"})]
    index = ExportIndex(records=records)
    names = frozenset({f"uploads/{OLD}/a b"})
    assert new_upload_paths(index, names, "9/token/{}".format) == {OLD: "9/token/a-b"}
    assert new_upload_paths(index, frozenset(), "9/token/{}".format) == {}
