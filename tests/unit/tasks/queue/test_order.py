"""FIFO groups in hand."""

from __future__ import annotations

from coord.tasks.queue.order import Groups
from coord.testing.clock import ManualClock
from tests.unit.tasks.queue.hands import hand

CLOCK = ManualClock()


def test_one_of_a_group_begins_and_the_next_when_it_is_gone() -> None:
    first, second, other = (hand(CLOCK, n, group=g) for n, g in enumerate("aab"))
    groups = Groups()
    assert groups.enter([first, second, other]) == [first, other]
    assert groups.gone(first) is second
    assert groups.gone(second) is None
    assert groups.gone(other) is None


def test_what_comes_later_waits_behind_what_is_in_hand() -> None:
    first, second = (hand(CLOCK, n, group="a") for n in range(2))
    groups = Groups()
    groups.enter([first])
    assert groups.enter([second]) == []
    assert groups.gone(first) is second


def test_when_one_comes_to_nothing_those_behind_it_go_back() -> None:
    first, second, third, other = (hand(CLOCK, n, group=g) for n, g in enumerate("aaab"))
    groups = Groups()
    groups.enter([first, second, third, other])
    assert groups.failed(first) == [second, third]
    assert groups.gone(other) is None
    assert groups.enter([second]) == [second], "delivered again, it begins anew"


def test_one_that_is_in_no_line_any_more_moves_nothing() -> None:
    first, second = (hand(CLOCK, n, group="a") for n in range(2))
    groups = Groups()
    groups.enter([first])
    groups.failed(first)
    assert groups.failed(first) == []
    groups.enter([second])
    assert groups.gone(first) is None
