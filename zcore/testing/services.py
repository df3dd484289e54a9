"""The services of one run of the tests: started when the first asks, ended when the last is done.

Where a service cannot be had, its tests are skipped and the end of the report says so loudly;
where `CI` is set they fail instead, because nobody reads the end of that report.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import pytest

from zcore.testing.memcached import MemcachedServer, PrivateMemcached
from zcore.testing.postgres import PostgresServer, PrivatePostgres
from zcore.testing.processes import ServiceFailed, ServiceMissing
from zcore.testing.programs import (
    have_programs,
    install,
    memcached_program,
    postgres_program,
    rabbitmq_program,
    sasl_program,
)
from zcore.testing.rabbitmq import PrivateRabbitMQ, RabbitMQServer
from zcore.testing.s3 import PrivateS3, S3Server

if TYPE_CHECKING:
    from collections.abc import Callable, Set

POSTGRES_VARIABLE = "ZOPS_TEST_POSTGRES"
RABBITMQ_VARIABLE = "ZOPS_TEST_RABBITMQ"
S3_VARIABLE = "ZOPS_TEST_S3"
MEMCACHED_VARIABLE = "ZOPS_TEST_MEMCACHED"
DUMPS_VARIABLE = "ZOPS_TEST_DUMPS"

INSTALLABLE: tuple[tuple[str, str, str, Callable[[], object]], ...] = (
    ("postgres", POSTGRES_VARIABLE, "postgresql", lambda: postgres_program("postgres")),
    ("rabbitmq", RABBITMQ_VARIABLE, "rabbitmq-server", lambda: rabbitmq_program("rabbitmqctl")),
    ("memcached", MEMCACHED_VARIABLE, "memcached", memcached_program),
    ("memcached", MEMCACHED_VARIABLE, "sasl2-bin", sasl_program),
)

Service = TypeVar("Service", PostgresServer, RabbitMQServer, S3Server, MemcachedServer)


class Services:
    """What was started, and what had to be left out."""

    def __init__(self, in_ci: bool) -> None:
        self.in_ci = in_ci
        self.versions: list[str] = []
        self.left_out: dict[str, str] = {}  # what, and why
        named = os.environ.get(DUMPS_VARIABLE)
        self._dumps = Path(named).absolute() if named else None  # before a test changes folders

    def postgres(self) -> PostgresServer:
        """The named server, or a private one. Skips or fails the test when there is none."""
        url = os.environ.get(POSTGRES_VARIABLE)
        if url:
            server = PostgresServer(url)
            self.versions.append(f"PostgreSQL {server.version} ({POSTGRES_VARIABLE})")
            return server
        private = self._start("PostgreSQL", PrivatePostgres, "postgresql", POSTGRES_VARIABLE)
        self.versions.append(f"PostgreSQL {private.version}")
        return private

    def rabbitmq(self) -> RabbitMQServer:
        """The named broker, or a private one. Skips or fails the test when there is none."""
        url = os.environ.get(RABBITMQ_VARIABLE)
        if url:
            self.versions.append(f"RabbitMQ ({RABBITMQ_VARIABLE})")
            return RabbitMQServer(url)
        private = self._start("RabbitMQ", PrivateRabbitMQ, "rabbitmq-server", RABBITMQ_VARIABLE)
        self.versions.append(f"RabbitMQ {private.version}")
        return private

    def s3(self) -> S3Server:
        """The named object store, or a private one. Skips or fails the test when there is none."""
        url = os.environ.get(S3_VARIABLE)
        if url:
            self.versions.append(f"S3 ({S3_VARIABLE})")
            return S3Server(url)
        private = self._start("S3", PrivateS3, "moto[s3] and flask-cors", S3_VARIABLE)
        self.versions.append(f"moto {private.version}")
        return private

    def memcached(self) -> MemcachedServer:
        """The named memcached, or a private one with a login. Skips or fails the test without."""
        url = os.environ.get(MEMCACHED_VARIABLE)
        if url:
            named = MemcachedServer(url)
            self.versions.append(f"memcached {named.version} ({MEMCACHED_VARIABLE})")
            return named
        packages = "memcached and sasl2-bin"
        private = self._start("memcached", PrivateMemcached, packages, MEMCACHED_VARIABLE)
        self.versions.append(f"memcached {private.version}")
        return private

    def dumps(self) -> Path:
        """The folder with the server dumps. Skips the test when none is named: they are large,
        and not part of the project."""
        if self._dumps is None:
            self._skip("the server dumps", f"{DUMPS_VARIABLE} names no folder")
        if not self._dumps.is_dir():
            reason = f"{DUMPS_VARIABLE} names {self._dumps}, which is not a folder"
            pytest.fail(reason, pytrace=False)
        return self._dumps

    def install_missing(self, wanted: Set[str]) -> None:
        """Where we may, install what tests with the markers `wanted` need and is not there."""
        for marker, variable, package, find in INSTALLABLE:
            if marker in wanted and not os.environ.get(variable) and not have_programs(find):
                install(package, find)

    def _start(
        self, name: str, make: Callable[[], Service], package: str, variable: str
    ) -> Service:
        try:
            try:
                return make()
            except ServiceFailed:  # somebody else may have taken its port in between
                return make()
        except ServiceMissing as missing:
            reason = f"{missing}; install {package}, or set {variable} to the URL of a server"
        self._leave_out(name, reason)

    def _leave_out(self, name: str, reason: str) -> NoReturn:
        if self.in_ci:
            pytest.fail(f"no {name} for the tests: {reason}", pytrace=False)
        self._skip(name, reason)

    def _skip(self, name: str, reason: str) -> NoReturn:
        self.left_out[name] = reason
        pytest.skip(f"needs {name}: {reason}")


SERVICES = pytest.StashKey[Services]()
"""Where the run of pytest keeps them."""
