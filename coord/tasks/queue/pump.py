"""What takes messages where all tasks are coroutine functions: their loop, and no thread beside it.

Owns when the loop looks for messages: it is woken once for what one request brought, and takes the
next one itself when a coroutine has ended. Two threads that hand each message to each other cost
more than all the rest of a quick message (docs/decisions/queue-hand-over.md). Knows neither message
nor queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from coord.tasks.loop import Loop
from coord.tasks.queue.backlog import Backlog
from coord.tasks.queue.hand import InHand

__all__ = ["Pump"]

_NAP_S = 0.25  # how often time alone is let change whose turn it is


class Pump:
    """Runs `work(hand)`, which raises nothing and does not block, on the loop.

    It returns the next one if the one before came to its end at once. `broke` is told when the
    backlog cannot say what is next.
    """

    def __init__(
        self,
        backlog: Backlog,
        work: Callable[[InHand], InHand | None],
        loop: Loop,
        *,
        broke: Callable[[Exception], None],
    ) -> None:
        self._backlog = backlog
        self._work = work
        self._loop = loop
        self._broke = broke
        self._is_called = False
        self._nap: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin. RuntimeError if the system has no thread for the loop."""
        self.call_up()

    def call_up(self) -> None:
        """There may be work. Any thread."""
        if not self._is_called:
            self._is_called = True
            self._loop.call(self._look)

    def _look(self) -> None:
        self._is_called = False  # first: what is put from here on calls again
        self.go_on(None)

    def go_on(self, hand: InHand | None) -> None:
        """Begin this one, and all others that may begin. On the loop's thread."""
        try:
            self._begin_all(hand)
        except Exception as error:  # noqa: BLE001  an admission is the user's
            self._broke(error)

    def _begin_all(self, hand: InHand | None) -> None:
        while hand is not None or (hand := self._backlog.take_now()) is not None:
            hand = self._work(hand)
        if self._nap is None and self._backlog.waiting:
            self._nap = asyncio.get_running_loop().call_later(_NAP_S, self._wake)

    def _wake(self) -> None:
        self._nap = None
        self.go_on(None)
