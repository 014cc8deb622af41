"""All queues of one account and region: made, found, configured, deleted, wired to each other.

Owns the names and what concerns more than one queue: dead letters, moving them back, ages of
deleted names. Pure like a queue: times come from outside.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping

from coord.testing.sqs.attributes import QueueAttributes, check_names
from coord.testing.sqs.errors import SqsError, invalid_value, missing, no_queue
from coord.testing.sqs.message import Message, State
from coord.testing.sqs.mischief import Mischief
from coord.testing.sqs.moves import Moves
from coord.testing.sqs.queue import IN_FLIGHT_MAX, Queue

__all__ = ["ACCOUNT", "RECREATE_AFTER_S", "REGION", "Service"]

ACCOUNT = "123456789012"
REGION = "us-east-1"
RECREATE_AFTER_S = 60.0
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_FIFO_NAME = re.compile(r"[A-Za-z0-9_-]{1,75}\.fifo")
_TAGS_MAX = 50


class Service:
    """The queues. `epoch_s` is the wall time at which the clock of all other times shows zero."""

    def __init__(
        self,
        *,
        region: str = REGION,
        epoch_s: float = 0.0,
        in_flight_max: int = IN_FLIGHT_MAX,
        recreate_after_s: float = RECREATE_AFTER_S,
    ) -> None:
        self.region = region
        self.epoch_s = epoch_s
        self.queues: dict[str, Queue] = {}
        self.filled: Callable[[Queue], None] = lambda _queue: None  # told of messages by other ways
        self.moves = Moves(self.by_arn, self.sources_of)
        self._in_flight_max = in_flight_max
        self._recreate_after_s = recreate_after_s
        self._deleted: dict[str, float] = {}
        self._mischief = Mischief()

    def find(self, url: object, now_s: float) -> Queue:
        """The queue of that URL (or name), as it stands now. Raises SqsError."""
        if not isinstance(url, str) or not url:
            raise missing("QueueUrl")
        *front, name = url.rsplit("/", 2)
        queue = self.queues.get(name)
        if queue is None or (front and front[-1] != ACCOUNT):
            raise no_queue()
        queue.settle(now_s)
        return queue

    def by_arn(self, arn: str) -> Queue | None:
        """The queue of that ARN."""
        name = arn.rpartition(":")[2]
        return self.queues.get(name) if arn == self._arn(name) else None

    def create(
        self, name: object, wanted: Mapping[str, str], tags: Mapping[str, str], now_s: float
    ) -> Queue:
        """Make a queue, or find the one that has this name and these attributes."""
        if not isinstance(name, str) or not name:
            raise missing("QueueName")
        known = self.queues.get(name)
        if known is not None:
            other = known.attributes.difference(wanted)
            if other is not None:
                raise SqsError(
                    "QueueAlreadyExists",
                    "A queue already exists with the same name and a different value for "
                    f"attribute {other}",
                )
            return known
        fifo = wanted.get("FifoQueue") == "true"
        if not (_FIFO_NAME if fifo else _NAME).fullmatch(name):
            raise SqsError("InvalidParameterValue", _bad_name(fifo=fifo))
        if now_s < self._deleted.get(name, -self._recreate_after_s) + self._recreate_after_s:
            raise SqsError(
                "QueueDeletedRecently",
                "You must wait 60 seconds after deleting a queue before you can create another "
                "with the same name.",
            )
        attributes = QueueAttributes(fifo=fifo)
        self._check_redrive(attributes, wanted, self._arn(name))
        queue = Queue(name, self._arn(name), attributes, created_s=now_s)
        queue.tags.update(tags)
        queue.in_flight_max = self._in_flight_max
        queue.bury = lambda message, at_s: self._bury(queue, message, at_s)
        self.queues[name] = queue
        self._mischief.infect(queue)
        return queue

    def delete(self, queue: Queue, now_s: float) -> None:
        """Forget a queue with all its messages; its name is not free for a while."""
        del self.queues[queue.name]
        self._deleted[queue.name] = now_s

    def set_attributes(self, queue: Queue, wanted: Mapping[str, str], now_s: float) -> None:
        """Change attributes, at once."""
        if not wanted:
            raise missing("Attributes")
        if wanted.get("FifoQueue") == "false":
            raise SqsError(
                "InvalidAttributeValue",
                "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not "
                "supported.",
            )
        self._check_redrive(queue.attributes, wanted, queue.arn)
        queue.changed_s = now_s
        queue.settle(now_s)

    def read_attributes(self, queue: Queue, names: Iterable[str]) -> dict[str, str]:
        """The attributes that are asked for, counts among them, exact ones."""
        asked = check_names(names)
        everything = {
            **queue.attributes.all(),
            "QueueArn": queue.arn,
            "CreatedTimestamp": str(int(self.epoch_s + queue.created_s)),
            "LastModifiedTimestamp": str(int(self.epoch_s + queue.changed_s)),
            "ApproximateNumberOfMessages": str(queue.count(State.READY)),
            "ApproximateNumberOfMessagesDelayed": str(queue.count(State.DELAYED)),
            "ApproximateNumberOfMessagesNotVisible": str(queue.count(State.IN_FLIGHT)),
        }
        return {name: value for name, value in everything.items() if name in asked}

    def sources_of(self, queue: Queue) -> list[Queue]:
        """The queues whose dead letters go to this one."""
        return [
            source
            for source in self.queues.values()
            if source.attributes.redrive and source.attributes.redrive.target_arn == queue.arn
        ]

    def tag(self, queue: Queue, tags: Mapping[str, str]) -> None:
        """Add tags to a queue."""
        if not tags:
            raise missing("Tags")
        if len({*queue.tags, *tags}) > _TAGS_MAX:
            raise SqsError("InvalidParameterValue", f"Too many tags added for queue {queue.name}.")
        queue.tags.update(tags)

    def misbehave(self, mischief: Mischief) -> None:
        """From now on all queues deliver as badly as `mischief` says."""
        self._mischief = mischief
        for queue in self.queues.values():
            mischief.infect(queue)

    def _arn(self, name: str) -> str:
        return f"arn:aws:sqs:{self.region}:{ACCOUNT}:{name}"

    def _check_redrive(
        self, attributes: QueueAttributes, wanted: Mapping[str, str], arn: str
    ) -> None:
        """Set attributes whose dead-letter queue exists, is of the same kind and lets us in."""
        trial = QueueAttributes(fifo=attributes.fifo)
        trial.set(wanted)
        if trial.redrive is not None:
            target = self.by_arn(trial.redrive.target_arn)
            reason = None
            if target is None:
                reason = "Dead letter target does not exist."
            elif target.fifo != attributes.fifo:
                reason = "Dead-letter queue must be same type of queue as the source."
            elif not target.attributes.lets_in(arn):
                reason = "Dead-letter queue does not allow this queue as a source."
            if reason:
                shown = json.dumps(json.loads(wanted["RedrivePolicy"]))
                raise invalid_value(shown, "RedrivePolicy", reason)
        attributes.set(wanted)

    def _bury(self, queue: Queue, message: Message, now_s: float) -> bool:
        redrive = queue.attributes.redrive
        target = self.by_arn(redrive.target_arn) if redrive else None
        if target is None or target is queue:
            return False
        target.settle(now_s)
        target.accept(message, now_s, source_arn=queue.arn)
        self.filled(target)
        return True


def _bad_name(*, fifo: bool) -> str:
    if fifo:
        return "The name of a FIFO queue can only include alphanumeric characters, hyphens, or \
underscores, must end with .fifo suffix and be 1 to 80 in length."
    return "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
