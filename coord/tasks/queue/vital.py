"""The threads that a worker cannot do without: who is told when one of them ends by an error.

Owns the telling. Such a thread catches what queues, listeners and codecs raise, and goes on. What
is left is want of memory while it does so, and faults of the interpreter (CPython 3.11 lost an
error under it). A worker that lost one of these threads in silence would live on, deaf. So its
owner is told, again and again until there is memory to hear it, and the worker ends.

Shown by `tests/unit/tasks/queue/test_vital.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from coord.runtime.starving import insist
from coord.threads import DaemonThread

__all__ = ["VitalThread"]

_AGAIN_S = 0.1


class VitalThread(DaemonThread):
    """A daemon thread whose owner hears of the error that its target ends with, on that thread."""

    def __init__(self, target: Callable[[], object], name: str) -> None:
        super().__init__(target, name)
        self._broke: Callable[[Exception], None] | None = None

    def begin(self, broke: Callable[[Exception], None]) -> None:
        """Start. `broke` may be called twice, if memory ran out while it ran."""
        self._broke = broke
        self.start()

    def run(self) -> None:
        """The target, and the telling."""
        try:
            super().run()
        except Exception as error:  # noqa: BLE001  whatever it was, the thread is gone
            if self._broke is not None:
                insist((partial(self._broke, error),), _AGAIN_S)
