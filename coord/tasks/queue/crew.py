"""The threads that run plain functions.

Owns their number: as many as there was work for at once, and no thread before it is needed. Knows
neither message nor queue.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from coord.tasks.queue.backlog import Backlog
from coord.tasks.queue.hand import InHand

__all__ = ["Crew"]


class Crew:
    """Runs `work(hand)` for each message that the backlog gives out, on threads of its own."""

    def __init__(self, backlog: Backlog, work: Callable[[InHand], None]) -> None:
        self._backlog = backlog
        self._work = work
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def call_up(self, most: int) -> None:
        """There is work: see that somebody is there for it. Any thread."""
        with self._lock:
            wanted = self._backlog.startable - self._backlog.idle
            for _ in range(min(wanted, most - len(self._threads))):
                self._hire()

    def _hire(self) -> None:
        number = len(self._threads) + 1
        thread = threading.Thread(target=self._run, name=f"coord-queue-work-{number}", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _run(self) -> None:
        while (hand := self._backlog.take()) is not None:
            self._work(hand)
