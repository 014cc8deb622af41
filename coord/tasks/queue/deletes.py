"""Deleting what is done, in batches that form by themselves.

Owns one thread that sends whatever has gathered while its previous call was under way: a lone
message is deleted at once, and under load every call carries a full batch. Law: a delete that fails
for a passing reason is tried again for as long as the message is ours; after that the message comes
again, which is told.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from coord.clock import Clock
from coord.errors import CoordError, StoreError, StoreRefused
from coord.tasks.queue.hand import InHand
from coord.tasks.queue.spi import Queue

__all__ = ["Deletes"]


class Deletes:
    """`put` from any thread. `gone` and `lost` are called on the deleting thread."""

    def __init__(
        self,
        queue: Queue,
        clock: Clock,
        *,
        retry_s: float,
        gone: Callable[[list[InHand]], None],
        lost: Callable[[InHand, str], None],
    ) -> None:
        self._queue = queue
        self._clock = clock
        self._retry_s = retry_s
        self._gone = gone
        self._lost = lost
        self._waiting: deque[InHand] = deque()
        self._bell = threading.Event()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="coord-queue-deletes", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def put(self, hand: InHand) -> None:
        """It is done: delete it."""
        self._waiting.append(hand)
        if not self._bell.is_set():
            self._bell.set()

    def close(self, timeout_s: float) -> bool:
        """Delete what is left, and stop; whether that was done within the timeout."""
        self._is_over = True
        self._bell.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        size = self._queue.limits.batch_size
        while True:
            self._bell.clear()
            while batch := self._next(size):
                self._delete(batch)
            if self._is_over and not self._waiting:
                return
            self._bell.wait()

    def _next(self, size: int) -> list[InHand]:
        waiting = self._waiting
        return [waiting.popleft() for _ in range(min(size, len(waiting)))]

    def _delete(self, batch: list[InHand]) -> None:
        answers: list[StoreError | None]
        try:
            answers = self._queue.delete([hand.message.receipt for hand in batch])
        except CoordError as error:
            failed = error if isinstance(error, StoreError) else StoreError(str(error))
            answers = [failed] * len(batch)
        gone = []
        again = False
        for hand, answer in zip(batch, answers, strict=True):
            if answer is None:
                gone.append(hand)
            elif isinstance(answer, StoreRefused) or self._clock.now() >= hand.until_s:
                self._lost(hand, answer.cause)
            else:
                self._waiting.append(hand)
                again = True
        self._gone(gone)
        if again:
            threading.Event().wait(self._retry_s)
