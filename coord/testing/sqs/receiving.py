"""The call that receives: what a request asks for, and messages as it returns them.

Owns the translation between a ReceiveMessage request and a queue. Pure; who waits is the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coord.testing.sqs.attributes import HIDDEN_MAX_S
from coord.testing.sqs.message import Attributes, Message, attributes_md5, check_token
from coord.testing.sqs.params import Params, Reply, names, whole
from coord.testing.sqs.queue import Queue

__all__ = ["SENDER", "ReceiveOrder", "receive_order"]

SENDER = "AIDAFAKEFAKEFAKEFAKE1"
_NUMBER_MAX = 10
_WAIT_MAX_S = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveOrder:
    """A ReceiveMessage request. `system` and `user` name the attributes to be returned."""

    number: int
    wait_s: int
    visibility_s: int | None
    attempt: str | None
    system: frozenset[str]
    user: frozenset[str]

    def take(self, queue: Queue, now_s: float) -> Sequence[Message]:
        """The messages that the queue gives now. Raises SqsError."""
        return queue.receive(
            self.number,
            now_s,
            visibility_s=self.visibility_s,
            attempt=self.attempt,
            polls_long=self.wait_s > 0,
        )

    def render(self, messages: Sequence[Message], epoch_s: float) -> Reply:
        """The reply that carries these messages."""
        return {"Messages": [self._one(message, epoch_s) for message in messages]}

    def _one(self, message: Message, epoch_s: float) -> Reply:
        content = message.content
        shown: Reply = {
            "MessageId": message.id,
            "ReceiptHandle": message.receipt,
            "MD5OfBody": content.md5,
            "Body": content.body,
        }
        if self.system:
            values = _system_of(message, epoch_s)
            if "All" not in self.system:
                values = {name: value for name, value in values.items() if name in self.system}
            shown["Attributes"] = values
        if self.user and content.attributes:
            wanted = self._wanted(content.attributes)
            if wanted:
                whole_set = len(wanted) == len(content.attributes)
                shown["MessageAttributes"] = wanted
                shown["MD5OfMessageAttributes"] = (
                    content.attributes_md5 if whole_set else attributes_md5(wanted)
                )
        return shown

    def _wanted(self, attributes: Attributes) -> Attributes:
        if "All" in self.user or ".*" in self.user:
            return attributes
        prefixes = tuple(name[:-2] for name in self.user if name.endswith(".*"))
        return {
            name: value
            for name, value in attributes.items()
            if name in self.user or (prefixes and name.startswith(prefixes))
        }


def receive_order(queue: Queue, params: Params) -> ReceiveOrder:
    """What a request asks of the queue. Raises SqsError."""
    number = whole(
        params,
        "MaxNumberOfMessages",
        f"Must be between 1 and {_NUMBER_MAX}, if provided.",
        lowest=1,
        highest=_NUMBER_MAX,
    )
    wait_s = whole(
        params,
        "WaitTimeSeconds",
        f"Must be >= 0 and <= {_WAIT_MAX_S}, if provided.",
        lowest=0,
        highest=_WAIT_MAX_S,
    )
    visibility_s = whole(
        params,
        "VisibilityTimeout",
        f"Must be between 0 and {HIDDEN_MAX_S}, if provided.",
        lowest=0,
        highest=HIDDEN_MAX_S,
    )
    attempt = params.get("ReceiveRequestAttemptId")
    if attempt is not None:
        check_token(attempt, "ReceiveRequestAttemptId")
    asked = [*names(params, "AttributeNames"), *names(params, "MessageSystemAttributeNames")]
    return ReceiveOrder(
        number=1 if number is None else number,
        wait_s=queue.attributes.wait_s if wait_s is None else wait_s,
        visibility_s=visibility_s,
        attempt=attempt,
        system=frozenset(asked),
        user=frozenset(names(params, "MessageAttributeNames")),
    )


def _system_of(message: Message, epoch_s: float) -> dict[str, str]:
    first_s = message.first_received_s or 0.0
    found = {
        "SenderId": SENDER,
        "SentTimestamp": str(int((epoch_s + message.sent_s) * 1000)),
        "ApproximateReceiveCount": str(message.receives),
        "ApproximateFirstReceiveTimestamp": str(int((epoch_s + first_s) * 1000)),
    }
    optional = {
        "MessageGroupId": message.group,
        "MessageDeduplicationId": message.deduplication,
        "SequenceNumber": message.sequence,
        "AWSTraceHeader": message.content.trace,
        "DeadLetterQueueSourceArn": message.source_arn,
    }
    found.update({name: value for name, value in optional.items() if value is not None})
    return found
