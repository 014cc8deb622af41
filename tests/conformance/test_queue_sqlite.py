"""The embedded queue keeps every promise, in virtual and in real time, standard and FIFO."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from coord.clock import SYSTEM_CLOCK, Clock
from coord.testing.clock import ManualClock
from coord.testing.queue_conformance import QueueCheck, QueueHarness, check_queue
from coord_sqlite.place import Place
from coord_sqlite.queue import SqliteQueue
from tests.conformance.harnesses import leftovers
from tests.conformance.queues import queue_checks

MAX_RECEIVES = 3


class _File:
    """One database file, as several processes would use it."""

    def __init__(self, path: Path, *, ordered: bool) -> None:
        self.path = path
        self.ordered = ordered

    def opened(self, name: str, clock: Clock, place: Place | None) -> SqliteQueue:
        return SqliteQueue(
            self.path,
            name=name,
            ordered=self.ordered,
            max_receives=MAX_RECEIVES,
            clock=clock,
            timeout_s=5.0,
            place=place,
        )

    def leftovers(self) -> Mapping[str, int]:
        return {**leftovers(), "files": sum(1 for _ in self.path.parent.iterdir())}

    def harness(
        self,
        *,
        clock: Clock = SYSTEM_CLOCK,
        sleep: Callable[[float], None] = time.sleep,
        place: Place | None = None,
        visibility_s: float = 0.3,
        late_s: float = 2.0,
    ) -> QueueHarness:
        return QueueHarness(
            open=lambda name: self.opened(name, clock, place),
            clock=clock,
            sleep=sleep,
            ordered=self.ordered,
            visibility_s=visibility_s,
            late_s=late_s,
            timeout_s=5.0,
            reopen=lambda: None,
            leftovers=self.leftovers,
        )

    def virtual(self) -> QueueHarness:
        """Time passes when a check sleeps; only waiting for messages takes real time."""
        clock = ManualClock()
        return self.harness(
            clock=clock,
            sleep=clock.advance,
            place=Place("machine", "boot", "clock"),
            visibility_s=1.0,
            late_s=0.01,
        )


def _run(check: QueueCheck, harness: QueueHarness) -> None:
    assert not check.missing(harness), "no check is left out"
    check.run(harness)


@queue_checks
def test_the_embedded_queue_keeps_the_promise(kind: str, check: QueueCheck, tmp_path: Path) -> None:
    _run(check, _File(tmp_path / "q.db", ordered=kind == "fifo").virtual())


@queue_checks
def test_the_embedded_queue_keeps_the_promise_in_real_time(
    kind: str, check: QueueCheck, tmp_path: Path
) -> None:
    _run(check, _File(tmp_path / "q.db", ordered=kind == "fifo").harness())


def test_all_checks_run_at_once_but_those_of_the_other_kind(tmp_path: Path) -> None:
    left_out = check_queue(_File(tmp_path / "q.db", ordered=False).virtual())
    assert left_out
    assert all("fifo" in check.needs for check in left_out)
