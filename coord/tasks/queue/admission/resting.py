"""Which messages may be deferred, for how long, and how many rest.

Owns those three. Pure but for the jitter, which is handed in.

How often: a message is deferred only while at least two deliveries are left to it after the one in
hand, so at most `max_receives - 2` times: however full the house, it keeps two honest attempts, and
no deferral brings it to the dead-letter queue. Where a queue has none, `_WITHOUT_END` times.
Deliveries that failed count too, for nobody can tell them apart: that errs to running sooner.

How long: until it can be its turn at the pace at which its tenant is served, so that a flood comes
back as a stream and not as a flood; at least a few seconds, doubling with each delivery, and at
most `_MOST_S`, so that little stands idle when the pace turns out to be better.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from coord.tasks.backoff import Backoff
from coord.tasks.queue.spi import QueueLimits

__all__ = ["Resting"]

_ATTEMPTS_KEPT = 2
_WITHOUT_END = 10
_MOST_S = 120.0
_MOST_LEAST_S = 20.0
_MOST_KNOWN = 10_000


class Resting:
    """Rests of one worker's messages. Its caller locks."""

    def __init__(self, draw: Callable[[], float]) -> None:
        self._draw = draw
        self._backoff = Backoff(base_s=2.0, most_s=_MOST_LEAST_S)
        self._last_received = 0
        self._known: list[tuple[float, float]] = []

    def opened(self, limits: QueueLimits) -> None:
        """The queue says how often it delivers, and whether in order.

        Nothing of an ordered queue is deferred: a message that goes back takes along all that came
        behind it in its group, and each of those would pay with a delivery of its own.
        """
        most = _WITHOUT_END + _ATTEMPTS_KEPT if limits.max_receives is None else limits.max_receives
        self._last_received = 0 if limits.ordered else max(0, most - _ATTEMPTS_KEPT)

    def may_defer(self, received: int) -> bool:
        """Whether a message that was delivered so often may be deferred once more."""
        return received <= self._last_received

    def seconds(self, received: int, turn_s: float) -> float:
        """How long one is to rest whose turn can be in `turn_s`."""
        least_s = self._backoff.seconds(received, self._draw)
        paced_s = turn_s * (0.9 + 0.2 * self._draw())
        return min(_MOST_S, max(least_s, paced_s))

    def add(self, until_s: float, sent_at_s: float) -> None:
        """One rests until then. Of very many the count is of the latest to come back."""
        heapq.heappush(self._known, (until_s, sent_at_s))
        if len(self._known) > _MOST_KNOWN:
            heapq.heappop(self._known)

    def now(self, now: float) -> list[float]:
        """When those that still rest were sent."""
        while self._known and self._known[0][0] <= now:
            heapq.heappop(self._known)
        return [sent_at_s for _, sent_at_s in self._known]
