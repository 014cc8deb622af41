"""Messages that a moment changes: heaps whose void entries are dropped when they come up.

Owns the order of moments. Knows neither what a moment means nor any clock.

Every call takes O(log n) on average: void entries are dropped when they reach the top, and all at
once when they outnumber the others, which each of them has then paid for.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from coord.testing.sqs.message import Message, State

__all__ = ["Ages", "Timers"]

_SMALL = 1024


class Timers:
    """When which message moves on. An entry is void once its message has changed its place."""

    __slots__ = ("_heap", "_pushed")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, int, Message]] = []
        self._pushed = 0

    def push(self, at_s: float, message: Message, *, live: int) -> None:
        """Note that `message`, as it stands now, moves at `at_s`; `live` entries may be valid."""
        self._pushed += 1
        heapq.heappush(self._heap, (at_s, self._pushed, message.stamp, message))
        if len(self._heap) > 2 * live + _SMALL:
            self._heap = [entry for entry in self._heap if entry[3].stamp == entry[2]]
            heapq.heapify(self._heap)

    def next_s(self) -> float | None:
        """The moment of the first valid entry."""
        heap = self._heap
        while heap and heap[0][3].stamp != heap[0][2]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def due(self, now_s: float) -> Iterator[Message]:
        """Take out, in order, the messages whose moment has come."""
        heap = self._heap
        while heap and heap[0][0] <= now_s:
            _, _, stamp, message = heapq.heappop(heap)
            if message.stamp == stamp:
                yield message


class Ages:
    """The messages of a queue by the moment at which they were sent, for retention."""

    __slots__ = ("_heap",)

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Message]] = []

    def push(self, message: Message, *, live: int) -> None:
        """Add a message; the queue holds `live` messages."""
        heapq.heappush(self._heap, (message.sent_s, message.number, message))
        if len(self._heap) > 2 * live + _SMALL:
            self._heap = [entry for entry in self._heap if entry[2].state is not State.GONE]
            heapq.heapify(self._heap)

    def sent_until(self, moment_s: float) -> Iterator[Message]:
        """Take out the messages that were sent at `moment_s` or before and are still there."""
        heap = self._heap
        while heap and (heap[0][2].state is State.GONE or heap[0][0] <= moment_s):
            message = heapq.heappop(heap)[2]
            if message.state is not State.GONE:
                yield message

    def oldest_s(self) -> float | None:
        """When the oldest message that is still there was sent."""
        heap = self._heap
        while heap and heap[0][2].state is State.GONE:
            heapq.heappop(heap)
        return heap[0][0] if heap else None
