"""Deleting what is done, in batches that form by themselves.

Owns one thread that sends whatever has gathered while its previous call was under way: a lone
message is deleted at once, and under load every call carries a full batch. Law: a delete that fails
for a passing reason is tried again for as long as the message is ours; after that the message comes
again, which is told. One whose lease is over is tried once: what is done is done, and a delete can
hurt nobody.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from coord.clock import Clock
from coord.errors import StoreRefused
from coord.tasks.queue.asking import ended_in, passing
from coord.tasks.queue.hand import InHand
from coord.tasks.queue.spi import Queue
from coord.tasks.queue.vital import VitalThread

__all__ = ["Deletes"]

_NEVER = float("inf")


class Deletes:
    """`put` from any thread. The others are called on the deleting thread."""

    def __init__(
        self,
        queue: Queue,
        clock: Clock,
        *,
        retry_s: float,
        gone: Callable[[list[InHand]], None],
        lost: Callable[[InHand, str], None],
        failing: Callable[[str], None],
    ) -> None:
        self._queue = queue
        self._clock = clock
        self._retry_s = retry_s
        self._gone = gone
        self._lost = lost
        self._failing = failing
        self._size = queue.limits.batch_size
        self._waiting: deque[InHand] = deque()
        self._again: list[InHand] = []
        self._again_s = 0.0
        self._bell = threading.Event()
        self._end_s = _NEVER
        self._thread = VitalThread(self._run, "coord-queue-deletes")

    def start(self, broke: Callable[[Exception], None]) -> None:
        """Begin. `broke` hears of an error that ends the thread, which is not done without."""
        self._thread.begin(broke)

    def put(self, hand: InHand) -> None:
        """It is done: delete it."""
        self._waiting.append(hand)
        if not self._bell.is_set():
            self._bell.set()

    def close(self, timeout_s: float) -> bool:
        """Delete what is left, and stop; whether that was done within the timeout."""
        self._end_s = self._clock.now() + timeout_s
        self._bell.set()
        return ended_in(self._thread, timeout_s)

    def _run(self) -> None:
        while True:
            self._bell.clear()
            while self._clock.now() < self._end_s and (batch := self._next()):
                self._delete(batch)
            now = self._clock.now()
            if now >= self._end_s or (self._end_s < _NEVER and not self._left):
                break
            next_s = min(self._again_s, self._end_s) if self._again else _NEVER
            self._bell.wait(None if next_s == _NEVER else max(0.0, next_s - now))
        for hand in (*self._again, *self._waiting):
            self._lost(hand, "the worker stops, and the queue did not answer in time")

    @property
    def _left(self) -> bool:
        return bool(self._again or self._waiting)

    def _next(self) -> list[InHand]:
        waiting = self._waiting
        if self._again and self._clock.now() >= self._again_s:
            waiting.extend(self._again)
            self._again = []
        return [waiting.popleft() for _ in range(min(self._size, len(waiting)))]

    def _delete(self, batch: list[InHand]) -> None:
        receipts = [hand.message.receipt for hand in batch]
        answers = passing(lambda: self._queue.delete(receipts), len(batch), self._failing)
        now = self._clock.now()
        gone = []
        for hand, answer in zip(batch, answers, strict=True):
            if answer is None:
                gone.append(hand)
            elif isinstance(answer, StoreRefused) or hand.is_lost(now):
                self._lost(hand, answer.cause)
            else:
                self._again.append(hand)
                self._again_s = now + self._retry_s
        if gone:
            self._gone(gone)
