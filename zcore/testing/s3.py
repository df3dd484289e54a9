"""S3 for tests: a private server (moto's), or one that the environment names; new buckets."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import secrets
import socket
import sys
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from zcore.testing.processes import (
    Server,
    ServiceFailed,
    ServiceMissing,
    free_ports,
    private_folder,
)

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ("moto", "flask", "flask_cors")
REGION = "us-east-1"
MAY_USE_S3 = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
}


@dataclass(frozen=True)
class S3Account:
    """Where a server is, and a key to it."""

    endpoint_url: str
    access_key: str
    secret_key: str

    def client(self, service: str = "s3") -> Any:  # boto3 makes its classes as it runs
        """A client of boto3."""
        import boto3

        return boto3.session.Session().client(
            service,
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
        )


class S3Buckets:
    """The buckets for the files of one Zulip server, which no other test uses.

    `uploads`, `avatars` and `exports` are their names, `client` is one of boto3 to look into them.
    """

    def __init__(self, account: S3Account, client: Any) -> None:
        self.account = account
        self.client = client
        names = [f"zops-test-{secrets.token_hex(6)}-{kind}" for kind in ("u", "a", "e")]
        self.uploads, self.avatars, self.exports = names
        for name in names:
            self.client.create_bucket(Bucket=name)

    def keys(self, bucket: str) -> list[str]:
        """The keys of a bucket, in order."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [found["Key"] for page in pages for found in page.get("Contents", ())]

    def write_settings(self, path: Path, **changes: str) -> Path:
        """Write a `zops.toml` that names all this; `changes` are of `[files.s3]`, "" leaves out."""
        values = {
            "auth_uploads_bucket": self.uploads,
            "avatar_bucket": self.avatars,
            "export_bucket": self.exports,
            "endpoint_url": self.account.endpoint_url,
            "region": REGION,
            "access_key": self.account.access_key,
            "secret_key": self.account.secret_key,
            **changes,
        }
        lines = [f"{name} = {json.dumps(value)}" for name, value in values.items() if value]
        path.write_text("\n".join(["[files.s3]", *lines, ""]), "utf-8")
        return path

    def remove(self) -> None:
        """Delete the buckets and what is in them."""
        for bucket in (self.uploads, self.avatars, self.exports):
            for key in self.keys(bucket):
                self.client.delete_object(Bucket=bucket, Key=key)
            self.client.delete_bucket(Bucket=bucket)


class S3Server:
    """A server that somebody else runs: `https://KEY:SECRET@HOST`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        endpoint = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        key, secret = unquote(parts.username or ""), unquote(parts.password or "")
        self.account = S3Account(endpoint, key, secret)
        self._client: Any = None

    def new_buckets(self) -> S3Buckets:
        """Empty buckets for one test."""
        if self._client is None:  # made once: it takes longer than a test with it
            self._client = self.account.client()
        return S3Buckets(self.account, self._client)

    @property
    def version(self) -> str:
        """What the server calls itself; "" when that is not known."""
        return ""

    def stop(self) -> None:
        """Nothing to do: somebody else's server stays."""


class PrivateS3(S3Server):
    """A server of our own on 127.0.0.1 that keeps everything in memory, and looks at signatures.

    Raises `ServiceMissing` when moto is not installed, `ServiceFailed` when it will not run.
    """

    def __init__(self) -> None:
        if missing := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
            raise ServiceMissing(f"not installed: {', '.join(missing)}")
        (self._port,) = free_ports(1)
        super().__init__(f"http://anybody:anything@127.0.0.1:{self._port}")
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self._port)]
        self._server = Server(command, private_folder("s3"))
        try:
            self._server.wait_until(self._answers)
            self.account = self._only_account()
        except BaseException:
            self.stop()
            raise

    @property
    def version(self) -> str:
        """Of moto, such as "5.2.5"."""
        return version("moto")

    def stop(self) -> None:
        """End the server; what it kept is gone."""
        self._server.stop()

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def _only_account(self) -> S3Account:
        """Make an account that may use S3, and from then on refuse all others."""
        identities = self.account.client("iam")
        identities.create_user(UserName="zops")
        policy = json.dumps(MAY_USE_S3)
        identities.put_user_policy(UserName="zops", PolicyName="s3", PolicyDocument=policy)
        key = identities.create_access_key(UserName="zops")["AccessKey"]
        self._check_from_now_on()
        return S3Account(self.account.endpoint_url, key["AccessKeyId"], key["SecretAccessKey"])

    def _check_from_now_on(self) -> None:
        """Leave no more requests unchecked."""
        with contextlib.closing(HTTPConnection("127.0.0.1", self._port)) as connection:
            connection.request("POST", "/moto-api/reset-auth", b"0", {"Content-Type": "text/plain"})
            answer = connection.getresponse()
            if answer.status != HTTPStatus.OK:
                raise ServiceFailed(f"moto does not check signatures: {answer.read()!r}")
