"""Role records: who writes them, other shapes, pause, generations, tokens after a restore."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from coord.config import Role
from coord.core import commands as c
from coord.core import events as e
from coord.model import MemberRecord, RoleRecord, Shape
from coord.testing.memory import MemoryServer
from coord.testing.world import World
from tests.unit.core.office import Office, key
from tests.unit.core.solo import Solo
from tests.unit.core.views import claim_of, record_of

ROLE = Role("r", shards=4)
NAMES = ("a", "b", "c")


def _office(record: RoleRecord | None, role: Role = ROLE, **settings: Any) -> Office:  # noqa: ANN401
    """A member that is settled in a group that has this record."""
    office = Office(role, record=record, **settings)
    office.see(50.0)
    office.decide(60.0)
    return office


def _fleet(*names: str, role: Role = ROLE) -> World:
    world = World(seed=7)
    for name in names:
        world.add(name, role)
    assert world.until(lambda: _led(world, role), within_s=30)
    return world


def _led(world: World, role: Role) -> bool:
    record = world.view().roles.get(role.name)
    return record is not None and record.shape == role.shape and not world.unheld([role.name])


# --- declaring -------------------------------------------------------------------------------


def test_the_first_member_declares_the_role() -> None:
    role = Role("r", shards=3, seats=2, preferred=("b",))
    office = Office(role)
    office.record = None
    office.see(100.0)
    assert office.decide(100.0).put_role == RoleRecord(
        name="r", shape=Shape(3, 2), preferred=("b",), generation=1, version=0
    )


def test_members_that_start_together_agree_on_one_record() -> None:
    world = _fleet(*NAMES)
    assert world.view().roles["r"].generation == 1
    assert sorted(world.leaders()) == [key(shard) for shard in range(4)]
    world.verdict.check()


# --- another shape ---------------------------------------------------------------------------


def test_a_member_of_another_shape_claims_nothing_and_says_so_once() -> None:
    office = _office(record_of(Shape(6, 1)))
    office.desk._said.clear()
    office.see(100.0)
    first, second = office.decide(100.0), office.decide(101.0)
    assert not first.claims
    assert first.put_role is None
    ((kind, detail),) = first.reports
    assert kind == "shape-conflict"
    assert "6 shards × 1 seats in the group; this member declares 4 × 1" in detail
    assert not second.reports


def test_a_shape_conflict_that_comes_back_is_said_again() -> None:
    office = _office(record_of(Shape(6, 1)))
    office.record = record_of(Shape(4, 1), version=2)
    office.see(100.0)
    assert office.reports(100.0) == []
    assert office.wants(101.0) != set()
    office.record = record_of(Shape(6, 1), version=3)
    office.see(102.0)
    assert office.reports(102.0) == ["shape-conflict"]


def test_a_member_of_another_shape_disturbs_nobody() -> None:
    world = _fleet("a", "b")
    before = world.leaders()
    world.add("c", Role("r", shards=9))
    world.run(30)
    assert world.leaders() == before
    assert world.hosts["c"].reports["shape-conflict"] == 1
    world.verdict.check()


# --- pause -----------------------------------------------------------------------------------


def test_a_paused_role_is_let_go_of_and_claimed_by_nobody() -> None:
    office = _office(record_of(ROLE.shape))
    office.hold(key(0), key(1), since_s=90.0)
    office.record = record_of(ROLE.shape, paused=True, version=2)
    office.see(100.0, held={key(0): "a", key(1): "a"})
    decision = office.decide(100.0)
    assert {ask.key for ask in decision.asks} == {key(0), key(1)}
    assert {ask.why for ask in decision.asks} == {"the role is paused"}
    assert not decision.claims


def test_a_pause_stops_a_role_everywhere_within_seconds_and_a_resumption_starts_it() -> None:
    world = _fleet(*NAMES)
    world.operate("r", paused=True)
    world.run(2.0)
    assert world.leaders() == {}
    world.run(60.0)
    assert world.leaders() == {}
    assert all(claim.session is None for claim in world.view().claims.values())
    world.operate("r", paused=False)
    assert world.until(lambda: _led(world, ROLE), within_s=5)
    world.verdict.check()


def test_other_roles_go_on_while_one_is_paused() -> None:
    world = World(seed=7)
    for name in NAMES:
        world.add(name, ROLE, Role("other", shards=2))
    assert world.until(lambda: len(world.leaders()) == 6, within_s=30)
    others = {k: name for k, name in world.leaders().items() if k.role == "other"}
    world.operate("r", paused=True)
    world.run(10.0)
    assert world.leaders() == others


# --- reshaping -------------------------------------------------------------------------------


def test_while_a_shape_is_pending_holders_stop_and_nobody_claims() -> None:
    office = _office(record_of(ROLE.shape))
    office.hold(key(0), since_s=90.0)
    office.record = record_of(ROLE.shape, pending=Shape(6, 1), version=2)
    office.see(100.0, held={key(0): "a"})
    decision = office.decide(100.0)
    assert [ask.key for ask in decision.asks] == [key(0)]
    assert not decision.claims
    assert decision.put_role is None, "a claim is held still"


def test_the_next_generation_opens_when_the_last_claim_is_free() -> None:
    pending = record_of(ROLE.shape, pending=Shape(6, 1), version=2, token_base=50)
    office = _office(pending)
    office.see(100.0, claims=(claim_of(key(0), None), claim_of(key(1), None)))
    assert office.decide(100.0).put_role == replace(
        pending, shape=Shape(6, 1), generation=2, pending=None
    )


def test_a_paused_role_is_not_reshaped_before_it_is_drained_of_other_members_claims() -> None:
    office = _office(record_of(ROLE.shape, pending=Shape(6, 1)))
    office.see(100.0, "b", held={key(3): "b"})
    assert office.decide(100.0).put_role is None


def test_a_member_of_the_new_shape_may_open_the_generation_it_waits_for() -> None:
    office = _office(record_of(Shape(6, 1), pending=ROLE.shape))
    office.see(100.0)
    put = office.decide(100.0).put_role
    assert put is not None
    assert (put.shape, put.generation) == (ROLE.shape, 2)


def test_a_claim_of_an_older_generation_is_stopped() -> None:
    """A view may have been missed between the two."""
    office = _office(record_of(ROLE.shape))
    office.hold(key(0), since_s=90.0)
    office.record = record_of(ROLE.shape, generation=2, version=3)
    office.see(100.0, held={key(0): "a"})
    (ask,) = office.decide(100.0).asks
    assert (ask.key, ask.why) == (key(0), "the role has a newer generation")


def test_members_that_are_restarted_one_by_one_move_to_the_new_shape() -> None:
    """No act of the old generation comes after one of the new: the verdict sees to it."""
    world = _fleet(*NAMES)
    world.operate("r", pending=Shape(6, 1))
    world.run(5.0)
    record = world.view().roles["r"]
    assert (record.shape, record.generation, record.pending) == (Shape(6, 1), 2, None)
    assert world.leaders() == {}, "all members declare the old shape still"
    after = Role("r", shards=6)
    for name in NAMES:
        world.stop(name)
        world.run(5.0)
        world.add(name, after)
        assert world.until(lambda: _led(world, after), within_s=20), name
    assert {k.generation for k in world.leaders()} == {2}
    assert {k.generation for k in world.view().claims} == {2}, "the old claims have left the view"
    assert world.until(lambda: len(set(world.leaders().values())) == 3, within_s=10)
    world.verdict.check()


def test_a_holder_that_is_cut_off_delays_the_new_shape_and_breaks_nothing() -> None:
    world = _fleet("a", "b")
    world.hosts["a"].link.down = True
    world.operate("r", pending=Shape(6, 1))
    world.run(5.0)
    assert world.view().roles["r"].generation == 1
    assert world.until(lambda: world.view().roles["r"].generation == 2, within_s=15)
    world.verdict.check()


# --- tokens ----------------------------------------------------------------------------------


def test_a_term_is_given_the_stores_token_lifted_by_the_base_of_the_role() -> None:
    solo = Solo()
    solo.store.put_role("g", record_of(Shape(1, 1), token_base=1000, version=0))
    solo.step(e.RoleServed(solo.now, Role("r")))
    solo.run(3.0)
    assert solo.term().token == solo.claim(key(0)).token + 1000


def test_a_claim_whose_token_has_gone_back_is_not_asked_for_and_that_is_said_once() -> None:
    office = _office(record_of(Shape(1, 1)), Role("r"), highest={key(0): 90})
    office.see(100.0, claims=(claim_of(key(0), None, token=7),))
    decision = office.decide(100.0)
    assert not decision.claims
    ((kind, detail),) = decision.reports
    assert kind == "token-regression"
    assert "last token is 7, yet 90" in detail
    assert "coord tokens raise" in detail
    assert not office.decide(101.0).reports


@pytest.mark.parametrize(("base", "may"), [(82, False), (83, True)])
def test_a_base_that_lifts_the_tokens_over_all_that_were_seen_mends_it(
    base: int, may: bool
) -> None:
    record = record_of(Shape(1, 1), token_base=base)
    office = _office(record, Role("r"), highest={key(0): 90})
    office.see(100.0, claims=(claim_of(key(0), None, token=7),))
    assert (office.wants(100.0) == {key(0)}) == may


def _restored() -> tuple[Solo, int]:
    """A member that has led for some time when its store is put back to an empty state."""
    solo = Solo(Role("r"))
    solo.run(3.0)
    solo.ended(solo.term())
    for _ in range(20):  # other claims of the store use up tokens meanwhile
        solo.server.store().open_session("elsewhere", MemberRecord(name="x", incarnation="i"), 1.0)
    solo.run(5.0)
    term = solo.term()
    solo.connect(MemoryServer(solo.clock))
    solo.run(5.0)
    solo.ended(term)
    return solo, term.token


def test_a_member_that_has_seen_larger_tokens_refuses_to_lead_a_restored_store() -> None:
    solo, _ = _restored()
    solo.run(30.0)
    assert solo.hear(c.StartTerm) == []
    assert len(solo.reports("store-went-back")) == 1
    assert len(solo.reports("token-regression")) == 1
    assert solo.view().members, "it is live, and waits for an operator"


def test_it_leads_again_once_the_tokens_are_raised_and_under_larger_ones() -> None:
    solo, token = _restored()
    solo.run(30.0)
    solo.store.put_role("g", replace(solo.view().roles["r"], token_base=token))
    solo.run(5.0)
    assert solo.term().token > token
