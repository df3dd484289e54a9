"""`--output` with placeholders: what they stand for, and which names belong together."""

from __future__ import annotations

import fnmatch
from datetime import UTC, datetime, timedelta, timezone

import pytest

from zcore import UsageError
from zops_export.output_names import OutputName

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("plain.tar.gz", "plain.tar.gz"),
        ("/b/%{realm}/%{time}.tar.gz", "/b/acme/20260102T030405Z.tar.gz"),
        ("%{realm}-%Y-%m-%dT%H:%M:%S", "acme-2026-01-02T03:04:05"),
        ("100%%-%%{time}-%%Y", "100%-%{time}-%Y"),
    ],
)
def test_what_they_stand_for(text: str, filled: str) -> None:
    assert OutputName(text).fill("acme", MOMENT) == filled
    elsewhere = MOMENT.astimezone(timezone(timedelta(hours=9)))
    assert OutputName(text).fill("acme", elsewhere) == filled


def test_the_root_domain_has_a_name() -> None:
    assert OutputName("%{realm}").fill("", MOMENT) == "root"


@pytest.mark.parametrize("text", ["50%", "%s", "%{host}", "%{realm", "%y", "% d", "%{}"])
def test_others_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no placeholder") as error:
        OutputName(text)
    assert "%{realm}" in error.value.hint


@pytest.mark.parametrize(
    ("text", "name", "moment"),
    [
        ("%{realm}-%{time}.tar.gz", "acme-20260102T030405Z.tar.gz", MOMENT.replace(microsecond=0)),
        ("%{realm}-%{time}.tar.gz", "acme-eu-20260102T030405Z.tar.gz", None),
        ("%{realm}-%{time}.tar.gz", "acme-20260102T030405Z.tar.gz.old", None),
        ("%{realm}-%{time}.tar.gz", "acme-20260102T030405ZXtarXgz", None),
        ("%{realm}-%{time}", "acme-20261302T030405Z", None),
        ("%{realm}-%{time}", "acme-२०२६0102T030405Z", None),  # noqa: RUF001 # that is the point
        ("%d.%m.%Y %{realm}", "02.01.2026 acme", datetime(2026, 1, 2, tzinfo=UTC)),
        ("%Y/%{time}", "2026/20260102T030405Z", MOMENT.replace(microsecond=0)),
        ("%Y/%{time}", "2025/20260102T030405Z", None),
        ("a[b]*-%Y", "a[b]*-2026", datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_which_belong_together(text: str, name: str, moment: datetime | None) -> None:
    output = OutputName(text)
    assert output.moment("acme", name) == moment
    if moment is not None:
        assert fnmatch.fnmatchcase(name, output.glob("acme"))


def test_parts() -> None:
    name = OutputName("/b/%Y/%{realm}-%m%d/")
    assert name.has_time_in_folders
    assert name.name.text == "%{realm}-%m%d"
    assert name.name.times == {"%m", "%d"}
    assert OutputName("/b%%Y/x").times == set()
    assert not OutputName("/b/%{realm}/%{time}").has_time_in_folders


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("%{realm}-%{time}.tar.gz", "acme-last.tar.gz"),
        ("%Y-%m-%d_%{realm}_%H.tar.gz", "last.tar.gz"),
        ("%{realm}.tar.gz", "acme.tar.gz"),
    ],
)
def test_without_the_time(text: str, without: str) -> None:
    assert OutputName(text).without_time("acme", "last") == without
