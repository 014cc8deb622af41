"""Until when a receive whose answer was lost is asked for again, and by whom."""

from __future__ import annotations

from coord_sqs.attempts import Attempts

_NOW = 1000.0
_TIMEOUT_S = 3.0


def _lost(visibility_s: int = 30, *, count: int = 5, wait_s: float = 0.0) -> Attempts:
    attempts = Attempts(_TIMEOUT_S)
    attempts.lost(attempts.new(count, visibility_s, wait_s=wait_s, now=_NOW))
    return attempts


def test_it_is_asked_for_only_while_a_whole_call_ends_before_others_may_have_its_messages() -> None:
    last_s = _NOW + 30.0 * 0.998 - _TIMEOUT_S
    assert _lost().again(5, 30, last_s - 0.001) is not None
    assert _lost().again(5, 30, last_s) is None


def test_amazon_remembers_it_for_five_minutes_however_long_its_messages_are_hidden() -> None:
    last_s = _NOW + 300.0 * 0.998 - _TIMEOUT_S
    assert _lost(3600).again(5, 3600, last_s - 0.001) is not None
    assert _lost(3600).again(5, 3600, last_s) is None


def test_it_is_given_to_one_at_a_time_and_to_nobody_who_wants_something_else() -> None:
    attempts = _lost()
    assert attempts.again(4, 30, _NOW) is None
    assert attempts.again(5, 31, _NOW) is None
    found = attempts.again(10, 30, _NOW)
    assert found is not None
    assert attempts.again(10, 30, _NOW) is None
    attempts.lost(found)
    assert attempts.again(10, 30, _NOW) is found


def test_where_nothing_was_it_is_asked_for_once_more_when_amazon_waits_no_more() -> None:
    """A request whose connection broke may go on waiting there, and be given messages."""
    attempts = _lost(wait_s=20.0)
    first = attempts.again(5, 30, _NOW + 1.0)
    assert first is not None
    attempts.was_empty(first)
    assert attempts.again(5, 30, _NOW + 19.9) is None
    assert attempts.again(5, 30, _NOW + 20.0) is first
    attempts.was_empty(first)
    assert attempts.again(5, 30, _NOW + 25.0) is None


def test_where_nothing_was_and_nobody_waits_it_is_over() -> None:
    attempts = _lost()
    found = attempts.again(5, 30, _NOW + 1.0)
    assert found is not None
    attempts.was_empty(found)
    assert attempts.again(5, 30, _NOW + 2.0) is None


def test_no_two_receives_have_one_id() -> None:
    attempts = Attempts(_TIMEOUT_S)
    ids = {attempts.new(1, 30, wait_s=0.0, now=_NOW).id for _ in range(100)}
    assert len(ids) == 100
    assert all(len(one) <= 128 and one.isalnum() for one in ids)
