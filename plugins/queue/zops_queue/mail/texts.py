"""The words of a mail: which plugin has them, and what they become with an event's fields."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import jinja2

from zcore import MailTemplate
from zcore.text import one_line
from zops_queue.workers.fields import BadField

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zcore import Context
    from zops_queue.mail.order import MailOrder

HOOK = "zops_mail_templates"
OURS = "queue"  # the plugin whose texts give way to everybody else's
SHARED = "zops"  # a folder that all templates see: the layouts


@dataclass(frozen=True, slots=True)
class MailText:
    """A mail, written. `html` is None where there is plain text only."""

    subject: str
    plain: str
    html: str | None


def find_templates(context: Context) -> dict[str, MailTemplate]:
    """The templates of all plugins by name.

    Where several plugins have one, the first counts; where one of them is ours, any other.
    """
    found = context.plugins.available(HOOK, MailTemplate)
    chosen: dict[str, MailTemplate] = {}
    for _, template in sorted(found, key=lambda each: each[0] == OURS):
        chosen.setdefault(template.name, template)
    return chosen


def write(order: MailOrder, templates: Mapping[str, MailTemplate]) -> MailText:
    """The mail that an event asks for.

    Raises `BadField` when nobody has the words, or when they need a field that the event lacks.
    """
    template = templates.get(order.template)
    if template is None:
        raise BadField(
            f"there is no text for the mail {order.template!r}: a plugin can bring it"
            f" with the hook {HOOK}"
        )
    package, _, path = template.files.partition(":")
    folder, _, stem = path.rpartition("/")
    environment = _environment(package, folder or ".")
    fields = {**order.fields, "language": order.language or "en"}
    try:
        return MailText(
            subject=one_line(environment.get_template(f"{stem}.subject.txt").render(fields)),
            plain=environment.get_template(f"{stem}.txt").render(fields).strip() + "\n",
            html=_html(environment, f"{stem}.html", fields),
        )
    except jinja2.UndefinedError as error:
        raise BadField(f"the mail {order.template!r} cannot be written: {error}") from None


def _html(environment: jinja2.Environment, name: str, fields: Mapping[str, object]) -> str | None:
    try:
        template = environment.get_template(name)
    except jinja2.TemplateNotFound as error:
        if error.name == name:
            return None
        raise
    return template.render(fields)


@cache
def _environment(package: str, folder: str) -> jinja2.Environment:
    theirs = jinja2.PackageLoader(package, folder)
    ours = jinja2.PackageLoader("zops_queue", "mail/texts")
    return jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PrefixLoader({SHARED: ours}), theirs]),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
