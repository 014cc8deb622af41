"""What the suite must be told about a queue.

Owns `QueueHarness`. Knows the contract (`coord.tasks.queue.spi`) and no queue.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from coord.clock import Clock
from coord.tasks.queue.spi import Queue
from coord.testing import checks

if TYPE_CHECKING:
    from coord.testing.queue_conformance.kit import QueueKit

__all__ = ["QueueCheck", "QueueChecks", "QueueHarness"]


@dataclass(frozen=True, kw_only=True)
class QueueHarness:
    """A queue under test. Durations in seconds of `clock`.

    Required: `open` makes another handle on the queue of the name it is given, as another process
    would have it, and makes that queue before if there is none: with a dead-letter queue after two
    to five deliveries, and FIFO if `ordered`. `clock` is what time at the queue is read from, and
    `sleep` lets it pass.
    """

    open: Callable[[str], Queue]
    clock: Clock
    sleep: Callable[[float], None]
    ordered: bool

    visibility_s: float = 1.0
    """The shortest time that messages are hidden for; what checks wait for is a few of these."""
    late_s: float = 1.0
    """By how much what is due may be late: the queue, and the machine that it runs on."""
    timeout_s: float = 1.0
    """The timeout that the handles were opened with."""
    threads: int = 4
    """How many threads, with a handle each, race."""
    waits: Callable[[], None] = lambda: time.sleep(0.3)
    """Returns once a call of `receive` that was begun just now waits at the queue."""

    reopen: Callable[[], None] | None = None
    """Hook: stop and start what holds the messages; called while no handle is open."""
    leftovers: Callable[[], Mapping[str, int]] | None = None
    """Hook: count what may be left behind (threads, open files, temporary files) by name."""

    def lacks(self, hooks: frozenset[str]) -> list[str]:
        """Which of these are not there: hooks, or being "standard" or "fifo"."""
        kind = "fifo" if self.ordered else "standard"
        return sorted(
            name
            for name in hooks - {kind}
            if name in {"fifo", "standard"} or getattr(self, name) is None
        )


QueueCheck: TypeAlias = "checks.Check[QueueHarness, QueueKit]"
"""One promise of `coord.tasks.queue.spi`, provable on a fresh queue."""


class QueueChecks(checks.Checks[QueueHarness, "QueueKit"]):
    """The checks of one module."""

    def __init__(self) -> None:
        super().__init__(_setting)


def _setting(harness: QueueHarness) -> QueueKit:
    from coord.testing.queue_conformance.kit import QueueKit  # noqa: PLC0415  it needs us

    return QueueKit(harness)
