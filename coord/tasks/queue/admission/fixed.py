"""A fixed number of messages at once, in the order in which they came.

Owns that and nothing else: for resources whose capacity is known, and for comparison.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from coord.tasks.queue.hand import InHand

__all__ = ["Fixed"]


class Fixed:
    """At most `concurrency` at once, and `ahead` received beyond that."""

    def __init__(self, concurrency: int, *, ahead: int = 10) -> None:
        self._concurrency = concurrency
        self._ahead = ahead
        self._waiting: deque[InHand] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def room(self, running: int) -> int:
        """What is free, and what is received ahead."""
        return self._concurrency + self._ahead - running - len(self._waiting)

    def put(self, hands: Sequence[InHand]) -> None:
        """To the end of the line."""
        self._waiting.extend(hands)

    def take(self, running: int) -> InHand | None:
        """From its beginning."""
        if running >= self._concurrency or not self._waiting:
            return None
        return self._waiting.popleft()

    def ended(self, hand: InHand, seconds: float) -> None:
        """The number is fixed."""

    def drain(self) -> list[InHand]:
        """All that waits."""
        left = list(self._waiting)
        self._waiting.clear()
        return left
