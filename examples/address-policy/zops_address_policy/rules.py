"""The policy as validators: one rule each, so that all complaints are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from zcore import Problem, Validation, current
from zops_address_policy.configured import policy_of

if TYPE_CHECKING:
    from zops_address_policy.policy import Complaint


def domain(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """Addresses are of one of our domains."""
    return _problems(values, policy_of(current()).domain)


def function(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """Addresses are a person's."""
    return _problems(values, policy_of(current()).function)


def tag(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """Addresses have no tag."""
    return _problems(values, policy_of(current()).tag)


def _problems(
    values: Sequence[str], complaint_about: Callable[[str], Complaint | None]
) -> Iterator[Problem]:
    for index, address in enumerate(values):
        complaint = complaint_about(address)
        if complaint is not None:
            yield Problem(complaint.code, complaint.message, complaint.hint, index)
