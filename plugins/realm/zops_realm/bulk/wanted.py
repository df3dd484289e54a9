"""What a line of the file asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zcore.identifiers import unusable_password
from zcore.organizations.codes import ROLES_BY_NAME, Role
from zops_realm.bulk import columns
from zops_realm.bulk.refusals import Refusal
from zops_realm.password_hash import has_password, is_stored_form
from zops_realm.rules.emails import normalized

if TYPE_CHECKING:
    from zops_realm.bulk.reading import Entry

SEPARATOR = ";"


@dataclass(frozen=True, slots=True)
class Wanted:
    """An account to be made. `password` is what the column is to hold."""

    line: int
    email: str
    full_name: str
    role: int
    password: str
    groups: tuple[str, ...]
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for lines that do not say it: the role, and whether they get no password."""

    role: Role
    no_password: bool


def wanted(entry: Entry, defaults: Defaults) -> Wanted | list[Refusal]:
    """The account that `entry` asks for, or everything that is wrong with the entry."""
    fields = _Fields(entry)
    account = Wanted(
        line=entry.line,
        email=normalized(fields.email),
        full_name=fields.needed(columns.FULL_NAME).strip(),
        role=_role(fields, defaults.role),
        password=_password(fields, no_password=defaults.no_password),
        groups=fields.texts(columns.GROUPS),
        channels=fields.texts(columns.CHANNELS),
    )
    return fields.refusals or account


class _Fields:
    """The values of an entry by the names that we know; what is wrong with them is collected."""

    def __init__(self, entry: Entry) -> None:
        self.refusals: list[Refusal] = []
        self._line = entry.line
        self._values: dict[str, object] = {}
        self.email = ""
        for written, value in entry.fields.items():
            name = columns.field_name(written)
            if name is None:
                message = f"it has an unknown key {written!r}"
                self.refuse("column-unknown", message, columns.meant(written))
            else:
                self._values[name] = value
        self.email = self.needed(columns.EMAIL).strip()

    def refuse(self, code: str, message: str, hint: str = "") -> None:
        """Note something that is wrong."""
        self.refusals.append(Refusal(self._line, self.email, code, message, hint))

    def needed(self, name: str) -> str:
        """A text that has to be there; it may be empty, which the rules look at."""
        if name not in self._values:
            self.refuse("column-missing", f"it has no {name!r}")
        return self.text(name)

    def text(self, name: str) -> str:
        """A text; empty when there is none."""
        value = self._values.get(name)
        if value is None or isinstance(value, str):
            return value or ""
        self.refuse("value-kind", f"{name!r} is no text but {value!r}")
        return ""

    def texts(self, name: str) -> tuple[str, ...]:
        """Several: a list, or one text with semicolons between them; each one once."""
        value = self._values.get(name)
        if not isinstance(value, list):
            parts = self.text(name).split(SEPARATOR)
        elif all(isinstance(part, str) for part in value):
            parts = value
        else:
            self.refuse("value-kind", f"{name!r} is no list of texts but {value!r}")
            return ()
        return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _role(fields: _Fields, default: Role) -> Role:
    word = fields.text(columns.ROLE).strip().lower()
    if word and word not in ROLES_BY_NAME:
        known = ", ".join(ROLES_BY_NAME)
        fields.refuse("role-unknown", f"there is no role {word!r}", f"a role is one of {known}")
    return ROLES_BY_NAME.get(word, default)


def _password(fields: _Fields, *, no_password: bool) -> str:
    """What the column is to hold: the hash, or one of those that no password matches."""
    stored = fields.text(columns.PASSWORD_HASH).strip()
    if stored and not is_stored_form(stored):
        fields.refuse(
            "password-hash",
            "its password hash is not in a form that a server stores",
            "give what zerver_userprofile.password holds: argon2$... or pbkdf2_sha256$...",
        )
    if not stored and not no_password:
        fields.refuse(
            "password-none",
            "it has no password hash",
            "give --no-password to make such accounts without a password",
        )
    return stored if has_password(stored) else unusable_password()
