"""Items of the queue: what a message of the demo carries, and under what it is acted.

Owns the wire form and the claim of an item, for the feed that sends and the worker that handles.
Runs nothing.

A message in hand has a token: the count of its deliveries, which grows whenever the queue gives it
to somebody, and the scope in which that counts is the message. `SqlFence` compares tokens within a
`ClaimKey`, so each message needs one of its own: (the queue's role, 1, partition, number), where
the number is the sender's, one for each message of a partition. So a handler that comes late, when
another has had the same message, is refused as a replaced leader is. The price: the register of the
fence gets a row for each message. For more than a demo, keep the token in the row that is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from coord.lab.work.modes import mode_named
from coord.model import ClaimKey
from coord.tasks import Job
from coord.tasks.queue.payload import JsonCodec, outgoing
from coord.tasks.queue.spi import Message, Outgoing

__all__ = ["QUEUE", "TASK", "InHand", "Item", "item_of", "message_of"]

QUEUE = mode_named("queue")
TASK = "reap"
_CODEC = JsonCodec()


class Item(NamedTuple):
    """Some rows of one partition; `number` is the item's own there, for ever."""

    partition: int
    number: int
    units: Sequence[str]

    @property
    def key(self) -> ClaimKey:
        """The scope of its message."""
        return ClaimKey(QUEUE.role.name, 1, self.partition, self.number)


class InHand(NamedTuple):
    """An item under one delivery of its message: what a fence compares, and the log tells."""

    job: Job
    key: ClaimKey

    @property
    def token(self) -> int:
        """How often its message has been delivered."""
        return self.job.token

    def check(self) -> None:
        """Raise JobCancelled once the message may be somebody else's, or took too long."""
        self.job.check()


def message_of(item: Item) -> Outgoing:
    """The message that asks for an item to be handled."""
    return outgoing(TASK, item._asdict(), codec=_CODEC)


def item_of(message: Message) -> Item:
    """The item that a message carries. Raises KeyError or ValueError for what `message_of` did not
    make.
    """
    carried: dict[str, Any] = dict(_CODEC.loads(message.body))
    return Item(carried["partition"], carried["number"], carried["units"])
