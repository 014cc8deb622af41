"""What a FIFO queue remembers for five minutes: what was sent, and who received what.

Owns the two memories and their forgetting. Knows no clock: times come from outside.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from typing import Generic, NamedTuple, TypeVar

from coord.testing.sqs.message import Message, State

__all__ = ["RECALL_S", "Handed", "Recall", "Sent", "unchanged"]

RECALL_S = 300.0

T = TypeVar("T")


class Sent(NamedTuple):
    """What the sender of a duplicate is told: the names of the first message."""

    id: str
    sequence: str | None


class Handed(NamedTuple):
    """A message as one receive call gave it out."""

    message: Message
    receipt: str | None
    stamp: int


class Recall(Generic[T]):
    """Keys and values of the last five minutes; the first value of a key stays. O(1) a call."""

    def __init__(self) -> None:
        self._values: dict[Hashable, T] = {}
        self._order: deque[tuple[float, Hashable]] = deque()

    def __len__(self) -> int:
        return len(self._values)

    def find(self, key: Hashable, now_s: float) -> T | None:
        """The value that was put in less than five minutes ago."""
        while self._order and self._order[0][0] <= now_s:
            del self._values[self._order.popleft()[1]]
        return self._values.get(key)

    def keep(self, key: Hashable, value: T, now_s: float) -> None:
        """Remember a value from now on; one that is remembered already is replaced, not renewed."""
        if key not in self._values:
            self._order.append((now_s + RECALL_S, key))
        self._values[key] = value


def unchanged(handed: Sequence[Handed]) -> bool:
    """Whether each message is in flight still and nobody has changed its visibility."""
    return all(
        message.state is State.IN_FLIGHT and (message.receipt, message.stamp) == (receipt, stamp)
        for message, receipt, stamp in handed
    )
