"""When leases of messages are extended, and when they are given up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.errors import Certainty, StoreError, StoreRefused, StoreUnavailable
from coord.tasks.queue.hand import InHand, Outcome, Patience
from coord.tasks.queue.leases import LeaseBook
from coord.testing.clock import ManualClock
from tests.unit.tasks.queue.hands import PATIENCE, hand, message

_AWAY = StoreUnavailable("no answer", certainty=Certainty.UNKNOWN)
_GONE = StoreRefused("the receipt is superseded")


class Worked:
    """A job that somebody works on."""

    def cancel(self, why: str) -> None:
        self.why = why


class Desk:
    """A lease book, worked off as the clerk does it, on a clock of the test's."""

    def __init__(self, patience: Patience = PATIENCE, batch_size: int = 10) -> None:
        self.clock = ManualClock()
        self.book = LeaseBook(patience, batch_size)
        self.patience = patience
        self.running: list[InHand] = []
        self.shown: list[tuple[InHand, float]] = []
        self.overrun: list[InHand] = []

    def take(self, count: int = 1) -> list[InHand]:
        hands = [hand(self.clock, n, patience=self.patience) for n in range(count)]
        self.book.take(hands, self.clock.now())
        return hands

    def turn(self, answer: StoreError | None = None, *, takes_s: float = 0.0) -> list[int]:
        """Give up what is overdue, extend what is due; the sizes of the batches."""
        sizes = []
        self.shown += self.book.give_up(self.running, self.clock.now())
        while hands := self.book.due(self.clock.now()):
            sent_at_s = self.clock.now()
            changes = self.book.changes(hands, sent_at_s)
            self.clock.advance(takes_s)
            answers = [answer] * len(hands)
            self.book.answered(hands, changes, answers, sent_at_s=sent_at_s, now=self.clock.now())
            sizes.append(len(hands))
        self.overrun += self.book.overruns(self.clock.now())
        return sizes

    def run_until(self, end_s: float, answer: StoreError | None = None) -> int:
        """Turn after turn, each when it is due; how many calls that made."""
        calls = 0
        while self.book.next_s <= end_s:
            self.clock.set(max(self.clock.now(), self.book.next_s))
            calls += len(self.turn(answer))
        self.clock.set(max(self.clock.now(), end_s))
        return calls


def test_trust_counts_from_before_the_request_and_leaves_out_the_drift() -> None:
    clock = ManualClock()
    held = InHand(message(), clock.now() - 2.0, Patience(30.0, 3600.0, drift=0.01), clock)
    assert held.deadline_s == clock.now() - 2.0 + 30.0 * 0.99


@given(st.floats(-0.002, 0.002), st.floats(0.0, 25.0), st.floats(0.0, 1e6))
def test_nobody_is_shown_a_message_before_its_holder_stops_trusting_it(
    rate: float, answer_s: float, sent_at_s: float
) -> None:
    """The queue hides it from its answer on, by its own clock, which runs at another rate."""
    clock = ManualClock(sent_at_s)
    held = InHand(message(), sent_at_s, PATIENCE, clock)
    visible_s = sent_at_s + answer_s + PATIENCE.visibility_s / (1 + rate)
    assert held.deadline_s <= visible_s


def test_a_lease_is_extended_after_a_third_of_its_time() -> None:
    desk = Desk()
    (held,) = desk.take()
    began_s = desk.clock.now()
    assert desk.book.next_s == began_s + 10.0
    desk.clock.advance(10.0)
    assert desk.turn() == [1]
    assert held.deadline_s == pytest.approx(began_s + 10.0 + 30.0 * 0.998)


def test_ten_go_into_a_call_and_those_that_come_due_shortly_go_along() -> None:
    desk = Desk()
    desk.take(4)
    desk.clock.advance(0.5)
    desk.take(13)
    desk.clock.advance(9.5)
    assert desk.turn() == [10]
    desk.clock.advance(0.5)
    assert desk.turn() == [7]


def test_what_is_done_with_is_not_extended() -> None:
    desk = Desk()
    first, second = desk.take(2)
    first.let_go()
    desk.clock.advance(10.0)
    assert desk.turn() == [1]
    assert second.deadline_s > first.deadline_s


def test_a_transient_error_is_tried_again_and_loses_nothing() -> None:
    desk = Desk()
    (held,) = desk.take()
    desk.clock.advance(10.0)
    for _ in range(5):
        desk.turn(_AWAY)
        desk.clock.set(desk.book.next_s)
    desk.turn()
    assert not held.lapsed
    assert held.deadline_s == pytest.approx(desk.clock.now() + 30.0 * 0.998)


def test_an_answer_that_never_comes_lapses_the_lease_before_others_can_see_the_message() -> None:
    desk = Desk()
    (held,) = desk.take()
    until_s = held.deadline_s
    desk.run_until(until_s - PATIENCE.grace_s, _AWAY)
    assert held.lapsed
    assert desk.clock.now() <= until_s - PATIENCE.grace_s
    assert "could not be extended" in held.why


def test_a_superseded_receipt_lapses_the_lease_at_once() -> None:
    desk = Desk()
    (held,) = desk.take()
    held.stands_under(Worked())  # type: ignore[arg-type]
    desk.clock.advance(10.0)
    desk.turn(_GONE)
    assert held.lapsed
    assert held.stopping
    assert desk.overrun == [held], "others may have it already, and it is still worked on"


def test_an_answer_that_comes_after_work_had_to_stop_takes_nothing_up_again() -> None:
    desk = Desk()
    (held,) = desk.take()
    desk.clock.advance(10.0)
    desk.turn(takes_s=17.5)
    assert held.lapsed
    assert held.stopping


def test_a_batch_behind_slow_calls_is_judged_when_it_can_be_sent() -> None:
    desk = Desk()
    hands = desk.take(30)
    desk.clock.advance(25.0)
    assert desk.turn(takes_s=1.5) == [10, 10]
    assert [hand.lapsed for hand in hands] == [False] * 10 + [True] * 20


def test_what_is_done_with_is_forgotten_before_it_is_due() -> None:
    """Or a fast worker would keep the bodies of all that it did in ten seconds."""
    desk = Desk()
    hands = desk.take(10)
    entry = hands[0].entry
    for held in hands:
        held.let_go()
    assert not entry
    assert desk.run_until(desk.clock.now() + 60.0) == 0


def test_what_was_let_go_before_it_was_entered_is_not_extended() -> None:
    desk = Desk()
    held = hand(desk.clock)
    held.let_go()
    desk.book.take([held], desk.clock.now())
    assert desk.run_until(desk.clock.now() + 60.0) == 0


def test_a_timeout_bounds_the_lease_and_not_the_rest_after_it() -> None:
    clock = ManualClock()
    held = hand(clock)
    held.bound(clock.now() + 1.0)
    assert held.ceiling_s == clock.now() + 1.0 + PATIENCE.grace_s
    assert held.latest_s > clock.now() + 11 * 3600.0


def test_an_extension_counts_from_its_own_request_and_never_moves_back() -> None:
    clock = ManualClock()
    held = hand(clock)
    held.extended(30.0, clock.now() + 5.0)
    later_s = held.deadline_s
    held.extended(30.0, clock.now() + 1.0)
    assert held.deadline_s == later_s


def test_no_extension_reaches_beyond_the_ceiling_and_the_end_is_told_in_time() -> None:
    patience = Patience(30.0, 100.0)
    desk = Desk(patience)
    (held,) = desk.take()
    began_s = desk.clock.now()
    desk.run_until(began_s + 70.0)
    assert began_s + 99.0 < held.deadline_s <= began_s + 100.0 * 0.998
    assert held.why == ""
    desk.run_until(began_s + 100.0)
    assert held.why == "the queue hides no message for longer in all"


def test_a_message_at_its_ceiling_is_not_asked_about_again_and_again() -> None:
    desk = Desk(Patience(30.0, 100.0))
    desk.take()
    assert desk.run_until(desk.clock.now() + 100.0) <= 9


def _timed(desk: Desk, timeout_s: float, rest_s: float) -> InHand:
    """A message on which work has just begun."""
    (held,) = desk.running = desk.take()
    held.stands_under(Worked())  # type: ignore[arg-type]
    held.bound(desk.clock.now() + timeout_s, rest_s)
    return held


@pytest.mark.parametrize("timeout_s", [45.0, 2.0], ids=["renewed", "never-renewed"])
def test_a_handler_that_ignores_its_timeout_is_given_up_a_grace_later(timeout_s: float) -> None:
    desk = Desk()
    held = _timed(desk, timeout_s, 5.0)
    over_s = desk.clock.now() + timeout_s + PATIENCE.grace_s
    desk.run_until(over_s - 0.1)
    desk.turn()
    assert not held.lapsed
    assert held.stopping
    assert not held.is_lost(desk.clock.now()), "one that ends now is a failure, and rests"
    desk.clock.set(over_s)
    desk.turn()
    assert held.why == "the timeout of its task is over"
    assert held.is_lost(desk.clock.now())
    assert desk.book.fallen() == [held]


def test_what_is_hidden_for_longer_than_its_handler_may_take_is_shown_after_its_rest() -> None:
    desk = Desk()
    held = _timed(desk, 2.0, 5.0)
    desk.clock.advance(2.0 + PATIENCE.grace_s + 0.5)  # the look comes late
    desk.turn()
    ((shown, seconds),) = desk.shown
    assert shown is held
    assert seconds == pytest.approx(4.5)
    desk.run_until(desk.clock.now() + 4.0)
    assert desk.overrun == []
    desk.run_until(desk.clock.now() + 1.0)
    assert desk.overrun == [held], "from now on others may have it, and it is still worked on"


def test_what_was_last_hidden_until_then_shows_by_itself() -> None:
    desk = Desk()
    held = _timed(desk, 45.0, 5.0)
    show_s = desk.clock.now() + 45.0 + PATIENCE.grace_s + 5.0
    desk.run_until(show_s - 5.0)
    assert held.is_full
    assert held.hidden_s == pytest.approx(show_s, abs=0.1)
    desk.turn()
    assert held.lapsed
    assert desk.shown == []


def test_a_rest_longer_than_a_lease_is_asked_for_as_a_whole() -> None:
    desk = Desk()
    held = _timed(desk, 45.0, 900.0)
    desk.run_until(desk.clock.now() + 45.0 + PATIENCE.grace_s)
    desk.turn()
    ((shown, seconds),) = desk.shown
    assert shown is held
    assert seconds == pytest.approx(900.0)
    assert desk.run_until(desk.clock.now() + 600.0) == 0, "it is extended no more"


def test_a_handler_that_ended_is_not_given_up() -> None:
    desk = Desk()
    held = _timed(desk, 2.0, 5.0)
    held.outcome = Outcome.DONE
    desk.clock.advance(6.0)
    desk.turn()
    assert not held.lapsed
    assert desk.shown == []


def test_a_request_that_may_show_a_message_earlier_counts_from_when_it_is_sent() -> None:
    """Its answer may be lost: whoever trusts the longer time would trust what others have."""
    desk = Desk()
    held = _timed(desk, 12.0, 1.0)
    began_s = desk.clock.now()
    desk.clock.advance(10.0)
    desk.turn(_AWAY)
    assert held.hidden_s <= began_s + 12.0 + PATIENCE.grace_s + 1.0
    assert not held.lapsed


def test_one_that_is_still_worked_on_when_others_may_have_it_is_named_once() -> None:
    desk = Desk()
    (held,) = desk.take()
    held.stands_under(Worked())  # type: ignore[arg-type]
    visible_s = held.deadline_s
    desk.run_until(visible_s - 0.1, _AWAY)
    assert held.lapsed
    assert desk.overrun == []
    desk.run_until(visible_s + 60.0, _AWAY)
    assert desk.overrun == [held]


def test_one_that_has_stopped_in_time_is_no_overrun() -> None:
    desk = Desk()
    (held,) = desk.take()
    desk.run_until(held.stop_at_s, _AWAY)
    held.outcome = Outcome.LAPSED
    desk.run_until(desk.clock.now() + 60.0)
    assert desk.overrun == []


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(1, 30))
def test_while_calls_succeed_often_enough_no_lease_is_lost(answers: list[bool], count: int) -> None:
    """Whatever fails in between: three in a row are survived."""
    desk = Desk()
    hands = desk.take(count)
    failed = 0
    for is_good in answers:
        desk.clock.set(max(desk.clock.now(), desk.book.next_s))
        good = is_good or failed >= 3
        failed = 0 if good else failed + 1
        desk.turn(None if good else _AWAY)
        assert all(held.deadline_s > desk.clock.now() for held in hands)
