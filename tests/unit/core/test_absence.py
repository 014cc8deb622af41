"""A member that does not take what is its own to take is kept from it for a while, by its name."""

from __future__ import annotations

import pytest

from coord.model import ClaimKey, LiveMember
from tests.unit.core.office import TIMING, Office, key
from tests.unit.core.test_desk import _bereft, _free, _role, _settled

_INF = float("inf")


def _kept_s(office: Office, now: float) -> float:
    """Let b fail to take its claim from `now` on; for how long a keeps it from b afterwards."""
    office.see(now, "b", claims=(_free(key(0)), _free(key(1))))
    (other,) = {key(0), key(1)} - office.wants(now)
    taken_s = office.first_want(now, other, by_s=now + 3.0)
    tenancies = office.hold(key(0), key(1), since_s=taken_s)
    now = taken_s + 0.1
    office.see(now, "b", held={key(0): "a", key(1): "a"})
    while other not in office.asks(now):
        assert now < office.desk.wake_s < _INF
        now = office.desk.wake_s
    for tenancy in tenancies:
        office.tenures.taken(tenancy, "test")
        office.tenures.work_ended(tenancy, None)
    return now - taken_s


def test_what_another_failed_to_take_is_kept_from_it_for_a_while_that_doubles() -> None:
    """Else the claim would be without a leader again at once while that member is paused."""
    office = _settled(_role(shards=2), "b", now=100.0)
    waits = [_kept_s(office, start_s) for start_s in (200.0, 300.0, 400.0)]
    assert waits == pytest.approx([10.0, 20.0, 40.0])
    office.see(490.0, "b", held={key(0): "b", key(1): "b"})
    assert _kept_s(office, 500.0) == pytest.approx(10.0), "it took it in between"


def _left_to(office: Office, other: LiveMember, now: float) -> tuple[ClaimKey, float]:
    """Both claims are free; a takes its own, and the other's when that is overdue: which, when."""
    office.see(now, other, claims=(_free(key(0)), _free(key(1))))
    (left,) = {key(0), key(1)} - office.wants(now)
    return left, office.first_want(now, left, by_s=now + 3.0)


def test_a_member_that_opens_session_after_session_is_kept_from_what_it_does_not_take() -> None:
    """Its replies are lost: to the store each attempt is a session, and nobody is behind it."""
    office = _settled(_role(shards=2), "b", now=100.0)
    left, taken_s = _left_to(office, office.member("b"), 200.0)
    office.hold(key(0), key(1), since_s=taken_s)
    led = {key(0): "a", key(1): "a"}
    office.see(taken_s + 0.1, "b", held=led)
    for attempt in range(1, 5):
        now = taken_s + 2.0 * attempt
        office.see(now, office.member("b", session=f"s-b{attempt}"), held=led)
        assert left not in office.asks(now + 1.5), f"session {attempt} was taken for a newcomer"
    assert left in office.asks(taken_s + TIMING.ttl_s)


def test_of_each_member_that_did_not_take_a_claim_it_is_known() -> None:
    """Else two that are cut off are handed it in turn, each as if the other had been its last."""
    office = _settled(_role(shards=2), "b", now=100.0)
    kept_s = [_kept_s(office, 200.0)]
    office.see(300.0, "c", held={key(0): "c", key(1): "c"})
    left, taken_s = _left_to(office, office.member("c"), 302.0)
    office.hold(key(0), key(1), since_s=taken_s)
    office.see(taken_s + 0.1, "b", "c", held={key(0): "a", key(1): "a"})
    assert left not in office.asks(taken_s + 9.9)
    for tenancy in office.tenures.of_role("r"):
        office.tenures.taken(tenancy, "test")
        office.tenures.work_ended(tenancy, None)
    office.see(390.0, "c", held={key(0): "c", key(1): "c"})
    kept_s.append(_kept_s(office, 400.0))
    assert kept_s == pytest.approx([10.0, 20.0]), "what c did is no excuse for b"


def test_whom_a_claim_was_let_go_for_is_not_offered_it_at_once_though_the_plan_named_another() -> (
    None
):
    """What is free is dealt otherwise than what is held: each would be spared for the other."""
    office = _settled(_role(shards=2), "b", "c", now=100.0)
    (tenancy, _) = office.hold(key(1), key(0), since_s=60.0)
    office.see(200.0, "b", held={key(0): "a", key(1): "a"})
    assert office.asks(205.0) == {key(1)}, "for b"
    office.tenures.taken(tenancy, "test")
    office.tenures.work_ended(tenancy, None)
    office.see(205.1, "c", held={key(0): "a"}, claims=(_free(key(1)),))
    taken_s = office.first_want(205.1, key(1), by_s=209.0)
    office.hold(key(1), since_s=taken_s)
    office.see(taken_s + 0.1, "b", held={key(0): "a", key(1): "a"})
    assert office.asks(taken_s + 9.9) == set()
    assert office.asks(taken_s + 10.0) == {key(1)}


def test_what_a_member_did_not_take_long_ago_is_forgotten() -> None:
    office = _settled(_role(shards=2), "b", now=100.0)
    assert _kept_s(office, 200.0) == pytest.approx(10.0)
    office.see(1000.0, "b", held={key(0): "a", key(1): "a"})
    assert _kept_s(office, 1001.0) == pytest.approx(10.0)


def test_sessions_of_one_member_are_no_change_of_the_fleet() -> None:
    """A member that never learns of its session would else hold up what it leaves for long."""
    office = _bereft(4, "b")
    mine = office.wants(200.0)
    left = tuple(_free(key(shard)) for shard in range(4) if key(shard) not in mine)
    office.hold(*mine, since_s=200.0)
    for attempt in range(1, 6):
        now = 200.0 + 0.5 * attempt
        several = [office.member("b", session=f"s-b{n}") for n in range(attempt)]
        office.see(now, *several, held=dict.fromkeys(mine, "a"), claims=left)
        office.decide(now)
    assert office.wants(200.0 + TIMING.settle_s + 2 * TIMING.claim_timeout_s)
