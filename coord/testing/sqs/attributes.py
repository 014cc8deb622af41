"""The attributes of a queue: which there are, what they may be, what a client reads.

Owns their checks, defaults and the spelling in which SQS returns them. Knows no messages.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from coord.testing.sqs.errors import SqsError, invalid_value

__all__ = ["HIDDEN_MAX_S", "MESSAGE_MAX_BYTES", "QueueAttributes", "Redrive", "check_names"]

HIDDEN_MAX_S = 43_200
MESSAGE_MAX_BYTES = 1_048_576

# Name: (lowest, highest, default).
_NUMBERS = {
    "DelaySeconds": (0, 900, 0),
    "MaximumMessageSize": (1024, MESSAGE_MAX_BYTES, MESSAGE_MAX_BYTES),
    "MessageRetentionPeriod": (60, 1_209_600, 345_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20, 0),
    "VisibilityTimeout": (0, HIDDEN_MAX_S, 30),
}
_FIFO_CHOICES = {
    "ContentBasedDeduplication": ("false", "true"),
    "DeduplicationScope": ("queue", "messageGroup"),
    "FifoThroughputLimit": ("perQueue", "perMessageGroupId"),
}
# Kept and returned, and without any effect here.
_KEPT = ("KmsDataKeyReusePeriodSeconds", "KmsMasterKeyId", "Policy", "SqsManagedSseEnabled")
_COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
)
_READ_ONLY = (*_COUNTS, "CreatedTimestamp", "LastModifiedTimestamp", "QueueArn")
_JSON = ("RedriveAllowPolicy", "RedrivePolicy")
_NAMES = {*_NUMBERS, *_FIFO_CHOICES, *_KEPT, *_READ_ONLY, *_JSON, "FifoQueue"}
_RECEIVES_MAX = 1000
_SOURCES_MAX = 10


@dataclass(frozen=True, slots=True)
class Redrive:
    """Where messages go that have been received too often."""

    target_arn: str
    receives_max: int


class QueueAttributes:
    """The attributes that a client has set on one queue, checked as they come in."""

    def __init__(self, *, fifo: bool) -> None:
        self.fifo = fifo
        self.redrive: Redrive | None = None
        self.delay_s = 0
        self.size_max = MESSAGE_MAX_BYTES
        self.retention_s = 0
        self.wait_s = 0
        self.visibility_s = 0
        self.content_based = False
        self.scope_is_group = False
        self._allow: Mapping[str, object] = {}
        self._values = {name: str(default) for name, (_, _, default) in _NUMBERS.items()}
        self._values["SqsManagedSseEnabled"] = "true"
        if fifo:
            self._values["FifoQueue"] = "true"
            self._values |= {name: choices[0] for name, choices in _FIFO_CHOICES.items()}
        self._read()

    def set(self, wanted: Mapping[str, str]) -> None:
        """Set attributes, all or none. An empty text removes a policy. Raises SqsError."""
        for name, value in wanted.items():
            self._check(name, value)
        redrive, allow = self.redrive, self._allow
        if "RedrivePolicy" in wanted:
            redrive = _redrive_of(wanted["RedrivePolicy"])
        if "RedriveAllowPolicy" in wanted:
            allow = _allowance_of(wanted["RedriveAllowPolicy"])
        self.redrive, self._allow = redrive, allow
        for name, value in wanted.items():
            if value == "" and (name in _JSON or name in _KEPT):
                self._values.pop(name, None)
            else:
                self._values[name] = value
        self._read()

    def difference(self, wanted: Mapping[str, str]) -> str | None:
        """The first attribute whose value is another than the one that is wanted."""
        for name, value in wanted.items():
            mine = self._values.get(name, "")
            same = _parsed(mine) == _parsed(value) if name in _JSON else mine == value
            if not same and not (name == "FifoQueue" and not self.fifo and value == "false"):
                return name
        return None

    def all(self) -> dict[str, str]:
        """What was set, and the defaults of what was not."""
        return dict(self._values)

    def lets_in(self, source_arn: str) -> bool:
        """Whether the queue of that ARN may take this one for its dead letters."""
        permission = self._allow.get("redrivePermission", "allowAll")
        arns = self._allow.get("sourceQueueArns")
        listed = isinstance(arns, list) and source_arn in arns
        return permission == "allowAll" or (permission == "byQueue" and listed)

    def _check(self, name: str, value: object) -> None:
        if name not in _NAMES or name in _READ_ONLY:
            raise SqsError("InvalidAttributeName", f"Unknown Attribute {name}.")
        if not isinstance(value, str):
            raise _bad_value(name)
        if name == "FifoQueue":
            if not self.fifo:
                raise SqsError("InvalidAttributeName", "Unknown Attribute FifoQueue.")
            if value != "true":
                raise _bad_value(name, " Reason: Modifying queue type is not supported.")
        if name in _NUMBERS:
            lowest, highest, _ = _NUMBERS[name]
            if not value.isdecimal() or not lowest <= int(value) <= highest:
                raise _bad_value(name)
        if name in _FIFO_CHOICES:
            if not self.fifo:
                raise SqsError("InvalidAttributeName", f"Unknown Attribute {name}.")
            if value not in _FIFO_CHOICES[name]:
                raise _bad_value(name)

    def _read(self) -> None:
        """Put what is needed for each message where it costs nothing to look up."""
        values = self._values
        self.delay_s = int(values["DelaySeconds"])
        self.size_max = int(values["MaximumMessageSize"])
        self.retention_s = int(values["MessageRetentionPeriod"])
        self.wait_s = int(values["ReceiveMessageWaitTimeSeconds"])
        self.visibility_s = int(values["VisibilityTimeout"])
        self.content_based = values.get("ContentBasedDeduplication") == "true"
        self.scope_is_group = values.get("DeduplicationScope") == "messageGroup"


def check_names(names: Iterable[str]) -> set[str]:
    """The attributes that a client asks for; everything for `All`. Raises SqsError."""
    asked = set(names)
    for name in names:
        if name != "All" and name not in _NAMES:
            raise SqsError("InvalidAttributeName", f"Unknown Attribute {name}.")
    return set(_NAMES) if "All" in asked else asked


def _redrive_of(text: str) -> Redrive | None:
    if not text:
        return None
    policy = _parsed(text)
    if not policy:
        return None
    target, receives = policy.get("deadLetterTargetArn"), policy.get("maxReceiveCount")
    if not isinstance(target, str) or target.count(":") != 5:  # noqa: PLR2004 (an ARN's parts)
        raise invalid_value(text, "RedrivePolicy", "Invalid value for deadLetterTargetArn.")
    number = int(str(receives)) if str(receives).isdecimal() else 0
    if not 1 <= number <= _RECEIVES_MAX:
        raise invalid_value(
            text,
            "RedrivePolicy",
            "Invalid value for maxReceiveCount: "
            f"{receives}, valid values are from 1 to {_RECEIVES_MAX} both inclusive.",
        )
    return Redrive(target, number)


def _allowance_of(text: str) -> Mapping[str, object]:
    policy = _parsed(text) if text else {}
    permission = policy.get("redrivePermission", "allowAll")
    arns = policy.get("sourceQueueArns", [])
    if permission not in {"allowAll", "denyAll", "byQueue"}:
        raise _bad_value("RedriveAllowPolicy")
    if not isinstance(arns, list) or len(arns) > _SOURCES_MAX:
        raise _bad_value("RedriveAllowPolicy")
    if bool(arns) != (permission == "byQueue"):
        raise _bad_value("RedriveAllowPolicy")
    return policy


def _parsed(text: str) -> dict[str, object]:
    """A policy; empty if the text is none. Raises SqsError if it is no JSON object."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise SqsError("InvalidAttributeValue", "A policy is not a JSON object.")
    if "maxReceiveCount" in found:
        found["maxReceiveCount"] = str(found["maxReceiveCount"])
    return found


def _bad_value(name: str, reason: str = "") -> SqsError:
    return SqsError("InvalidAttributeValue", f"Invalid value for the parameter {name}.{reason}")
