"""The loop that keeps messages hidden, and gives back what is not done.

Owns one thread for both, since both are changes of visibility and ten fit into a call. Law: leases
come first; what is given back can wait, a lease cannot. It survives whatever the queue answers.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from coord.clock import Clock
from coord.errors import CoordError, StoreError, StoreRefused
from coord.tasks.queue.hand import InHand, Patience
from coord.tasks.queue.leases import LeaseBook
from coord.tasks.queue.spi import Hide, Queue

__all__ = ["Clerk"]

_LONG_S = 3600.0


class Clerk:
    """`took` and `give_back` from any thread. The callbacks are called on its thread."""

    def __init__(
        self,
        queue: Queue,
        patience: Patience,
        clock: Clock,
        *,
        extended: Callable[[InHand], None],
        overran: Callable[[InHand], None],
        failing: Callable[[str], None],
    ) -> None:
        self._queue = queue
        self._patience = patience
        self._clock = clock
        self._extended = extended
        self._overran = overran
        self._failing = failing
        self._size = queue.limits.batch_size
        self._book = LeaseBook(patience, self._size)
        self._lock = threading.Lock()
        self._back: deque[tuple[InHand, float]] = deque()
        self._bell = threading.Event()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="coord-queue-leases", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def took(self, hands: Sequence[InHand], sent_at_s: float) -> None:
        """These were received by a request that was sent then."""
        with self._lock:
            wakes = self._book.next_s > sent_at_s + self._patience.renew_s
            self._book.take(hands, sent_at_s)
        if wakes:
            self._bell.set()

    def give_back(self, hand: InHand, seconds: float) -> None:
        """Nothing more is done with it here; others may have it in so many seconds."""
        self._back.append((hand, seconds))
        self._bell.set()

    def close(self, timeout_s: float) -> bool:
        """Give back what is left, and stop; whether that was done within the timeout."""
        self._is_over = True
        self._bell.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            self._bell.clear()
            self._extend()
            while batch := self._next_back():
                self._give_back(batch)
                self._extend()
            if self._is_over and not self._back:
                return
            self._bell.wait(max(0.0, min(self._book.next_s - self._clock.now(), _LONG_S)))

    def _extend(self) -> None:
        with self._lock:
            now = self._clock.now()
            batches = self._book.due(now)
            overruns = self._book.overruns(now)
        for hand in overruns:
            self._overran(hand)
        for hands in batches:
            sent_at_s = self._clock.now()
            changes = self._book.changes(hands, sent_at_s)
            answers = self._hide(changes)
            with self._lock:
                self._book.answered(
                    hands, changes, answers, sent_at_s=sent_at_s, now=self._clock.now()
                )
            for hand, error in zip(hands, answers, strict=True):
                if error is None:
                    self._extended(hand)

    def _next_back(self) -> list[tuple[InHand, float]]:
        back = self._back
        return [back.popleft() for _ in range(min(self._size, len(back)))]

    def _give_back(self, batch: Sequence[tuple[InHand, float]]) -> None:
        """Once. What the queue does not take comes back by itself when its time is over."""
        now = self._clock.now()
        changes = [
            Hide(hand.message.receipt, min(seconds, max(0.0, hand.ceiling_s - now)))
            for hand, seconds in batch
        ]
        self._hide(changes)
        for hand, _ in batch:
            hand.over = True

    def _hide(self, changes: Sequence[Hide]) -> list[StoreError | None]:
        answers: list[StoreError | None]
        try:
            answers = self._queue.hide(changes)
        except StoreRefused as error:
            # Of the whole call, such as of its credentials: it may be mended before the leases end.
            answers = [StoreError(str(error))] * len(changes)
            self._failing(str(error))
        except CoordError as error:
            answers = [error if isinstance(error, StoreError) else StoreError(str(error))] * len(
                changes
            )
            self._failing(str(error))
        return answers
