"""What a runner writes down of units, and reads there."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from coord.tasks import Job, Ledger, Tick, spec_of, task
from coord.tasks.ledger import Attempt
from coord.tasks.runner.notes import LedgerNotes, enqueued_key
from coord.tasks.schedule import Pin, Seen, TickPart, UnitState
from coord.testing.clock import ManualClock

_START_S = 1_800_000_000.0
_NUMBERS = count()


def _tick(seconds: float) -> Tick:
    return Tick.of(_START_S + seconds)


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    made = Ledger.open(f"memory://notes-{next(_NUMBERS)}", clock=ManualClock(), lease_s=30.0)
    yield made
    made.close()


@task(every="10s")
def plain(job: Job) -> None:
    """A task without anything special."""


def _notes(
    ledger: Ledger, *, scope: str = "a", token: int = 1, is_queue: bool = False
) -> LedgerNotes:
    spec = spec_of(plain)
    assert spec.schedule is not None
    return LedgerNotes(ledger, spec, spec.schedule, scope=scope, token=token, is_queue=is_queue)


def test_a_new_task_begins_now_for_all_members_alike(ledger: Ledger) -> None:
    first, second = _notes(ledger), _notes(ledger)
    assert first.cursor(_START_S + 25.0) == _tick(20.0)
    assert second.cursor(_START_S + 99.0) == _tick(20.0)


def test_a_cursor_never_moves_back_and_not_from_older_notes(ledger: Ledger) -> None:
    first, second = _notes(ledger), _notes(ledger)
    first.cursor(_START_S)
    second.cursor(_START_S)
    first.move(_tick(50.0))
    second.move(_tick(30.0))
    assert second.cursor(_START_S) == _tick(50.0)
    second.move(_tick(40.0))
    assert first.cursor(_START_S) == _tick(50.0)


def test_of_two_who_begin_a_tick_in_different_shapes_one_says_into_how_many_parts_it_is_cut(
    ledger: Ledger,
) -> None:
    four, six = _notes(ledger), _notes(ledger, scope="b")
    four.cursor(_START_S)
    six.cursor(_START_S)
    assert four.pin(four.cut(4).pinned(_tick(10.0)))
    assert not six.pin(six.cut(6).pinned(_tick(20.0))), "it planned a tick that is cut otherwise"
    six.cursor(_START_S)
    assert six.pin(six.cut(6).pinned(_tick(20.0)))
    four.cursor(_START_S)
    cut = four.cut(4)
    assert [cut.of(_tick(seconds)) for seconds in (10.0, 20.0, 30.0)] == [4, 6, 4]
    assert four.move(_tick(10.0))
    six.cursor(_START_S)
    assert six.cut(6).pins == (Pin(_tick(20.0), 6),), "what is settled is forgotten"


def test_of_two_who_begin_a_tick_in_one_shape_both_go_on(ledger: Ledger) -> None:
    one, other = _notes(ledger), _notes(ledger, scope="b")
    one.cursor(_START_S)
    other.cursor(_START_S)
    assert one.pin(one.cut(4).pinned(_tick(10.0)))
    assert other.pin(other.cut(4).pinned(_tick(10.0)))


def test_what_a_unit_is_known_for(ledger: Ledger) -> None:
    mine, newer, other = _notes(ledger), _notes(ledger, token=2), _notes(ledger, scope="b")
    unit = TickPart(_tick(10.0), 0)
    assert mine.states([unit]) == {}
    attempt = mine.begin(unit, lost=lambda: None)
    assert isinstance(attempt, Attempt)
    assert mine.states([unit])[unit].state is UnitState.IN_PROGRESS
    assert other.states([unit])[unit].state is UnitState.IN_PROGRESS
    assert newer.states([unit]) == {}, "a newer term of the scope may begin it"
    attempt.failed("x")
    assert other.states([unit]) == {}, "what has failed may be begun"
    again = other.begin(unit, lost=lambda: None)
    assert isinstance(again, Attempt)
    again.done()
    assert mine.states([unit]) == {unit: Seen(UnitState.DONE)}


def test_what_is_given_up_is_written_down_and_what_was_begun_is_left(ledger: Ledger) -> None:
    notes = _notes(ledger)
    left, begun = TickPart(_tick(10.0), 0), TickPart(_tick(20.0), 0)
    attempt = _notes(ledger, scope="b").begin(begun, lost=lambda: None)
    assert isinstance(attempt, Attempt)
    notes.skip([left, begun])
    states = notes.states([left, begun])
    assert states[left].state is UnitState.SKIPPED
    assert states[begun].state is UnitState.IN_PROGRESS


def test_a_queue_sees_what_was_enqueued_and_leaders_do_not(ledger: Ledger) -> None:
    unit = TickPart(_tick(10.0), 0)
    ledger.once(enqueued_key("plain", unit), lambda: {"at_s": 5.0})
    assert _notes(ledger).states([unit]) == {}
    found = _notes(ledger, is_queue=True).states([unit])
    assert found == {unit: Seen(UnitState.ENQUEUED, 5.0)}
