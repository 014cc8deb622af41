"""Receiving: as much as there is room for, and nothing once the worker stops.

Owns the one thread that asks for messages. Law: the time that a lease counts from is read before
the request is sent. What arrives after the worker has stopped is given back untouched.

While more is in hand than may run at once, a request does not wait for more: a worker that stops
gives back at once what has not begun, and would receive it again by its own waiting request.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from coord.clock import Clock
from coord.tasks.queue.asking import ended_in
from coord.tasks.queue.backlog import Backlog
from coord.tasks.queue.hand import InHand, Patience
from coord.tasks.queue.spi import Queue
from coord.tasks.queue.vital import VitalThread

__all__ = ["Intake"]

_FIRST_PAUSE_S = 0.1
_MOST_PAUSE_S = 10.0
_ROOM_NAP_S = 0.25
_SPACE_S = 0.02


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
        self.is_paused = False
        """Whether to ask for nothing for now; a request that is under way ends by itself."""
        self._pause_s = 0.0
        self.empty_answers = 0
        """How many answers in a row held nothing."""
        self._was_skipped = False
        self._size = queue.limits.batch_size
        self._thread = VitalThread(self._run, "coord-queue-intake")

    def start(self, broke: Callable[[Exception], None]) -> None:
        """Begin. `broke` hears of an error that ends the thread, which is not done without."""
        self._thread.begin(broke)

    def stop(self) -> None:
        """Ask for no more. A request that is under way ends within its waiting time."""
        self._over.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for its end; whether it came in time."""
        return ended_in(self._thread, timeout_s)

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._turn()
            except Exception as error:  # noqa: BLE001  without this thread the worker is deaf
                self._failing(str(error) or type(error).__name__)
                self._pause()

    def _turn(self) -> None:
        if self.is_paused:
            self._over.wait(_ROOM_NAP_S)
            return
        count = min(self._size, self._backlog.room())
        if count <= 0:
            self._backlog.wait_for_room(_ROOM_NAP_S)
            return
        has_plenty = self._backlog.has_plenty
        if has_plenty and self.empty_answers and not self._was_skipped:
            self._was_skipped = True
            self._over.wait(_SPACE_S)
            self._backlog.wait_for_room(_ROOM_NAP_S)
            return
        self._was_skipped = False
        sent_at_s = self._clock.now()
        found = self._queue.receive(
            count,
            wait_s=0.0 if has_plenty else self._wait_s,
            visibility_s=self._patience.visibility_s,
        )
        self._pause_s = 0.0
        if not found:
            self.empty_answers += 1
            return
        self.empty_answers = 0
        hands = [InHand(message, sent_at_s, self._patience, self._clock) for message in found]
        self._received(hands, sent_at_s)

    def _pause(self) -> None:
        """Longer each time, with jitter, so that a fleet does not come back in step."""
        self._pause_s = min(_MOST_PAUSE_S, max(_FIRST_PAUSE_S, 2 * self._pause_s))
        self._over.wait(random.uniform(self._pause_s / 2, self._pause_s))
