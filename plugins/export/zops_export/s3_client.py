"""The connection to an object store, as the settings `[files.s3]` describe it."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from zcore import Refused
from zcore.text import mask_passwords, one_line

if TYPE_CHECKING:
    from zcore.settings import Settings

SECONDS_TO_CONNECT = 10
SECONDS_WITHOUT_DATA = 60
ATTEMPTS = 5  # with random pauses of up to 1, 2, 4 and 8 seconds between them
CONNECTIONS = 64  # as many threads can work at once


def connect(settings: Settings) -> Any:  # boto3 makes its classes as it runs
    """A client for S3, which several threads may share. Nothing is sent yet.

    Without keys in the settings it finds them where every AWS program does: environment, `~/.aws`,
    the machine's role. Raises `Refused` when the settings do not fit together.
    """
    if (settings.s3_access_key is None) != (settings.s3_secret_key is None):
        raise Refused(
            "of files.s3.access_key and files.s3.secret_key only one is given",
            hint="give both, or none to use the machine's own role",
            code="bad-setting",
        )
    endpoint = settings.s3_endpoint_url
    try:
        client = boto3.session.Session().client(
            "s3",
            endpoint_url=endpoint,
            region_name=settings.s3_region,
            aws_access_key_id=settings.s3_access_key,
            aws_secret_access_key=settings.s3_secret_key,
            config=_config(settings),
        )
    except (BotoCoreError, ValueError) as error:
        reason = mask_passwords(one_line(error))
        raise Refused(
            f"the settings files.s3 cannot be used: {reason}", code="bad-setting"
        ) from error
    if endpoint is not None:
        client.meta.events.register("before-sign.s3.DeleteObjects", _add_md5)
    return client


def _config(settings: Settings) -> Config:
    # Other stores than Amazon's do not all know the checksums that newer clients add, nor have
    # they all a host name for each bucket.
    amazon = settings.s3_endpoint_url is None
    checksums = "when_supported" if amazon else "when_required"
    style = settings.s3_addressing_style or ("auto" if amazon else "path")
    timeout = settings.s3_timeout or SECONDS_WITHOUT_DATA
    return Config(
        connect_timeout=min(timeout, SECONDS_TO_CONNECT),
        read_timeout=timeout,
        retries={"mode": "standard", "total_max_attempts": settings.s3_attempts or ATTEMPTS},
        max_pool_connections=CONNECTIONS,
        tcp_keepalive=True,
        signature_version="s3v4",  # of the addresses that are handed out, too
        request_checksum_calculation=checksums,
        response_checksum_validation=checksums,
        s3={"addressing_style": style},
    )


def _add_md5(request: Any, **_event: object) -> None:
    """The older checksum of a deletion, without which some stores refuse it."""
    digest = hashlib.md5(request.body, usedforsecurity=False).digest()
    request.headers["Content-MD5"] = base64.b64encode(digest).decode("ascii")
