"""One message: what it says, where it stands, and the checksums that clients verify.

Owns what a message may contain, its size and its MD5s. Knows no queue and no clock.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from struct import pack
from typing import Any

from coord.testing.sqs.errors import SqsError

__all__ = [
    "Attributes",
    "Content",
    "Message",
    "State",
    "attributes_md5",
    "check_token",
    "content_of",
    "new_id",
    "text_md5",
]

Attributes = Mapping[str, Mapping[str, Any]]

_ATTRIBUTES_MAX = 10
_NAME_MAX = 256
_NAME = re.compile(r"[A-Za-z0-9_\-.]+")
_RESERVED = ("aws.", "amazon.")
_TOKEN = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}")
# What XML 1.0 leaves out; lone surrogates cannot be encoded at all.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_TEXT, _BINARY = 1, 2


class State(IntEnum):
    """Where a message stands; the number is its place in a queue's counts."""

    DELAYED = 0
    READY = 1
    IN_FLIGHT = 2
    GONE = 3


@dataclass(slots=True, frozen=True)
class Content:
    """What a sender said, checked."""

    body: str
    md5: str
    attributes: Attributes
    attributes_md5: str | None
    trace: str | None
    size: int


@dataclass(slots=True, eq=False)
class Message:
    """A message in one queue. `stamp` changes whenever it changes its place, which makes the
    entries of heaps and deques that still name its old place void.
    """

    id: str
    content: Content
    sent_s: float
    number: int
    group: str | None = None
    deduplication: str | None = None
    sequence: str | None = None
    source_arn: str | None = None
    receives: int = 0
    first_received_s: float | None = None
    received_s: float = 0.0
    receipt: str | None = None
    twin: str | None = None  # another valid receipt, of a message that is delivered twice
    stamp: int = 0
    state: State = field(default=State.READY)


def new_id() -> str:
    """A random UUID, made from the generator that a seed controls."""
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def text_md5(text: str) -> str:
    """The checksum of a body."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def content_of(entry: Mapping[str, Any]) -> Content:
    """The content that a request (or an entry of a batch) carries. Raises SqsError."""
    body = entry.get("MessageBody")
    if not isinstance(body, str):
        raise SqsError("MissingParameter", "The request must contain the parameter MessageBody.")
    if not body:
        raise SqsError(
            "InvalidParameterValue",
            "One or more parameters are invalid. Reason: Message must have a body.",
        )
    if _FORBIDDEN.search(body):
        raise SqsError(
            "InvalidMessageContents",
            "Invalid characters found. Valid unicode characters are "
            "#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
        )
    encoded = body.encode()
    attributes: Attributes = entry.get("MessageAttributes") or {}
    system: Attributes = entry.get("MessageSystemAttributes") or {}
    return Content(
        body=body,
        md5=hashlib.md5(encoded, usedforsecurity=False).hexdigest(),
        attributes=attributes,
        attributes_md5=attributes_md5(attributes) if attributes else None,
        trace=(system.get("AWSTraceHeader") or {}).get("StringValue"),
        size=len(encoded) + (_size(attributes) if attributes else 0),
    )


def check_token(value: object, parameter: str) -> str:
    """A group, deduplication or attempt id as SQS takes it. Raises SqsError."""
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise SqsError(
            "InvalidParameterValue",
            f"Value {value} for parameter {parameter} is invalid. Reason: {parameter} can only "
            "include alphanumeric and punctuation characters. 1 to 128 in length.",
        )
    return value


def attributes_md5(attributes: Attributes) -> str:
    """The checksum of message attributes, which boto3 verifies. Raises SqsError if one is bad."""
    if len(attributes) > _ATTRIBUTES_MAX:
        raise _bad(f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum")
    digest = hashlib.md5(usedforsecurity=False)
    for name in sorted(attributes):
        kind, mark, value = _checked(name, attributes[name])
        for part in (name.encode(), kind.encode()):
            digest.update(pack("!I", len(part)) + part)
        digest.update(bytes([mark]) + pack("!I", len(value)) + value)
    return digest.hexdigest()


def _size(attributes: Attributes) -> int:
    total = 0
    for name, attribute in attributes.items():
        kind, _, value = _checked(name, attribute)
        total += len(name.encode()) + len(kind.encode()) + len(value)
    return total


def _checked(name: str, attribute: Mapping[str, Any]) -> tuple[str, int, bytes]:
    """An attribute's type, the mark of its transport and its bytes."""
    _check_name(name)
    kind = attribute.get("DataType")
    base = kind.split(".", 1)[0] if isinstance(kind, str) else ""
    if not isinstance(kind, str) or base not in {"String", "Number", "Binary"}:
        raise _bad(
            f"The type of message (user) attribute '{name}' is invalid. You must use only the "
            "following supported type prefixes: Binary, Number, String."
        )
    if base == "Binary":
        value = _decoded(name, attribute.get("BinaryValue"))
        mark = _BINARY
    else:
        value = str(attribute.get("StringValue") or "").encode()
        mark = _TEXT
    if not value:
        raise _bad(
            f"Message (user) attribute '{name}' must contain a non-empty value of type '{base}'."
        )
    if base == "Number":
        _check_number(name, value)
    return kind, mark, value


def _check_name(name: str) -> None:
    if not name or len(name) > _NAME_MAX or not _NAME.fullmatch(name):
        raise _bad(
            f"Message (user) attribute name '{name}' is invalid. It can contain alphanumeric "
            "characters, hyphens, underscores and periods, 1 to 256 in length."
        )
    if name.lower().startswith(_RESERVED) or name[0] == "." or name[-1] == "." or ".." in name:
        raise _bad(f"Message (user) attribute name '{name}' is reserved or has periods in a row.")


def _check_number(name: str, value: bytes) -> None:
    try:
        float(value)
    except ValueError:
        raise _bad(
            f"Can't cast the value of message (user) attribute '{name}' to a number."
        ) from None


def _decoded(name: str, value: object) -> bytes:
    try:
        return base64.b64decode(str(value or ""), validate=True)
    except (binascii.Error, ValueError):
        raise _bad(f"The value of message (user) attribute '{name}' is not Base64.") from None


def _bad(reason: str) -> SqsError:
    return SqsError("InvalidParameterValue", reason)
