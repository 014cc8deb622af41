"""How many threads run plain functions, and what waits behind one that does not come back."""

from __future__ import annotations

import threading

from coord.tasks.backoff import Backoff
from coord.tasks.memory import NoMemory
from coord.tasks.queue.admission import Fixed
from coord.tasks.queue.backlog import Backlog
from coord.tasks.queue.crew import Crew
from coord.tasks.queue.hand import InHand
from coord.tasks.queue.payload import Handler, JsonCodec
from coord.tasks.queue.runs import Ended, Runs
from coord.testing.clock import ManualClock
from tests.unit.tasks.queue.hands import hand
from tests.unit.tasks.queue.scripted import WITHIN_S


def _nothing(*_: object) -> None:
    """Of no interest here."""


def _is_short(backlog: Backlog) -> bool:
    return backlog.is_short


def test_nobody_is_called_while_handlers_are_quick_until_one_does_not_come_back() -> None:
    clock = ManualClock()
    backlog = Backlog(Fixed(4), clock, deferred=_nothing, limited=_nothing)
    backlog.put([hand(clock, n) for n in range(10)])
    assert _is_short(backlog), "nobody is there yet"
    one = backlog.take()
    for _ in range(5):
        assert one is not None
        assert not _is_short(backlog)
        one = backlog.ended(one, 0.0, and_next=True)
    assert backlog.look_after()
    assert _is_short(backlog)


def test_while_handlers_take_long_somebody_is_called_at_once() -> None:
    clock = ManualClock()
    backlog = Backlog(Fixed(4), clock, deferred=_nothing, limited=_nothing)
    backlog.put([hand(clock, n) for n in range(10)])
    one = backlog.take()
    assert one is not None
    assert backlog.ended(one, 0.1, and_next=True) is not None
    assert _is_short(backlog)


def test_nothing_waits_behind_a_handler_that_was_always_quick_and_hangs() -> None:
    clock, last = ManualClock(), threading.Event()
    backlog = Backlog(Fixed(4), clock, deferred=_nothing, limited=_nothing)

    def work(one: InHand) -> InHand | None:
        if one.message.id == "m5":
            assert last.wait(WITHIN_S)
        elif one.message.id == "m9":
            last.set()
        return backlog.ended(one, 0.0, and_next=True)

    backlog.put([hand(clock, n) for n in range(10)])
    Crew(backlog, work, 4, broke=_nothing).start()
    assert last.wait(WITHIN_S)
    assert backlog.close() == []


class _Ticking(ManualClock):
    """Time goes by at each look."""

    def now(self) -> float:
        self.advance(0.01)
        return super().now()


def test_a_handler_is_not_told_to_stop_before_its_timeout_is_over_however_slowly_it_begins() -> (
    None
):
    """Or what it did until then would count neither as done nor as failed."""
    clock = _Ticking()
    runs = Runs(
        {"slow": Handler.of("slow", lambda _: None, timeout_s=5.0)},
        queue="q",
        codec=JsonCodec(),
        memory=NoMemory(),
        backoff=Backoff(),
        clock=clock,
    )
    one = hand(clock)
    one.began_s = clock.now()
    found = runs.begin(one)
    assert not isinstance(found, Ended)
    assert abs(one.stop_at_s - found[1].end_s) < 1e-9
