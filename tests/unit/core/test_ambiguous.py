"""Requests whose fate is unknown: lost, held, landing late. Whatever lands is led or given back."""

from __future__ import annotations

import pytest

from coord.config import Role, Timing
from coord.core import commands as c
from coord.core import events as e
from coord.model import ClaimKey, EndingKind
from coord.spi import Tenure
from coord.testing.faults import Fate
from coord.testing.world import Behaviour, Conduct, Host, World
from tests.unit.core.solo import Solo

ROLE = Role("r", progress_timeout_s=None)
KEY = ClaimKey("r", 1, 0, 0)


def _world() -> World:
    timing = Timing.of(6.0, heartbeat_s=1.2, rpc_timeout_s=0.5)
    return World(timing=timing, record_events=True)


def _held(world: World) -> bool:
    return bool(world.held)


def _leads(world: World, host: Host, *, within_s: float = 20) -> None:
    assert world.until(lambda: world.leaders().get(KEY) == host.name, within_s=within_s)


# --- claims ----------------------------------------------------------------------------------


@pytest.mark.parametrize("fate", [Fate.LOSE_REQUEST, Fate.LOSE_REPLY, Fate.HOLD, Fate.REFUSE])
@pytest.mark.parametrize("times", [1, 4])
def test_a_claim_is_led_in_the_end_whatever_becomes_of_its_requests(fate: Fate, times: int) -> None:
    world = _world()
    host = world.add("a", ROLE)
    host.link.script(fate, c.Claim, times=times)
    _leads(world, host)
    world.land_held()
    world.run(5)
    world.verdict.check()
    _leads(world, host)


def test_a_claim_that_lands_late_is_adopted_under_its_token() -> None:
    world = _world()
    host = world.add("a", ROLE)
    host.link.script(Fate.HOLD, c.Claim)
    host.link.script(Fate.LOSE_REQUEST, c.Claim, times=None)
    assert world.until(lambda: _held(world), within_s=5)
    world.run(2)
    assert world.leaders() == {}
    world.land_held()
    token = world.view().claims[KEY].token
    world.run(0.2)
    _leads(world, host, within_s=0)
    (work,) = host.works.values()
    assert work.given.token == token
    assert host.reports["adopted"] == 1


@pytest.mark.parametrize("turn", ["drops the role", "stops", "pauses the role", "reshapes"])
def test_a_claim_that_lands_when_nobody_wants_it_any_more_is_given_back_clean(turn: str) -> None:
    """Nobody has worked under it, so its successor need not wait for a resource to calm down."""
    world = _world()
    host = world.add("a", ROLE)
    host.link.script(Fate.HOLD, c.Claim)
    host.link.script(Fate.LOSE_REQUEST, c.Claim, times=None)
    assert world.until(lambda: _held(world), within_s=5)
    if turn == "drops the role":
        world.drop("a", "r")
    elif turn == "stops":
        world.stop("a")
    elif turn == "pauses the role":
        world.operate("r", paused=True)
    else:
        world.serve("a", Role("r", shards=2))
    world.run(2)
    world.land_held()
    world.run(2 * world.timing.ttl_s)
    claim = world.view().claims.get(KEY)
    assert claim is None or claim.session is None
    assert claim is None or claim.note.clean
    assert host.works == {}
    world.verdict.check()


def test_a_claim_that_lands_after_another_member_took_it_wins_nothing() -> None:
    world = _world()
    host = world.add("a", ROLE)
    host.link.script(Fate.HOLD, c.Claim)
    host.link.script(Fate.LOSE_REQUEST, c.Claim, times=None)
    assert world.until(lambda: _held(world), within_s=5)
    other = world.add("b", ROLE)
    _leads(world, other)
    world.land_held()
    world.run(5)
    _leads(world, other, within_s=0)
    world.verdict.check()


def test_a_second_seat_of_a_shard_that_lands_late_is_not_led_beside_the_first() -> None:
    """Co-leaders in one process would fail together."""
    world = _world()
    pair = Role("r", seats=2, progress_timeout_s=None)
    host = world.add("a", pair)
    world.add("b", pair)
    assert world.until(lambda: len(world.leaders()) == 2, within_s=10)
    mine = next(key for key, name in world.leaders().items() if name == "a")
    world.pause("b")
    assert world.until(lambda: len(world.view().by_session) == 1, within_s=20)
    session = host.machine.member.keeper.session or ""
    world.take(mine._replace(seat=1 - mine.seat), session)
    world.run(1)
    assert len(host.works) == 1
    assert len(world.view().by_session[session]) == 1
    world.verdict.check()


# --- releases --------------------------------------------------------------------------------


@pytest.mark.parametrize("fate", [Fate.LOSE_REQUEST, Fate.LOSE_REPLY, Fate.HOLD, Fate.REFUSE])
def test_a_release_is_asked_again_until_it_is_certain(fate: Fate) -> None:
    world = _world()
    host = world.add("a", ROLE)
    _leads(world, host)
    other = world.add("b", ROLE)
    world.run(5)
    host.link.script(fate, c.Release, times=4)
    world.drop("a", "r")
    _leads(world, other)
    world.land_held()
    world.run(5)
    _leads(world, other, within_s=0)
    world.verdict.check()


def test_a_stray_claim_is_released_until_it_is_certain() -> None:
    """A claim of ours that nobody here wants: one lost release must not keep it for good."""
    world = _world()
    host = world.add("a", ROLE)
    _leads(world, host)
    world.drop("a", "r")
    assert world.until(lambda: world.view().claims[KEY].session is None, within_s=5)
    host.link.script(Fate.LOSE_REQUEST, c.Release, times=4)
    world.take(KEY, host.machine.member.keeper.session or "")
    assert world.until(lambda: world.view().claims[KEY].session is None, within_s=10)


def test_what_was_asked_to_be_released_is_never_adopted_from_an_older_view() -> None:
    solo = Solo(ROLE)
    solo.run(3)
    term = solo.term()
    old = solo.view()
    solo.ended(term)
    released = solo.machine.member.tenures
    assert KEY not in released
    solo.withheld = (c.Claim, c.ReadView)
    solo.step(e.Done(solo.now, c.ReadView(), solo.now, old))
    solo.settle()
    assert solo.hear(c.StartTerm) == []


def test_a_release_that_was_answered_late_does_not_touch_the_next_tenure() -> None:
    """The answer to an old release names an old token."""
    solo = Solo(Role("r", rest_s=0.0, progress_timeout_s=None))
    solo.run(3)
    first = solo.term()
    session = solo.machine.member.keeper.session or ""
    solo.ended(first, EndingKind.RETURNED)
    solo.run(2)
    second = solo.term()
    assert second.token > first.token
    note = solo.claim(KEY).note
    late = c.Release(session, (Tenure(KEY, first.token, note),))
    solo.step(e.Done(solo.now, late, solo.now, None))
    solo.run(1)
    assert solo.hear(c.StopTerm) == []
    assert solo.claim(KEY).session == session


# --- other writes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", [c.OpenSession, c.UpdateRecord, c.PutRole, c.Claim, c.ReadView, c.Amend, c.CloseSession]
)
@pytest.mark.parametrize("fate", [Fate.LOSE_REQUEST, Fate.LOSE_REPLY, Fate.HOLD, Fate.REFUSE])
def test_a_fleet_leads_everything_whichever_requests_go_astray(
    kind: type[c.StoreCommand], fate: Fate
) -> None:
    """Every member's first three of a kind, and what was held lands in the middle of the work."""
    world = _world()
    role = Role("r", shards=3, progress_timeout_s=4.0, bar_s=2.0, poison_s=2.0)
    for name in "abc":
        host = world.add(name, role)
        host.link.script(fate, kind, times=3)
    assert world.until(lambda: len(world.view().roles) == 1, within_s=20)
    assert world.until(lambda: not world.unheld(), within_s=40)
    world.land_held()
    world.run(10)
    world.hosts["a"].behaviours["r"] = Behaviour(conduct=Conduct.RAISES)
    world.run(10)
    world.hosts["a"].behaviours.clear()
    world.stop("b")
    assert world.until(lambda: world.hosts["b"].stopped, within_s=20)
    assert world.until(lambda: not world.unheld(), within_s=40)
    world.verdict.check()


def test_an_eviction_that_lands_late_does_not_touch_the_next_session_of_its_member() -> None:
    world = _world()
    host = world.add("a", ROLE)
    _leads(world, host)
    other = world.add("b", ROLE)
    world.run(5)
    other.link.script(Fate.HOLD, c.Evict)
    other.link.script(Fate.LOSE_REQUEST, c.Evict, times=None)
    world.pause("a")
    assert world.until(lambda: _held(world), within_s=10)
    former = host.machine.member.keeper.session
    world.resume("a")
    world.run(3)
    _leads(world, host)
    session = host.machine.member.keeper.session
    assert session != former
    world.land_held()
    world.run(10)
    assert host.machine.member.keeper.session == session
    _leads(world, host, within_s=0)
    world.verdict.check()


def test_what_was_to_be_released_under_a_lost_session_is_not_asked_of_the_next() -> None:
    """It freed the claim when it ended."""
    world = _world()
    host = world.add("a", ROLE)
    _leads(world, host)
    former = host.machine.member.keeper.session
    host.link.script(Fate.REFUSE, c.Release, times=None)
    world.drop("a", "r")
    world.run(1)
    world.server.apply(world.group, lambda state, now: state.close(now, former or ""))
    lost = world.until(lambda: host.reports["session-lost"] > 0, within_s=5, step_s=0.001)
    assert lost
    host.link.mend()
    world.events.clear()
    world.run(10)
    assert host.machine.member.keeper.session not in (None, former)
    assert [event for event in world.events if event[1:] == ("land", "a", "Release")] == []
