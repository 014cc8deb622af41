"""When a member claims, hands over, waits and rotates: all waiting counted from its own views."""

from __future__ import annotations

from typing import Any

import pytest

from coord.config import Role
from coord.core.decision import SETTLE_PATIENCE
from coord.model import Claim, ClaimKey, Ending, EndingKind, Note
from tests.unit.core.office import TIMING, Office, key
from tests.unit.core.views import claim_of

_INF = float("inf")


def _role(**settings: Any) -> Role:  # noqa: ANN401
    return Role("r", **settings)


def _settled(role: Role, *others: str, now: float = 100.0, **settings: Any) -> Office:  # noqa: ANN401
    """A member that has been with the others for long: it may claim at once."""
    office = Office(role, **settings)
    office.see(now - 50.0, *others)
    office.decide(now - 49.0)
    return office


def _free(one: ClaimKey, note: Note | None = None, *, token: int = 7) -> Claim:
    return claim_of(one, None, token=token, note=note)


def _barred(member: str, bar_s: float, *, last: str = "") -> Note:
    ending = Ending(member=member, kind=EndingKind.WEDGED, bar_s=bar_s)
    return Note(member=last or member, endings=(ending,))


# --- settling --------------------------------------------------------------------------------


def test_a_newcomer_claims_nothing_until_the_group_has_settled() -> None:
    office = Office(_role(shards=4))
    office.see(100.0)
    assert office.wants(100.0) == set()
    assert office.desk.wake_s == 101.0
    assert office.wants(101.0) == {key(shard) for shard in range(4)}


def test_another_newcomer_starts_the_settling_anew() -> None:
    """A fleet that starts together shares the work once instead of shuffling it."""
    office = Office(_role(shards=4))
    office.see(100.0)
    office.see(100.8, "b")
    assert office.wants(101.0) == set()
    assert office.desk.wake_s == 101.8
    assert len(office.wants(101.8)) == 2


def test_a_fleet_that_never_settles_delays_a_claim_by_five_settlings_at_most() -> None:
    office = Office(_role(shards=4))
    now = 100.0
    while now < 100.0 + SETTLE_PATIENCE * TIMING.settle_s:
        office.see(now, *(["b"] if round(now * 2) % 2 else []))
        assert office.wants(now) == set()
        assert now < office.desk.wake_s <= 105.0
        now += 0.5
    assert office.wants(105.0) != set()


def test_a_member_that_the_view_does_not_list_claims_nothing() -> None:
    office = Office(_role())
    office.see(100.0, listed=False)
    assert office.wants(500.0) == set()


def test_a_settled_member_takes_what_a_leaver_lets_go_of_at_once() -> None:
    office = _settled(_role(shards=2), "b")
    office.see(100.0, "b", held={key(0): "a", key(1): "b"})
    office.hold(key(0), since_s=60.0)
    office.see(100.5, held={key(0): "a"}, claims=(_free(key(1)),))
    assert office.wants(100.5) == {key(1)}


def test_a_new_session_is_a_newcomer() -> None:
    office = _settled(_role())
    office.desk.forget_session()
    office.see(100.0)
    assert office.wants(100.0) == set()
    assert office.wants(101.0) == {key(0)}


def test_a_view_that_changes_nothing_but_heartbeats_asks_for_no_decision() -> None:
    office = _settled(_role())
    office.see(100.0, held={key(0): "a"})
    office.decide(100.0)
    before, revision = office.desk.wake_s, office._revision
    office._revision = revision - 1
    office.see(101.0, held={key(0): "a"})
    assert office.desk.wake_s == before == _INF


def test_a_request_carries_what_was_seen_so_that_it_loses_to_any_change() -> None:
    office = _settled(_role(lock_delay_s=3.0))
    office.see(100.0, claims=(_free(key(0), token=41),))
    (request,) = office.decide(100.0).claims
    assert request.seen_token == 41
    assert request.role_version == 1
    assert request.note == Note(member="a", clean=False, lock_delay_s=3.0)


# --- handing over ----------------------------------------------------------------------------


def _crowded(role: Role, *keys: ClaimKey) -> Office:
    """Member a leads all of it; b joins at 200."""
    office = _settled(role, now=100.0)
    office.hold(*keys, since_s=60.0)
    office.see(200.0, "b", held=dict.fromkeys(keys, "a"))
    return office


def test_a_joiner_is_handed_its_part_after_it_has_been_here_for_a_settling_time() -> None:
    """A member that comes and goes moves nothing."""
    office = _crowded(_role(shards=4), *(key(shard) for shard in range(4)))
    assert office.asks(200.9) == set()
    assert office.desk.wake_s == 201.0
    assert office.asks(201.0) == {key(2), key(3)}


def test_a_preferred_member_takes_back_only_after_it_has_been_healthy_for_long() -> None:
    office = _crowded(_role(preferred=("b",), prefer_after_s=30.0), key(0))
    assert office.asks(201.0) == set()
    assert office.desk.wake_s == 230.0
    assert office.asks(230.0) == {key(0)}


def test_a_preferred_member_that_was_away_waits_anew() -> None:
    office = _crowded(_role(preferred=("b",), prefer_after_s=30.0), key(0))
    office.see(220.0, held={key(0): "a"})
    office.present_s.clear()
    office.see(221.0, "b", held={key(0): "a"})
    assert office.asks(230.0) == set()
    assert office.asks(251.0) == {key(0)}


def test_between_two_preferred_members_the_share_moves_as_between_any() -> None:
    role = _role(shards=2, preferred=("a", "b"), prefer_after_s=30.0)
    office = _crowded(role, key(0), key(1))
    assert office.asks(201.0) == {key(1)}


def test_code_that_was_asked_already_is_not_asked_again() -> None:
    office = _crowded(_role(shards=2), key(0), key(1))
    tenancy = office.tenures.at(key(1))
    assert tenancy is not None
    office.tenures.ask(tenancy, "test")
    assert key(0) not in office.asks(201.0)
    office.tenures.work_ended(tenancy, Note())
    assert office.asks(202.0) == set()


# --- delays that travel with the claim -------------------------------------------------------


def test_a_claim_lost_uncleanly_stays_free_for_as_long_as_its_last_holder_wished() -> None:
    """Its own role may say otherwise: what counts is whose late writes may still land."""
    office = _settled(_role(lock_delay_s=0.0))
    note = Note(member="b", clean=False, lock_delay_s=5.0)
    office.see(100.0, claims=(_free(key(0), note),))
    assert office.wants(104.9) == set()
    assert office.desk.wake_s == 105.0
    assert office.wants(105.0) == {key(0)}


def test_a_claim_released_cleanly_has_no_delay() -> None:
    office = _settled(_role())
    office.see(100.0, claims=(_free(key(0), Note(member="b", clean=True, lock_delay_s=5.0)),))
    assert office.wants(100.0) == {key(0)}


def test_a_delay_counts_from_the_first_view_that_showed_the_claim_free() -> None:
    office = _settled(_role())
    claim = _free(key(0), Note(member="b", clean=False, lock_delay_s=5.0))
    for now in (100.0, 102.0, 104.0):
        office.see(now, claims=(claim,))
    assert office.wants(105.0) == {key(0)}


def test_a_barred_member_waits_even_if_it_is_alone_and_comes_back_by_itself() -> None:
    office = _settled(_role())
    office.see(100.0, claims=(_free(key(0), _barred("a", 30.0)),))
    assert office.wants(100.0) == set()
    assert office.desk.wake_s == 130.0
    assert office.wants(130.0) == {key(0)}


def test_what_one_member_is_barred_from_another_takes_at_once() -> None:
    office = _settled(_role(), "b")
    office.see(100.0, "b", claims=(_free(key(0), _barred("b", 30.0)),))
    assert office.wants(100.0) == {key(0)}


def test_a_claim_is_not_handed_back_to_whom_it_defeated_while_the_bar_holds() -> None:
    office = _settled(_role(preferred=("b",), prefer_after_s=0.0), "b")
    office.see(100.0, "b", claims=(_free(key(0), _barred("b", 30.0)),))
    office.hold(key(0), since_s=100.0)
    held = claim_of(key(0), "s-a", token=8, note=_barred("b", 30.0, last="a"))
    office.see(100.1, "b", claims=(held,))
    assert office.asks(129.0) == set()
    assert office.asks(130.0) == {key(0)}


def test_a_member_that_fails_again_is_barred_anew() -> None:
    office = _settled(_role())
    office.see(100.0, claims=(_free(key(0), _barred("a", 30.0), token=7),))
    office.see(140.0, claims=(_free(key(0), _barred("a", 60.0), token=8),))
    assert office.wants(199.0) == set()
    assert office.wants(200.0) == {key(0)}


def test_nobody_takes_a_poisoned_claim_until_the_poison_has_run_out() -> None:
    office = _settled(_role())
    office.see(100.0, claims=(_free(key(0), Note(member="b", poison_s=40.0)),))
    assert office.wants(139.0) == set()
    assert office.first_want(139.0, key(0), by_s=140.0) == 140.0


# --- what others should have taken -----------------------------------------------------------


def _bereft(shards: int, *others: str, name: str = "a") -> Office:
    """Member z led all shards until our view of 200 showed it gone."""
    office = Office(_role(shards=shards), name=name)
    office.see(50.0, "z", *others, held={key(shard): "z" for shard in range(shards)})
    office.decide(60.0)
    office.see(200.0, *others, claims=tuple(_free(key(shard)) for shard in range(shards)))
    return office


def _overdue(name: str) -> dict[ClaimKey, float]:
    """When `name`, of four, would take each claim that is another's to take and stays free."""
    others = [other for other in "abcd" if other != name]
    found = {}
    for shard in range(8):
        office = _bereft(8, *others, name=name)
        if key(shard) not in office.wants(200.0):
            found[key(shard)] = office.first_want(200.0, key(shard), by_s=210.0)
    return found


def test_a_free_claim_waits_for_the_member_whose_turn_it_is_and_then_for_anybody() -> None:
    waits = _overdue("a")
    assert len(waits) == 6, "two of eight are its own"
    settled_s = 200.0 + TIMING.settle_s
    for due_s in waits.values():
        assert settled_s + TIMING.claim_timeout_s <= due_s
        assert due_s < settled_s + 2 * TIMING.claim_timeout_s


def test_members_come_for_an_overdue_claim_one_after_another() -> None:
    """After a mass failure no herd runs for the same claim."""
    waits = {name: _overdue(name) for name in "abcd"}
    for shard in range(8):
        dues = [found[key(shard)] for found in waits.values() if key(shard) in found]
        assert len(dues) == len(set(dues)) == 3


def test_a_member_that_is_seen_to_gain_claims_is_not_robbed_of_the_rest() -> None:
    """Thousands take a while; taking them from under it would have to be undone."""
    office = _bereft(4, "b")
    mine = office.wants(200.0)
    first, second = (key(shard) for shard in range(4) if key(shard) not in mine)
    office.hold(*mine, since_s=200.0)
    office.see(201.9, "b", held={**dict.fromkeys(mine, "a"), first: "b"}, claims=(_free(second),))
    due_s = office.first_want(201.9, second, by_s=210.0)
    assert due_s >= 201.9 + TIMING.claim_timeout_s


def test_a_busy_member_is_not_waited_for_for_ever() -> None:
    office = _bereft(200, "b")
    mine = office.wants(200.0)
    theirs = [key(shard) for shard in range(200) if key(shard) not in mine]
    office.hold(*mine, since_s=200.0)
    held, now = dict.fromkeys(mine, "a"), 200.0
    while not office.wants(now):
        held[theirs.pop()] = "b"
        now += 0.5
        office.see(now, "b", held=held, claims=tuple(_free(one) for one in theirs))
    patience_s = SETTLE_PATIENCE * (TIMING.settle_s + TIMING.claim_timeout_s)
    assert patience_s <= now - 200.0 <= patience_s + 2 * TIMING.claim_timeout_s + 0.5


def test_an_overdue_claim_is_left_alone_by_who_has_no_room_for_it() -> None:
    office = _settled(_role(shards=2), "b", now=100.0, max_shards=1)
    office.hold(key(0), since_s=100.0)
    office.see(200.0, "b", held={key(0): "a"})
    assert office.wants(500.0) == set()


def test_an_overdue_seat_is_left_alone_by_who_sits_on_another_of_the_shard() -> None:
    office = _settled(_role(shards=3, seats=2), "b", now=100.0)
    office.hold(key(0, 0), since_s=100.0)
    office.see(200.0, "b", held={key(0, 0): "a"})
    wanted = office.wants(500.0)
    assert key(0, 1) not in wanted
    assert len(wanted) == 2


# --- capacity --------------------------------------------------------------------------------


def test_a_lack_of_capacity_is_said_once_and_again_after_it_had_ended() -> None:
    office = _settled(_role(shards=3), max_shards=1)
    assert office.wants(100.0) == {key(0)}
    office.hold(key(0), since_s=100.0)
    office.see(101.0, held={key(0): "a"})
    assert office.reports(101.0) == [], "it was said when it first settled"
    office.see(102.0, "b", held={key(0): "a", key(1): "b", key(2): "b"})
    assert office.reports(102.0) == []
    office.see(103.0, held={key(0): "a"})
    assert office.reports(103.0) == ["unassigned"]
    assert office.reports(104.0) == []


# --- long tenures ----------------------------------------------------------------------------


def _long(*others: Any, **settings: Any) -> Office:  # noqa: ANN401
    """A tenure that began at 100 and may last 50 s."""
    office = _settled(_role(max_tenure_s=50.0), now=90.0, **settings)
    office.hold(key(0), since_s=100.0)
    office.see(100.0, *others, held={key(0): "a"})
    return office


def test_a_long_tenure_ends_for_another_members_turn() -> None:
    office = _long("b")
    assert office.asks(149.0) == set()
    assert office.desk.wake_s == 150.0
    (ask,) = office.decide(150.0).asks
    assert ask.rotates


def test_a_long_tenure_is_renewed_if_nobody_else_is_there() -> None:
    office = _long()
    assert office.asks(150.0) == set()
    office.see(160.0, "b", held={key(0): "a"})
    assert office.asks(199.0) == set(), "it was renewed for as long again"
    assert office.asks(200.0) == {key(0)}


@pytest.mark.parametrize("why", ["full", "stuck", "draining", "new", "barred"])
def test_a_long_tenure_is_renewed_if_nobody_else_could_take_over(why: str) -> None:
    office = _long()
    claim = claim_of(key(0), "s-a", note=_barred("b", 500.0) if why == "barred" else None)
    other = office.member(
        "b",
        max_shards=0 if why == "full" else None,
        stuck=(key(0),) if why == "stuck" else (),
        draining=why == "draining",
    )
    office.see(149.5 if why == "new" else 120.0, other, claims=(claim,))
    assert office.asks(150.0) == set()
    assert office.tenures.of_role("r")[0].renewed_s == 150.0


def test_a_role_without_a_longest_tenure_never_rotates() -> None:
    office = _settled(_role(), "b", now=90.0)
    office.hold(key(0), since_s=100.0)
    office.see(100.0, "b", held={key(0): "a"})
    assert office.asks(1e6) == set()
