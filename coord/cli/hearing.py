"""What `coord queue run` hears of its messages: it logs, and ends when nobody reads its output.

Owns that rule: a task that prints fails with every message once the reader of stdout is gone, so
`coord queue run … | head` would wear out the deliveries of a whole queue. Decides nothing else.
"""

from __future__ import annotations

import select
import sys
from collections.abc import Callable

from coord.tasks.queue.hand import InHand
from coord.tasks.queue.log import LogListener
from coord.tasks.queue.runs import Ended

__all__ = ["Hearing"]


class Hearing(LogListener):
    """Logs, and calls `stop` once stdout is a pipe that nobody reads."""

    def __init__(self, queue: str) -> None:
        super().__init__(queue)
        self.is_unread = False
        self.stop: Callable[[], None] = lambda: None

    def ended(self, hand: InHand, end: Ended, seconds: float) -> None:
        """A handler whose pipe broke may have meant another one: stdout itself is asked."""
        if isinstance(end.error, BrokenPipeError) and (self.is_unread or _stdout_is_unread()):
            self.is_unread = True
            self.stop()
            return
        super().ended(hand, end, seconds)


def _stdout_is_unread() -> bool:
    asked = select.poll()
    try:
        asked.register(sys.stdout.fileno(), 0)
    except (OSError, ValueError):  # it is no file, or closed
        return False
    return any(events & select.POLLERR for _, events in asked.poll(0))
