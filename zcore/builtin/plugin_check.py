"""Looking at one plugin closely, in a process of its own: `python -m zcore.builtin.plugin_check`.

The process loads the plugin, first alone and then with the others, asks every hook, resolves every
target, and writes what is wrong as one JSON document to stdout.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from dataclasses import asdict
from typing import TYPE_CHECKING

import pluggy

from zcore.builtin import COMMANDS
from zcore.builtin.plugin_declarations import declaration_findings, name_findings
from zcore.builtin.plugin_implementations import arguments_of, hook_findings, implementations
from zcore.builtin.plugin_targets import target_findings
from zcore.deprecation import Deprecated
from zcore.frozen import frozen
from zcore.plugin_loading import discover, load
from zcore.plugins import Plugins
from zcore.text import describe, mask_passwords
from zcore.values import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from zcore.builtin.plugin_implementations import Implementation
    from zcore.plugin_record import PluginRecord

# what no plugin may make every command of zops pay for
HEAVY = {
    "aiohttp", "asyncio", "boto3", "botocore", "cryptography", "django", "httpx", "ldap3",
    "msgspec", "numpy", "orjson", "pandas", "pika", "psycopg", "psycopg2", "pydantic", "requests",
    "rich", "sentry_sdk", "sqlalchemy",
}  # fmt: skip


@frozen
class Checked:
    """What came of looking at a plugin. `seconds` is what its import and its first hooks took."""

    findings: Sequence[Finding]
    notes: Sequence[str] = ()
    seconds: float = 0.0


def check_plugin(name: str, timeout: float, *, disabled: Sequence[str]) -> Checked:
    """Look at the plugin `name` for at most `timeout` seconds.

    The plugins `disabled` are left out also there: one of them may be why others cannot load.
    """
    command = [sys.executable, "-m", __name__, name, *disabled]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        message = f"it was not imported within {timeout:g} seconds"
        return Checked([Finding("timeout", message, name, "import late what takes long")])
    if done.returncode != os.EX_OK:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        ending = f"its process ended with {done.returncode}"
        message = mask_passwords(f"{ending}: {last}" if last else ending)
        return Checked([Finding("crash", message, name, "a plugin must not end the process")])
    answer = json.loads(done.stdout)
    findings = [Finding(**finding) for finding in answer["findings"]]
    return Checked(findings, answer["notes"], answer["seconds"])


def _look(name: str, disabled: Sequence[str]) -> Checked:
    """In the process of its own: everything there is to say about the plugin `name`."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        alone, findings = _load_alone(name)
        if alone is None:
            return Checked([Finding("missing", "it is not installed", name)])
        findings += _of_hooks(name, disabled) if _was_imported(alone) else [_not_loaded(alone)]
    used = {str(one.message) for one in caught if isinstance(one.message, Deprecated)}
    findings += [_deprecated(name, text) for text in sorted(used)]
    notes = []
    if alone.active and not hasattr(alone.plugin, "zops_api"):
        notes.append("it names no version of the plugin API (zops_api = 1): 1 is taken for meant")
    return Checked(findings, notes, round(alone.seconds, 6))


def _load_alone(name: str) -> tuple[PluginRecord | None, list[Finding]]:
    """The plugin when no other is there; and the heavy modules that it imports at once.

    Of several that have the name it is the one that is used, and the others are found.
    """
    records = [record for record in discover(()) if record.name == name]
    records.sort(key=lambda record: not record.active)
    unused = [_not_loaded(record) for record in records[1:]]
    before = set(sys.modules)
    load(records[:1])
    Plugins(records[:1], (), warn=lambda text: None)  # calls what every start calls
    heavy = HEAVY & (set(sys.modules) - before)
    imported = [
        Finding(
            "heavy-import",
            f"it imports {module} as zops starts, and every command waits for that",
            name,
            "import it inside of the function that needs it",
        )
        for module in sorted(heavy)
    ]
    return records[0] if records else None, unused + imported


def _was_imported(record: PluginRecord) -> bool:
    """Arguments that a hook does not have are looked for by hand, and said more plainly."""
    return record.active or isinstance(record.exception, pluggy.PluginValidationError)


def _not_loaded(record: PluginRecord) -> Finding:
    return Finding(record.status, record.error, record.name, "see 'zops plugins show NAME'")


def _deprecated(name: str, text: str) -> Finding:
    return Finding("deprecated", text, name, "change it before you allow that version of zops")


def _of_hooks(name: str, disabled: Sequence[str]) -> Iterator[Finding]:
    """Its hooks and what they give, seen together with the other plugins."""
    records = discover(disabled)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the other plugins are not this one's
        load(records)
        plugins = Plugins(records, COMMANDS, warn=lambda text: None)
    record = next(one for one in records if one.name == name and one.plugin is not None)
    if not _was_imported(record):
        yield _not_loaded(record)
    yield from (_deprecated(name, text) for text in record.deprecations)
    specifications = plugins.specifications
    yield from hook_findings(record, specifications)
    for implementation in implementations(record.plugin):
        specification = specifications.get(implementation.hook)
        if implementation.is_wrapper or specification is None:
            continue
        if not arguments_of(specification):
            yield from _of_answer(name, implementation, specification, plugins)


def _of_answer(
    name: str,
    implementation: Implementation,
    specification: Callable[..., object],
    plugins: Plugins,
) -> Iterator[Finding]:
    """What a hook gives."""
    where = f"{name}: {implementation.hook}"
    try:
        values = implementation.ask(specification)
    except (Exception, SystemExit) as error:  # noqa: BLE001 # it may raise anything
        yield Finding("broken-hook", f"{implementation.hook} fails: {describe(error)}", where)
        return
    yield from name_findings(name, implementation.hook, values, plugins)
    for value in values:
        yield from declaration_findings(value, where)
        yield from target_findings(value, where)


def _main() -> None:
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what plugins print, by whatever means, is no finding
    sys.stdout = sys.stderr
    with answer:
        json.dump(asdict(_look(sys.argv[1], sys.argv[2:])), answer)


if __name__ == "__main__":
    _main()
