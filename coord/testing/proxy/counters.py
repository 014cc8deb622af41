"""What went through the proxy, counted.

Owns the numbers and the lock around them: the proxy's thread writes, any thread reads and waits.
Knows neither sockets nor faults.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Condition

__all__ = ["Counters", "Flow", "Tally"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Bytes of one direction, over all connections so far: read = passed + lost + waiting.

    Bytes count as passed before their receiver can have them. What it never took, because the
    connection ended, is lost, though a part of the last 64 KiB may have reached it.
    `chunks` counts what was read in one go: at least one a request of a client that waits for
    its replies, and no measure of requests otherwise.
    """

    read: int = 0
    passed: int = 0
    lost: int = 0
    chunks: int = 0

    @property
    def waiting(self) -> int:
        """Read and neither passed on nor lost: held, delayed, or before a slow receiver."""
        return self.read - self.passed - self.lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """A snapshot. `open` connections of `total`; `unreachable` were reset: no target."""

    open: int = 0
    total: int = 0
    unreachable: int = 0
    requests: Flow = Flow()
    replies: Flow = Flow()


class Tally:
    """The counters as they grow, and the condition on which their readers wait."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._now = Counters()

    def snapshot(self) -> Counters:
        """All counters at one moment. Any thread."""
        with self._changed:
            return self._now

    def connections(self, *, opened: int = 0, ended: int = 0, unreachable: int = 0) -> None:
        """Count connections."""
        with self._changed:
            now = self._now
            self._now = replace(
                now,
                open=now.open + opened - ended,
                total=now.total + opened,
                unreachable=now.unreachable + unreachable,
            )
            self._changed.notify_all()

    def flow(self, name: str, *, read: int = 0, passed: int = 0, lost: int = 0) -> None:
        """Count bytes of the direction `name`; a reading is one chunk."""
        with self._changed:
            flow: Flow = getattr(self._now, name)
            grown = Flow(
                read=flow.read + read,
                passed=flow.passed + passed,
                lost=flow.lost + lost,
                chunks=flow.chunks + bool(read),
            )
            if name == "requests":
                self._now = replace(self._now, requests=grown)
            else:
                self._now = replace(self._now, replies=grown)
            self._changed.notify_all()

    def notify(self) -> None:
        """Let whoever waits look again."""
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until `condition()` is true; False after `timeout_s`. Never the proxy's thread."""
        until = time.monotonic() + timeout_s
        with self._changed:
            while not condition():
                left_s = until - time.monotonic()
                if left_s <= 0:
                    return False
                self._changed.wait(left_s)
            return True
