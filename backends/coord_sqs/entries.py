"""Messages as SQS spells them, and what it takes.

Owns the translation of messages, seconds and attributes. Asks nothing.
"""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from coord.errors import ConfigError, InternalError
from coord.tasks.queue.spi import Message, Outgoing, QueueLimits, checked_outgoing, size_of

__all__ = ["ATTRIBUTES", "BATCH", "Settings", "batches", "checked", "entry", "message", "settings"]

BATCH = 10
ATTRIBUTES = ["ApproximateReceiveCount", "MessageGroupId", "SentTimestamp"]
"""What is asked of each message that is received."""

_MAX_WAIT_S = 20.0
_MAX_HIDDEN_S = 43_200.0
_MAX_DELAY_S = 900.0
_LEAST_BATCH_BYTES = 262_144
_MAX_BYTES = 1_048_576
_MOST_ATTRIBUTES = 10
# What XML 1.0 leaves out.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TOKEN = re.compile(r"[!-~]{1,128}")
_NAME = re.compile(r"(?!\.|aws\.|amazon\.)(?!.*\.\.)[a-z0-9_.-]{1,256}(?<!\.)", re.IGNORECASE)


class Settings(NamedTuple):
    """A queue as it was found. `dead`: the ARN of its dead-letter queue."""

    url: str
    arn: str
    limits: QueueLimits
    dead: str | None


def settings(url: str, attributes: Mapping[str, str]) -> Settings:
    """What the attributes of a queue say."""
    ordered = attributes.get("FifoQueue") == "true"
    policy: dict[str, Any] = json.loads(attributes.get("RedrivePolicy") or "{}")
    limits = QueueLimits(
        kind="sqs",
        batch_size=BATCH,
        max_wait_s=_MAX_WAIT_S,
        max_hidden_s=_MAX_HIDDEN_S,
        max_delay_s=0.0 if ordered else _MAX_DELAY_S,
        max_body_bytes=int(attributes.get("MaximumMessageSize", _MAX_BYTES)),
        ordered=ordered,
        max_receives=int(policy["maxReceiveCount"]) if policy else None,
        min_hidden_s=1.0,
    )
    return Settings(url, attributes["QueueArn"], limits, policy.get("deadLetterTargetArn"))


def checked(outgoing: Outgoing, limits: QueueLimits) -> None:
    """Raise ConfigError for what SQS takes never."""
    checked_outgoing(outgoing, limits)
    if not outgoing.body:
        raise ConfigError("a message without a body", cure="SQS wants one character at least.")
    named = outgoing.attributes
    for text in (outgoing.body, *named.values()):
        if found := _FORBIDDEN.search(text):
            raise ConfigError(
                f"a message with the character U+{ord(found[0]):04X}, which SQS does not take",
                cure="Escape it, as JSON does, or encode binary data, for instance with base64.",
            )
    if len(named) > _MOST_ATTRIBUTES:
        raise ConfigError(
            f"a message with {len(named)} attributes",
            cure=f"SQS takes {_MOST_ATTRIBUTES}: put the rest into the body.",
        )
    for name, value in named.items():
        if not _NAME.fullmatch(name) or not value:
            raise ConfigError(
                f"a message with the attribute {name!r}" + ("" if value else ", which is empty"),
                cure="A name is up to 256 of A-Z a-z 0-9 _ - and ., does not begin with AWS. or "
                "Amazon., and has no dot at its ends or after another; a value is not empty.",
            )
    for what, text in (("group", outgoing.group), ("dedup", outgoing.dedup)):
        if text and not _TOKEN.fullmatch(text):
            raise ConfigError(
                f"{what}={text!r}",
                cure="SQS takes 1 to 128 printable characters of ASCII, and no spaces.",
            )


def batches(messages: Sequence[Outgoing], limits: QueueLimits) -> list[list[int]]:
    """The places of messages that fit into one request: by number, and by bytes.

    A batch may have 256 KiB everywhere, and 1 MiB where messages may.
    """
    most = max(_LEAST_BATCH_BYTES, limits.max_body_bytes)
    found: list[list[int]] = []
    room = 0
    for place, outgoing in enumerate(messages):
        size = size_of(outgoing)
        if not found or size > room or len(found[-1]) == BATCH:
            found.append([])
            room = most
        found[-1].append(place)
        room -= size
    return found


def entry(number: int, outgoing: Outgoing, *, ordered: bool) -> dict[str, Any]:
    """One entry of SendMessageBatch.

    On a FIFO queue each message has a name against sending it twice, one of its own if need be:
    SQS would take its body for one, and drop others that say the same.
    """
    made: dict[str, Any] = {"Id": str(number), "MessageBody": outgoing.body}
    if outgoing.delay_s:
        made["DelaySeconds"] = math.ceil(outgoing.delay_s)
    if outgoing.attributes:
        made["MessageAttributes"] = {
            name: {"DataType": "String", "StringValue": value}
            for name, value in outgoing.attributes.items()
        }
    if outgoing.group:
        made["MessageGroupId"] = outgoing.group
    if ordered:
        made["MessageDeduplicationId"] = outgoing.dedup or secrets.token_hex(16)
    return made


def message(found: Mapping[str, Any]) -> Message:
    """A message as it was received. Binary attributes, which nobody here sends, are left out."""
    system: Mapping[str, str] = found.get("Attributes") or {}
    named: Mapping[str, Mapping[str, Any]] = found.get("MessageAttributes") or {}
    try:
        return Message(
            id=found["MessageId"],
            receipt=found["ReceiptHandle"],
            body=found.get("Body") or "",
            received=int(system.get("ApproximateReceiveCount") or 1),
            attributes={
                name: str(value["StringValue"])
                for name, value in named.items()
                if value.get("StringValue") is not None
            },
            group=system.get("MessageGroupId") or "",
            sent_at_s=int(system.get("SentTimestamp") or 0) / 1000,
        )
    except (KeyError, ValueError) as error:
        raise InternalError(f"SQS delivered what is no message: {error!r}") from error
