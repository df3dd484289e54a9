"""`zops export --redact-emails`: an export without anybody's address.

Made with what every plugin can use: a `Rewrite` for each column, and `zcore.sql_text`. Which
columns, and what becomes of them, is in the tables below; docs/redaction.md says it in words.
"""

from __future__ import annotations

from zcore import Rewrite

NAME = "redact-emails"
WORK = "zops_export.redacted"

LOGIN_NAMES = (
    ("zerver_userprofile", "delivery_email"),
    ("zerver_userprofile", "email"),
)

TEXTS = (
    ("zerver_userprofile", "full_name"),
    ("zerver_realm", "description"),
    ("zerver_stream", "description"),
    ("zerver_stream", "rendered_description"),
    ("zerver_namedusergroup", "description"),
    ("zerver_customprofilefieldvalue", "value"),
    ("zerver_customprofilefieldvalue", "rendered_value"),
    ("zerver_userstatus", "status_text"),
    ("zerver_savedsnippet", "title"),
    ("zerver_savedsnippet", "content"),
    ("zerver_scheduledmessage", "subject"),
    ("zerver_scheduledmessage", "content"),
    ("zerver_scheduledmessage", "rendered_content"),
    ("zerver_scheduledmessage", "failure_message"),
    ("zerver_message", "subject"),
    ("zerver_message", "content"),
    ("zerver_message", "rendered_content"),
    ("zerver_attachment", "file_name"),
)

JSON = (
    ("zerver_message", "edit_history"),
    ("zerver_realmauditlog", "extra_data"),
    ("zerver_botstoragedata", "value"),
    ("zerver_botconfigdata", "value"),
)

# The text has to stay unique beside others of its user.
LEFT_OUT = (("zerver_alertword", "word"), ("zerver_usertopic", "topic_name"))


def redactions() -> list[Rewrite]:
    """Every address in the tables of an export, replaced or left out."""
    pseudonym = f"{WORK}:pseudonym"
    found = [
        Rewrite(table, column, pseudonym, "an address made of the account's id", NAME)
        for table, column in LOGIN_NAMES
    ]
    for kind, columns in (("text", TEXTS), ("json", JSON)):
        found += [
            Rewrite(table, column, f"{WORK}:{kind}.{column}", "addresses are blotted out", NAME)
            for table, column in columns
        ]
    return found + [
        Rewrite(
            table, None, f"{WORK}:has_none.{column}", f"those with an address as {column}", NAME
        )
        for table, column in LEFT_OUT
    ]
