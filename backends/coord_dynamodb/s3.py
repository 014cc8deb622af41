"""`S3Fence`: an object that a superseded leader cannot overwrite.

Owns what is kept in the object's metadata, and the order of steps. The comparison is
`coord.fencing`'s. Knows no session, no store and no clock: `term.check()` knows the time.

The object carries the stamp of who wrote it last, and S3 compares ETags: a write is sent on the
condition that the object is still the one whose stamp was read (`If-Match`), or that there is none
(`If-None-Match: *`). So comparing and writing are one atomic step. Each write has a nonce in its
metadata: boto3 repeats requests whose answer was lost, and then an applied write looks refused
(`test_a_write_whose_answer_was_lost_is_recognised`).
"""

from __future__ import annotations

import json
import random
import secrets
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple, Protocol

from coord.errors import ConfigError, StoreConflict, UsageError
from coord.fencing import Fenceable, Stamp, checked_stamp, judge, refusal
from coord.model import ClaimKey

__all__ = ["FencedObject", "S3Fence"]

_METADATA = "coord-fence"
_TRIES = 6
_WAIT_S = 0.05


class _Client(Protocol):
    """What we use of `boto3.client("s3")`."""

    def head_object(self, **asked: Any) -> Any:  # noqa: ANN401
        """An object's metadata."""
        ...

    def get_object(self, **asked: Any) -> Any:  # noqa: ANN401
        """An object."""
        ...

    def put_object(self, **asked: Any) -> Any:  # noqa: ANN401
        """Write an object."""
        ...


class _Seen(NamedTuple):
    """The object as it was read: None where there is none, or it has no stamp."""

    etag: str | None
    key: ClaimKey | None
    token: int
    nonce: str


class FencedObject:
    """The object, as one act reads and writes it. Nothing is written before the block ends."""

    def __init__(self, fence: S3Fence) -> None:
        self._fence = fence
        self.written: dict[str, Any] | None = None

    def read(self) -> bytes | None:
        """The object's content, None if there is none. After this, the write is refused with
        StoreConflict if anybody else, even of an older term, has written in between.
        """
        return self._fence._read()  # noqa: SLF001  one thing in two classes

    def write(self, body: bytes, **asked: Any) -> None:  # noqa: ANN401
        """Write this content when the block ends; more arguments as for boto3's `put_object`."""
        self.written = {**asked, "Body": body}


class S3Fence:
    """One write of one S3 object, refused if a newer leader has written it before.

        with S3Fence(term, boto3.client("s3"), bucket="state", key="compactor/7.json") as stored:
            before = stored.read()
            stored.write(after(before))

    When the block ends without an error, what `write` was given is written, if the object's last
    writer was of no newer generation, and of no newer token of the same seat; nothing is written if
    the block raises. Costs a HEAD (or the GET of `read`) and a PUT.

    What it does not do: each object has a register of its own, so a superseded leader passes at an
    object that its successor has not written yet. An object belongs to one seat of one shard in
    each generation: give seats objects of their own. Objects must not be deleted, nor written past
    the fence: both lose the stamp. (Write an empty body instead of deleting.)

    It raises, and nothing is written:

    - `Fenced`: somebody newer has written.
    - `StoreConflict`: the object has changed since `read`.
    - `LeadershipLost`: `term.check()` refused, at the beginning or just before sending.
    - `ConfigError`, `UsageError`: the object is another seat's, or the block is used wrongly.
    - botocore's errors, as they come. After a timeout the outcome is unknown.
    """

    def __init__(self, term: Fenceable, client: _Client, *, bucket: str, key: str) -> None:
        self._term = term
        self._client = client
        self._where = {"Bucket": bucket, "Key": key}
        self._name = f"s3://{bucket}/{key}"
        self._stamp = checked_stamp(term)
        self._object: FencedObject | None = None
        self._basis: _Seen | None = None

    def __enter__(self) -> FencedObject:
        """Check the term; hand out the object."""
        if self._object is not None:
            raise UsageError("this S3Fence is in use", cure="Make one for each act.")
        self._term.check()
        self._object = FencedObject(self)
        self._basis = None
        return self._object

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write if the block ended well and the term still stands."""
        handle, self._object = self._object, None
        if handle is None:
            raise UsageError("this S3Fence was not entered", cure="Use it in a with block.")
        if error is None and handle.written is not None:
            self._write(handle.written)

    def _read(self) -> bytes | None:
        try:
            found = self._client.get_object(**self._where)
        except Exception as error:
            if not _missing(error):
                raise
            self._basis = _Seen(None, None, 0, "")
            return None
        self._basis = _seen(found)
        self._judge(self._basis)
        body: bytes = found["Body"].read()
        return body

    def _write(self, asked: dict[str, Any]) -> None:
        basis, nonce = self._basis, secrets.token_hex(8)
        told = {**asked.pop("Metadata", {}), _METADATA: self._text(nonce)}
        for turn in range(_TRIES):
            seen = basis or self._head()
            self._judge(seen)
            self._term.check()
            condition = {"IfMatch": seen.etag} if seen.etag else {"IfNoneMatch": "*"}
            try:
                self._client.put_object(**self._where, **asked, **condition, Metadata=told)
                return
            except Exception as error:
                if not _refused(error):
                    raise
            now = self._head()
            if now.nonce == nonce:
                return  # ours: the answer of an earlier try got lost
            self._judge(now)
            if basis is not None and now.etag != basis.etag:
                break
            time.sleep(random.uniform(0.0, _WAIT_S * (turn + 1)))
        raise StoreConflict(
            f"{self._name} was written by somebody else meanwhile; nothing was written",
            cure="Read it again and decide anew.",
        )

    def _head(self) -> _Seen:
        try:
            return _seen(self._client.head_object(**self._where))
        except Exception as error:
            if not _missing(error):
                raise
            return _Seen(None, None, 0, "")

    def _judge(self, seen: _Seen) -> None:
        """Raise Fenced for a newer stamp, ConfigError for another seat's of our generation."""
        key = self._term.key
        if seen.key is None:
            return
        same = seen.key == key
        if seen.key.role != key.role or (seen.key.generation == key.generation and not same):
            raise ConfigError(
                f"{self._name} is guarded for {seen.key}, and {key} cannot write it",
                cure="Give each shard and seat of each role an object of its own.",
            )
        stamp = Stamp(seen.key.generation, seen.token)
        verdict = judge(self._stamp, seen=stamp)
        if verdict.refused:
            raise refusal(key, self._stamp, verdict, stamp, by=self._name)

    def _text(self, nonce: str) -> str:
        return json.dumps([*self._term.key, self._stamp.token, nonce], separators=(",", ":"))


def _seen(found: Mapping[str, Any]) -> _Seen:
    text = found.get("Metadata", {}).get(_METADATA)
    if text is None:
        return _Seen(found["ETag"], None, 0, "")
    try:
        role, generation, shard, seat, token, nonce = json.loads(text)[:6]
        key = ClaimKey(str(role), int(generation), int(shard), int(seat))
        return _Seen(found["ETag"], key, int(token), str(nonce))
    except (ValueError, TypeError):
        raise ConfigError(
            f"the metadata {_METADATA} of an object cannot be read",
            cure="Leave it to S3Fence; nothing was written.",
        ) from None


def _code(error: Exception) -> str:
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))


def _missing(error: Exception) -> bool:
    return _code(error) in {"404", "NoSuchKey", "NotFound"}


def _refused(error: Exception) -> bool:
    """The condition was not met, or another conditional write was under way."""
    codes = {"412", "PreconditionFailed", "409", "ConditionalRequestConflict"}
    return _code(error) in codes or _missing(error)
