"""The values that plugins hand to the core, and that commands hand back.

They are plain and frozen: a plugin says what it has, the core decides what to do with it. A
`target` is always text, `"package.module:attribute"`, resolved only when the thing is used, so
that whatever is declared here can be listed, sorted, checked and switched off without importing
what it stands for.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from zcore.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@frozen
class Command:
    """A command line of `zops`: a promise of a click command.

    `name` in kebab case; `target` names a `click.Command` or `click.Group`; `help` is the one
    line that `zops --help` shows; `group` a heading to list it under.
    """

    name: str
    target: str
    help: str
    group: str = ""


@frozen
class Problem:
    """Why a value is refused.

    `code` is a stable word; `index` says which of several values it is about; `override` names
    the flag that lets the value pass all the same (None: nothing does).
    """

    code: str
    message: str
    hint: str = ""
    index: int = 0
    override: str | None = None


@frozen
class Validator:
    """A rule about one subject ("subdomain", "email", ...).

    `target` names `(values: Sequence[str], context: zcore.validation.Validation)
    -> Iterable[Problem]`: it sees many values at once, so that a check in the database is one
    query however many there are.
    """

    name: str
    subject: str
    target: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@frozen
class Stage:
    """A named part of a long job (an export, an import).

    `target` names `(job) -> Mapping[str, int] | None`, the counts for the journal and the timing
    report. `needs` are stages whose results it uses; `before` and `after` only order; `replaces`
    names a stage that this one stands in for.
    """

    name: str
    target: str
    needs: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    replaces: str | None = None


@frozen
class Check:
    """Something `zops doctor` looks at.

    `target` names `(context: zcore.Context) -> CheckResult`. It must not write anything.
    """

    name: str
    target: str
    help: str = ""


@frozen
class CheckResult:
    """What a check found: `status` is "ok", "warning", "failed" or "skipped"."""

    status: str
    message: str
    hint: str = ""


@frozen
class Worker:
    """What handles the events of one queue.

    `target` names `(events: Sequence[Event], context: WorkContext) -> Iterable[Rejected] | None`
    (types of `zcore.broker`): the events that can never be handled, everything else is done;
    `batch` is the most events it takes at once; `ready` names `(context: zcore.Context) -> str`
    that says why it cannot work here ("" when it can); `lease` asks for exactly one effect
    although delivered twice.
    """

    queue: str
    target: str
    help: str = ""
    batch: int = 1
    ready: str = ""
    lease: bool = False


@frozen
class BrokerKind:
    """A kind of message broker, chosen by the scheme of the setting `broker`.

    `target` names `(url: str, settings: Settings) -> zcore.broker.Broker`, called when a command
    needs the broker; a broker without a URL (`embedded`) has its name as the scheme.
    """

    scheme: str
    target: str


@frozen
class Finding:
    """Something that was skipped, repaired or is wrong, in a job that nevertheless got done.

    `where` is the place: a table and id, a file in an export, an object's key.
    """

    code: str
    message: str
    where: str = ""
    hint: str = ""


@frozen
class Result:
    """What a command gives back; the core prints it and chooses the exit code.

    `data` becomes the JSON object of `--json` (without "ok" and "findings", which the core adds);
    `text` is what a person reads instead. With findings the exit code is 5.
    """

    data: Mapping[str, object] = field(default_factory=dict)
    text: str = ""
    findings: Sequence[Finding] = ()
