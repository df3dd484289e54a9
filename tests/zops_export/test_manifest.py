"""What a manifest says of an export."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from zcore.schema import SERVER_VERSION
from zcore.version import __version__
from zops_export.manifest import Manifest, read_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere
    from tests.zops_export.spoiling import Watched
    from zcore.database import Database

WORDS = ("create-realm", "Acme", "olive@example.test", "Olive", "--no-password")


def _exported(zops: ZopsHere, output: Path, *words: str) -> Manifest:
    zops(*WORDS, "--string-id", "acme")
    zops("export", "-r", "acme", "--output", output, *words)
    return read_manifest((output / "zops-manifest.json").read_bytes())


def test_what_a_manifest_says(database: Database, zops_here: ZopsHere, tmp_path: Path) -> None:
    output = tmp_path / "acme"
    manifest = _exported(zops_here.on(database), output, "--threads", "2", "--public-only")
    assert (manifest.format, manifest.zops) == (1, __version__)
    assert (manifest.realm, manifest.mode) == ("acme", "public")
    assert manifest.source is not None
    assert manifest.source.database == database.dialect
    assert manifest.source.zulip_version == SERVER_VERSION
    (plugin,) = manifest.plugins
    assert (plugin.name, plugin.version) == ("export", __version__)
    stages = {stage["name"]: stage["plugin"] for stage in _document(output)["stages"]}
    assert stages.keys() >= {"messages", "realm", "stats", "migration-status"}
    assert set(stages.values()) == {"export"}
    realm = json.loads((output / "realm.json").read_bytes())
    assert manifest.rows["zerver_userprofile"] == len(realm["zerver_userprofile"])


def test_every_file_is_listed(zops_here: ZopsHere, tmp_path: Path) -> None:
    manifest = _exported(zops_here, output := tmp_path / "acme")
    there = {
        path.relative_to(output).as_posix(): path.read_bytes()
        for path in output.rglob("*")
        if path.is_file() and path.name != "zops-manifest.json"
    }
    assert manifest.files.keys() == there.keys()
    for name, content in there.items():
        assert manifest.files[name].size == len(content)
        assert manifest.files[name].sha256 == hashlib.sha256(content).hexdigest()


def test_the_moment_is_the_databases(
    postgres_database: Database, zops_here: ZopsHere, tmp_path: Path
) -> None:
    zops_here.on(postgres_database)
    with postgres_database.read() as connection:
        before = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    manifest = _exported(zops_here, tmp_path / "acme", "--threads", "2")
    assert manifest.snapshot is not None
    assert manifest.snapshot.time.endswith("Z")
    moment = datetime.fromisoformat(manifest.snapshot.time)
    assert before < moment < datetime.now(UTC)
    assert "2 repeatable-read transactions" in manifest.snapshot.taken


def test_a_manifest_from_before_there_was_a_number_can_be_read() -> None:
    files = {"realm.json": {"size": 2, "sha256": "0" * 64}}
    manifest = read_manifest(json.dumps({"files": files, "stages": ["realm"]}).encode())
    assert manifest.format == 0
    assert manifest.files["realm.json"].size == 2


def test_the_numbers_of_rows_stand_as_a_server_writes_them(
    zops_here: ZopsHere, watched: Watched, light: Path, tmp_path: Path
) -> None:
    """Byte for byte, but for the numbers: an import adds rows, and messages take fewer files."""
    zops_here("import", "acme", light)
    zops_here("export", "-r", "acme", "--output", tmp_path / "acme")
    ours, servers = ((folder / "stats.json").read_bytes() for folder in (tmp_path / "acme", light))
    stats, expected = json.loads(ours), json.loads(servers)
    assert ours == json.dumps(stats, indent=2).encode()
    assert _forms(stats) == _forms(expected)


def _forms(stats: dict[str, Any]) -> list[object]:
    """Names of files, with the names of their tables, in their order."""
    return [
        (file, list(counts) if isinstance(counts, dict) else int)
        for file, counts in stats.items()
        if file not in ("messages-000002", "messages-000003")
    ]


def _document(output: Path) -> dict[str, list[dict[str, str]]]:
    document: dict[str, list[dict[str, str]]] = json.loads(
        (output / "zops-manifest.json").read_bytes()
    )
    return document
