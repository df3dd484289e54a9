"""What a second run has to know of an upload that the first did not finish."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING

from zops_export.s3_multipart import MultipartUpload, Part
from zops_export.written_files import writing

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any


class UploadJournal:
    """A private file, a JSON object a line: which upload it is, then each part that is stored."""

    def __init__(self, path: Path) -> None:
        """Read what is there. Raises `Failed`."""
        self._path = path
        self._lock = threading.Lock()
        self._upload: dict[str, str] = {}
        self._parts: dict[int, Part] = {}
        with writing(path):
            for line in path.read_bytes().splitlines() if path.exists() else ():
                self._learn(line)

    def _learn(self, line: bytes) -> None:
        try:
            facts = json.loads(line)
        except ValueError:  # the process was killed as it wrote
            return
        if "upload" in facts:
            self._upload = facts["upload"]
            self._parts.clear()
        else:
            self._parts[facts["part"]] = Part(facts["size"], facts["md5"], facts["tag"])

    @property
    def key(self) -> str | None:
        """The key of the upload; None when there is no upload."""
        return self._upload.get("key")

    def upload(self, client: Any) -> MultipartUpload | None:
        """The upload that an earlier run began; None when it began none."""
        known = self._upload
        if not known:
            return None
        place = known["bucket"], known["key"]
        return MultipartUpload(client, *place, known["id"], known["token"])

    def kept(self, upload: MultipartUpload) -> dict[int, Part]:
        """The parts that the store still has as they were. `FileNotFoundError`: none of it."""
        stored = upload.stored()
        return {
            number: part
            for number, part in self._parts.items()
            if stored.get(number) == (part.size, part.tag)
        }

    def begun(self, upload: MultipartUpload) -> None:
        """Write down that an upload was begun."""
        with writing(self._path):
            self._path.unlink(missing_ok=True)
        facts = {"bucket": upload.bucket, "key": upload.key}
        self._write({"upload": {**facts, "id": upload.upload_id, "token": upload.token}})

    def stored(self, number: int, part: Part) -> None:
        """Write down that a part is stored."""
        self._write({"part": number, **part._asdict()})

    def _write(self, facts: dict[str, object]) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        with self._lock, writing(self._path):
            file = os.open(self._path, flags, 0o600)
            try:
                os.write(file, f"{json.dumps(facts)}\n".encode())
            finally:
                os.close(file)

    def forget(self) -> None:
        """There is nothing left to go on with."""
        with writing(self._path):
            self._path.unlink(missing_ok=True)
