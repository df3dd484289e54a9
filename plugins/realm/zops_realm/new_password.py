"""A password that is to be set: hashed in the background, while the database is looked into.

Hashing takes as long as everything else that creating an account needs, by design.
"""

from __future__ import annotations

import threading

from zcore.identifiers import unusable_password


class NewPassword:
    """What `zerver_userprofile.password` is to hold; `text` None: what no password matches."""

    def __init__(self, text: str | None) -> None:
        self.text = text
        self._column = ""
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return "NewPassword()"  # it must not stand in a message

    @property
    def texts(self) -> list[str]:
        """What the rules for passwords are to look at."""
        return [] if self.text is None else [self.text]

    def begin(self) -> NewPassword:
        """Start to hash; the program does not wait for it at its end. Returns itself."""
        if self.text is not None:
            self._thread = threading.Thread(target=self._hash, name="zops-hash", daemon=True)
            self._thread.start()
        return self

    def column(self) -> str:
        """The column's value. Raises `UnicodeEncodeError` for what is no text."""
        if self.text is None:
            return unusable_password()
        if self._thread is not None:
            self._thread.join()
        if not self._column:
            self._column = _hashed(self.text)
        return self._column

    def _hash(self) -> None:
        from zcore.text import is_text

        if self.text is not None and is_text(self.text):  # else the rules say what is wrong
            self._column = _hashed(self.text)


def _hashed(text: str) -> str:
    from zops_realm.password_hash import hash_password

    return hash_password(text)
