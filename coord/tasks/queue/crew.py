"""The threads that run plain functions.

Owns their number: as many as there was work for at once, and no thread before it is needed. Knows
neither message nor queue.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from coord.tasks.queue.backlog import Backlog
from coord.tasks.queue.hand import InHand
from coord.threads import DaemonThread

__all__ = ["Crew"]


class Crew:
    """Runs `work(hand)`, which raises nothing, for each message that the backlog gives out.

    It returns the next one, if it was given one when it told the end of the one before. `broke` is
    told when the backlog cannot say what is next; the thread that asked ends.
    """

    def __init__(
        self,
        backlog: Backlog,
        work: Callable[[InHand], InHand | None],
        most: int,
        *,
        broke: Callable[[Exception], None],
    ) -> None:
        self._backlog = backlog
        self._work = work
        self._most = most
        self._broke = broke
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin, with one thread. RuntimeError if the system has none: a worker needs one."""
        DaemonThread(self._look_after, "coord-queue-lookout").start()
        self._hire()

    def _hire(self) -> None:
        number = len(self._threads) + 1
        thread = DaemonThread(self._run, f"coord-queue-work-{number}")
        thread.start()
        self._threads.append(thread)

    def call_up(self) -> None:
        """There may be more work than threads. Any thread."""
        if not self._backlog.is_short:
            return
        with self._lock:
            if self._backlog.is_short and len(self._threads) < self._most:
                with suppress(RuntimeError):  # then those that there are must do
                    self._hire()

    def _look_after(self) -> None:
        try:
            while self._backlog.look_after():
                self.call_up()
        except Exception as error:  # noqa: BLE001  an admission is the user's
            self._broke(error)

    def _run(self) -> None:
        try:
            self._go_on()
        except Exception as error:  # noqa: BLE001  an admission is the user's
            self._broke(error)

    def _go_on(self) -> None:
        hand = self._backlog.take()
        while hand is not None:
            following: InHand | None = hand
            while following is not None:
                self.call_up()
                following = self._work(following)
            hand = self._backlog.take(is_back=True)
