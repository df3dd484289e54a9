"""Classes, functions and constants in words: what the pages of the API are made of."""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import itertools
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType

from tools.docs.markdown import code, fence, one_line, prose, table
from zcore.errors import ZopsError

Member = tuple[str, str]  # what it looks like, and what it is


def describe(name: str, found: object, home: ModuleType) -> str:
    """The section of a public name, without its heading."""
    if isinstance(found, type):
        return _class(name, found)
    if inspect.isfunction(found):
        return "\n\n".join([fence("text", signature(name, found)), prose(found.__doc__)])
    return prose(constant_docstring(name, home))


def signature(name: str, function: Callable[..., object]) -> str:
    """`name(argument: type = default) -> type`, as the source has it; without `self`."""
    given = inspect.signature(function)
    words = [str(one) for one in _parameters(given)]
    return f"{name}({', '.join(words)}) -> {given.return_annotation}"


def constant_docstring(name: str, home: ModuleType) -> str:
    """The text that stands below a constant in its module. Raises `LookupError` without one."""
    body = ast.parse(inspect.getsource(home)).body
    for statement, after in itertools.pairwise(body):
        match statement, after:
            case (
                ast.Assign(targets=[ast.Name(id=found)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ) if found == name:
                return text
    raise LookupError(f"{home.__name__}.{name} has no docstring below it")


def _parameters(given: inspect.Signature) -> Iterator[str]:
    starred = False
    for one in given.parameters.values():
        if one.name in ("self", "cls"):
            continue
        if one.kind is one.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        starred |= one.kind is one.VAR_POSITIONAL
        stars = "*" * (one.kind is one.VAR_POSITIONAL) + "**" * (one.kind is one.VAR_KEYWORD)
        default = "" if one.default is one.empty else f" = {one.default!r}"
        yield f"{stars}{one.name}: {one.annotation}{default}"


def _class(name: str, cls: type) -> str:
    parts = [prose(cls.__doc__)]
    if issubclass(cls, enum.Enum):
        values = [(code(one.name), code(str(one.value))) for one in cls]
        parts.append(table(("name", "value"), values))
    elif issubclass(cls, Exception):
        parts.append(_exception(name, cls))
    else:
        parts += [_fields(cls), _members(cls)]
    return "\n\n".join(part for part in parts if part)


def _exception(name: str, cls: type[Exception]) -> str:
    shown = [fence("text", signature(name, cls.__init__).removesuffix(" -> None"))]
    if issubclass(cls, ZopsError):
        shown.append(f"Exit code {int(cls.exit_code)}; code in JSON, unless given: `{cls.code}`.")
    return "\n\n".join(shown)


def _fields(cls: type) -> str:
    """The fields of a dataclass, or of a named tuple."""
    if issubclass(cls, tuple):
        named = [(code(name), code(kind)) for name, kind in _annotations(cls).items()]
        return table(("field", "type"), named)
    if not dataclasses.is_dataclass(cls):
        return ""
    rows = [(code(one.name), code(str(one.type)), _default(one)) for one in dataclasses.fields(cls)]
    return table(("field", "type", "default"), rows)


def _annotations(cls: type) -> dict[str, str]:
    """The annotations of a class, as the source has them."""
    found = inspect.get_annotations(cls)
    return {name: str(getattr(kind, "__forward_arg__", kind)) for name, kind in found.items()}


def _default(field: dataclasses.Field[object]) -> str:
    if field.default is not dataclasses.MISSING:
        default = field.default
        return code(default.__name__ if isinstance(default, type | FunctionType) else repr(default))
    if field.default_factory is not dataclasses.MISSING:
        return code(repr(field.default_factory()))
    return "needed"


def _members(cls: type) -> str:
    """The public methods and properties that a class has of its own."""
    rows = [_member(name, found) for name, found in vars(cls).items() if not name.startswith("_")]
    shown = [row for row in rows if row is not None]
    return table(("member", ""), shown) if shown else ""


def _member(name: str, found: object) -> Member | None:
    attribute = getattr(found, "func", None) or getattr(found, "fget", None)
    if attribute is not None:  # a property
        kind = inspect.signature(attribute).return_annotation
        return code(f"{name}: {kind}"), one_line(attribute.__doc__)
    function = getattr(found, "__func__", found)  # a class method's
    if inspect.isfunction(function):
        return code(signature(name, function)), one_line(function.__doc__)
    return None
