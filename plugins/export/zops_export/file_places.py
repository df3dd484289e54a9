"""Where each file of an export goes, and which pictures have to be made of it there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from zcore import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping

    from zcore.files import FileStore
    from zops_export.export_index import FileRecord
    from zops_export.import_job import ImportJob

ORIGINAL, SMALL, MEDIUM = ".original", ".png", "-medium.png"
AVATAR_SIDE, MEDIUM_SIDE, EMOJI_SIDE = 100, 500, 64  # pixels
LOGO_SIZE = (800, 100)
ICON = re.compile(r"(icon|logo|night_logo)\.(png|original)")
# By the ends of names, which mean the same on every machine; a server has thumbnails of these
PICTURE_TYPES = {
    ".avif": "image/avif",
    ".gif": "image/gif",
    ".heic": "image/heic",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".webp": "image/webp",
}
IMAGE_TYPES = frozenset(PICTURE_TYPES.values())


class ToMake(NamedTuple):
    """A picture to be made of a file, and its key.

    `size` is the side of a square in pixels, or the width and height into which it has to fit. A
    still is made only of what moves.
    """

    key: str
    size: int | tuple[int, int]
    content_type: str = "image/png"
    is_still: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file goes, what the export says of it, and what is made of it there.

    `content_type` is that of an upload, as its attachment has it. What has an `image` is looked at:
    "upload", or what else it is a picture of.
    """

    store: FileStore
    key: str
    record: FileRecord
    content_type: str = ""
    image: str = ""
    made: tuple[ToMake, ...] = ()


def places(job: ImportJob) -> dict[str, Place]:
    """The place of each file in the export that a record names; what has none is a finding."""
    found: dict[str, Place] = {}
    there = job.source.names
    for kind, of_kind in PLACES.items():
        records = [record for record in job.index.records if record.kind == kind]
        for record in records:
            if record.name not in there and kind != "uploads":  # a lost upload was reported
                job.find(
                    Finding(
                        "missing-file", "the export records the file but has it not", record.name
                    )
                )
        found |= of_kind(job, {one.name: one for one in records if one.name in there})
    return found


def _uploads(job: ImportJob, records: Mapping[str, FileRecord]) -> dict[str, Place]:
    """Images among them get a row of their own, by what their attachment says."""
    types = {
        str(row.get("path_id")): str(
            row.get("content_type") or picture_type(str(row.get("path_id")))
        )
        for row in job.index.attachments
    }
    found: dict[str, Place] = {}
    for name, record in records.items():
        old = str(record.row.get("s3_path"))
        new, kind = job.upload_paths.get(old), types.get(old, "")
        if new is not None:
            image = "upload" if kind in IMAGE_TYPES else ""
            found[name] = Place(job.files.uploads, new, record, kind, image)
    return found


def _avatars(job: ImportJob, records: Mapping[str, FileRecord]) -> dict[str, Place]:
    """A server shows three sizes, of which exports have two at most."""
    keys = {name: key for name, record in records.items() if (key := _avatar_key(job, record))}
    taken = set(keys.values())
    found: dict[str, Place] = {}
    for name, key in keys.items():
        base, suffix = _split(key)
        made: list[ToMake] = []
        if suffix == ORIGINAL or (suffix == SMALL and base + ORIGINAL not in taken):
            sizes = {SMALL: AVATAR_SIDE, MEDIUM: MEDIUM_SIDE}
            made = [
                ToMake(base + other, side)
                for other, side in sizes.items()
                if base + other not in taken
            ]
        image = "avatar" if made else ""
        found[name] = Place(job.files.avatars, key, records[name], "", image, tuple(made))
    return found


def _avatar_key(job: ImportJob, record: FileRecord) -> str | None:
    """By the number of the user here, and this server's salt."""
    old, version = record.row.get("user_profile_id"), record.row.get("avatar_version", 1)
    user = job.ids["zerver_userprofile"].get(old) if isinstance(old, int) else None
    if user is None or not isinstance(version, int):
        message = "the picture belongs to nobody in the export"
        job.find(Finding("orphan-avatar", message, record.name))
        return None
    return (
        job.files.avatar_key(job.realm_id, user, version)
        + _split(str(record.row.get("s3_path")))[1]
    )


def _split(key: str) -> tuple[str, str]:
    for suffix in (MEDIUM, ORIGINAL):
        if key.endswith(suffix):
            return key.removesuffix(suffix), suffix
    return key.removesuffix(SMALL), SMALL


def _emoji(job: ImportJob, records: Mapping[str, FileRecord]) -> dict[str, Place]:
    """A still of each that moves, and the small version where there is only the original."""
    folder = f"{job.realm_id}/emoji/images"
    safe = dict(_safe(job, records, _is_picture_name))
    bases = {PurePosixPath(record.path).name for record in safe.values()}
    found: dict[str, Place] = {}
    for name, record in safe.items():
        base = PurePosixPath(record.path).name
        small = base.removesuffix(ORIGINAL)
        made: list[ToMake] = []
        if base != small or base + ORIGINAL not in bases:
            made = list(_of_emoji(folder, small, bases))
        image = "emoji" if made else ""
        found[name] = Place(job.files.avatars, f"{folder}/{base}", record, "", image, tuple(made))
    return found


def _of_emoji(folder: str, small: str, there: Container[str]) -> Iterator[ToMake]:
    yield ToMake(f"{folder}/still/{PurePosixPath(small).stem}.png", EMOJI_SIDE, is_still=True)
    if small not in there:
        yield ToMake(f"{folder}/{small}", EMOJI_SIDE, picture_type(small))


def _realm_icons(job: ImportJob, records: Mapping[str, FileRecord]) -> dict[str, Place]:
    """The small version is made where there is only the original."""
    safe = dict(_safe(job, records, lambda name: ICON.fullmatch(name) is not None))
    bases = {PurePosixPath(record.path).name for record in safe.values()}
    found: dict[str, Place] = {}
    for name, record in safe.items():
        key = f"{job.realm_id}/realm/{PurePosixPath(record.path).name}"
        base, suffix = _split(key)
        made: tuple[ToMake, ...] = ()
        if suffix == ORIGINAL and PurePosixPath(base + SMALL).name not in bases:
            made = (ToMake(base + SMALL, AVATAR_SIDE if base.endswith("icon") else LOGO_SIZE),)
        found[name] = Place(
            job.files.avatars, key, record, "", "icon or logo" if made else "", made
        )
    return found


def _safe(
    job: ImportJob, records: Mapping[str, FileRecord], is_safe: Callable[[str], bool]
) -> Iterator[tuple[str, FileRecord]]:
    """Those that a browser takes for no page: everybody can see them at the server's address."""
    for name, record in records.items():
        if is_safe(PurePosixPath(record.path).name):
            yield name, record
        else:
            message = "the file is no picture by its name; it was left out"
            job.find(Finding("unsafe-file", message, where=record.name))


def _is_picture_name(name: str) -> bool:
    return bool(picture_type(name.removesuffix(ORIGINAL)))


def picture_type(name: str) -> str:
    """The content type of a picture of that name; "" when it is the name of something else."""
    return PICTURE_TYPES.get(PurePosixPath(name).suffix.lower(), "")


PLACES: Mapping[str, Callable[[ImportJob, Mapping[str, FileRecord]], dict[str, Place]]] = {
    "avatars": _avatars,
    "emoji": _emoji,
    "realm_icons": _realm_icons,
    "uploads": _uploads,
}
