"""A fixed number of messages at once, in the order in which they came.

Owns that and nothing else: for comparison, and for queues with one tenant whose order matters.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from coord.tasks.queue.admission.policy import Deferral, Load
from coord.tasks.queue.hand import InHand
from coord.tasks.queue.spi import QueueLimits

__all__ = ["Fixed"]


class Fixed:
    """At most `concurrency` at once, and `ahead` received beyond that. Defers nothing."""

    why = "given"

    def __init__(self, concurrency: int, *, ahead: int = 10) -> None:
        self._concurrency = concurrency
        self._ahead = ahead
        self._waiting: deque[InHand] = deque()

    def opened(self, limits: QueueLimits) -> None:
        """It is the same for all queues."""

    @property
    def limit(self) -> int:
        """The number that was given."""
        return self._concurrency

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def room(self, running: int, now: float) -> int:
        """What is free, and what is received ahead."""
        return self._concurrency + self._ahead - running - len(self._waiting)

    def put(self, hands: Sequence[InHand], now: float) -> None:
        """To the end of the line."""
        self._waiting.extend(hands)

    def take(self, running: int, now: float) -> InHand | None:
        """From its beginning."""
        if running >= self._concurrency or not self._waiting:
            return None
        return self._waiting.popleft()

    def excess(self, running: int, now: float) -> list[Deferral]:
        """Nothing: they wait."""
        return []

    def ended(self, hand: InHand, seconds: float, running: int, now: float) -> None:
        """The number is fixed."""

    def drain(self) -> list[InHand]:
        """All that waits."""
        left = list(self._waiting)
        self._waiting.clear()
        return left

    def load(self, running: int, now: float) -> Load:
        """How many wait, and since when the oldest."""
        return Load(
            limit=self._concurrency,
            most=self._concurrency,
            why=self.why,
            waiting=len(self._waiting),
            oldest_sent_s=min((h.message.sent_at_s for h in self._waiting), default=None),
        )
