"""What boto3 raises, as errors of zops: one line with what failed and why, and no secret in it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore import exceptions as boto

from zcore import Failed, Refused, Unreachable, ZopsError
from zcore.text import describe, mask_passwords, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_THERE = ("NoSuchKey", "404")  # the latter when the question allows no text in the answer
NO_BUCKET = "NoSuchBucket"
BUCKET_HINT = "'zops settings' shows which buckets, endpoint and region are set"
KEY_HINT = "check files.s3.access_key and files.s3.secret_key, and what the key may do"
NO_KEY_HINT = "give files.s3.access_key and files.s3.secret_key, or the machine a role"
BROKEN_CONNECTION = (boto.ConnectionError, boto.HTTPClientError, boto.IncompleteReadError)


@contextmanager
def explained(client: Any, failure: str) -> Iterator[None]:
    """What boto3 raises inside becomes an error of zops that begins with `failure`.

    That an object is not there becomes `FileNotFoundError`, an answer that says no and a
    connection that cannot be had `Unreachable`, missing keys `Refused`, all else `Failed`.
    """
    try:
        yield
    except boto.ClientError as error:
        raise _said_no(error, failure) from error
    except (boto.NoCredentialsError, boto.PartialCredentialsError) as error:
        message = f"{failure}: there is no key to the object store"
        raise Refused(message, hint=NO_KEY_HINT, code="no-credentials") from error
    except BROKEN_CONNECTION as error:
        place = mask_passwords(client.meta.endpoint_url)
        raise Unreachable(f"{failure}: no connection to {place}: {_reason(error)}") from error
    except boto.BotoCoreError as error:
        raise Failed(f"{failure}: {mask_passwords(describe(error))}") from error


def _said_no(error: boto.ClientError, failure: str) -> ZopsError | FileNotFoundError:
    said = error.response.get("Error", {})
    code, status = str(said.get("Code", "")), _status(error)
    if code in NOT_THERE:
        return FileNotFoundError(failure)
    if code == NO_BUCKET:
        return Unreachable(f"{failure}: there is no such bucket", hint=BUCKET_HINT)
    reason = mask_passwords(one_line(f"{code}: {said.get('Message', '')}").rstrip(": "))
    return Unreachable(f"{failure}: {reason}", hint=KEY_HINT if status in (401, 403) else "")


def _status(error: boto.ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _reason(error: BaseException) -> str:
    """What the system said at the root of a broken connection; otherwise what the error says."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return one_line(cause.strerror)
        cause = cause.__cause__ or cause.__context__
    return mask_passwords(describe(error))
