"""The attended clock and the book of debts, each by itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coord.core.progress import AttendedClock, Debt, DebtBook

_INF = float("inf")

# --- the attended clock ----------------------------------------------------------------------


def test_the_attended_clock_runs_while_steps_arrive_when_they_were_asked_for() -> None:
    clock = AttendedClock(slack_s=0.5)
    for now in (100.0, 102.0, 104.0):
        clock.attend(now)
        clock.ask(now + 2.0)
    assert clock.now_s == 4.0


def test_a_step_that_comes_too_late_counts_up_to_when_it_was_asked_for_plus_the_slack() -> None:
    clock = AttendedClock(slack_s=0.5)
    clock.attend(100.0)
    clock.ask(102.0)
    clock.attend(160.0)
    assert clock.now_s == 2.5


def test_events_between_two_steps_read_the_clock_and_move_it_not() -> None:
    clock = AttendedClock(slack_s=0.5)
    clock.attend(100.0)
    clock.ask(102.0)
    assert clock.reading(101.0) == 1.0
    assert clock.reading(500.0) == 2.5
    assert clock.now_s == 0.0


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), max_size=30))
def test_the_attended_clock_never_runs_backwards_nor_faster_than_time(
    course: list[tuple[float, float]],
) -> None:
    clock, now = AttendedClock(slack_s=0.5), 100.0
    clock.attend(now)
    for asked_s, came_s in course:
        clock.ask(now + asked_s)
        before, now = clock.now_s, now + came_s
        clock.attend(now)
        assert 0 <= clock.now_s - before <= came_s + 1e-9
        assert clock.now_s - before <= asked_s + 0.5 + 1e-9


def test_of_a_step_that_came_late_all_the_time_before_it_counts_as_lost() -> None:
    """The clock may have leapt right after the step before: two seconds of patience too many."""
    clock = AttendedClock(slack_s=0.5)
    assert clock.lost(90.0) == 0.0, "nothing is lost before the first step"
    clock.attend(100.0)
    clock.ask(102.0)
    assert clock.lost(102.5) == 0.0
    assert clock.lost(160.0) == 60.0
    clock.attend(160.0)
    clock.ask(162.0)
    assert clock.lost(161.0) == 60.0
    clock.attend(162.0)
    clock.ask(164.0)
    assert clock.lost(170.0) == 68.0


# --- the book of debts -----------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 5), st.one_of(st.none(), st.floats(0, 100))), max_size=40))
def test_the_book_finds_exactly_what_is_due_whatever_was_owed_moved_or_settled(
    course: list[tuple[int, float | None]],
) -> None:
    book, debts = DebtBook(), [Debt(number, 1.0) for number in range(6)]
    for number, due_s in course:
        if due_s is None:
            book.settle(debts[number])
        else:
            book.owe(debts[number], due_s)
        assert book.next_due_s() <= min(debt.due_s for debt in debts)
    wanted = {debt.number for debt in debts if debt.due_s <= 50.0}
    later = {debt.number for debt in debts if 50.0 < debt.due_s < _INF}
    assert {debt.number for debt in book.late(50.0)} == wanted
    assert book.late(50.0) == [], "each is found once"
    assert {debt.number for debt in book.late(100.0)} == later
    assert book.next_due_s() == _INF
