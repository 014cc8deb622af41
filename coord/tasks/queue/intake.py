"""Receiving: as much as there is room for, and nothing once the worker stops.

Owns the one thread that asks for messages. Law: the time that a lease counts from is read before
the request is sent. What arrives after the worker has stopped is given back untouched.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from coord.clock import Clock
from coord.errors import CoordError
from coord.tasks.queue.backlog import Backlog
from coord.tasks.queue.hand import InHand, Patience
from coord.tasks.queue.spi import Queue

__all__ = ["Intake"]

_FIRST_PAUSE_S = 0.1
_MOST_PAUSE_S = 10.0
_ROOM_NAP_S = 0.25


class Intake:
    """Calls `received(hands, sent_at_s)` on its thread for each answer that holds something."""

    def __init__(
        self,
        queue: Queue,
        backlog: Backlog,
        patience: Patience,
        clock: Clock,
        *,
        wait_s: float,
        received: Callable[[list[InHand], float], None],
        failing: Callable[[str], None],
    ) -> None:
        self._queue = queue
        self._backlog = backlog
        self._patience = patience
        self._clock = clock
        self._wait_s = min(wait_s, queue.limits.max_wait_s)
        self._received = received
        self._failing = failing
        self._over = threading.Event()
        self._pause_s = 0.0
        self.empty_answers = 0
        """How many answers in a row held nothing."""
        self.calls = 0
        """How many requests have been answered."""
        self._thread = threading.Thread(target=self._run, name="coord-queue-intake", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask for no more. A request that is under way ends within its waiting time."""
        self._over.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for its end; whether it came in time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        size = self._queue.limits.batch_size
        while not self._over.is_set():
            count = min(size, self._backlog.room())
            if count <= 0:
                self._backlog.wait_for_room(_ROOM_NAP_S)
                continue
            self._ask(count)

    def _ask(self, count: int) -> None:
        sent_at_s = self._clock.now()
        try:
            found = self._queue.receive(
                count, wait_s=self._wait_s, visibility_s=self._patience.visibility_s
            )
        except CoordError as error:
            self._failing(str(error))
            self._pause()
            return
        self._pause_s = 0.0
        self.calls += 1
        self.empty_answers = 0 if found else self.empty_answers + 1
        if found:
            hands = [InHand(message, sent_at_s, self._patience, self._clock) for message in found]
            self._received(hands, sent_at_s)

    def _pause(self) -> None:
        """Longer each time, with jitter, so that a fleet does not come back in step."""
        self._pause_s = min(_MOST_PAUSE_S, max(_FIRST_PAUSE_S, 2 * self._pause_s))
        self._over.wait(random.uniform(self._pause_s / 2, self._pause_s))
