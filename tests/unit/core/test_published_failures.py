"""What has gone wrong in other systems of this kind, played to the core in virtual time.

Each test is named after the claim that the failure would break; docs/reliability.md says where it
was seen. What other tests show as a matter of course is not repeated here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from coord.config import Role, Timing
from coord.core import commands as c
from coord.core.audit import Audit
from coord.model import ClaimKey
from coord.testing.faults import Fate
from coord.testing.group_state import GroupState
from coord.testing.memory import Manner
from coord.testing.world import Behaviour, World

TIMING = Timing.of(6.0, heartbeat_s=1.2, rpc_timeout_s=0.5)
ROLE = Role("r", shards=6)
EAGER = Behaviour(rest_s=0.05)
_STEP_S = 0.05


def _fleet(names: str = "abc", role: Role = ROLE, manner: Manner = Manner.PROVEN) -> World:
    """Members that have shared a role's claims and are at rest."""
    world = World(seed=7, timing=TIMING, manner=manner)
    for name in names:
        world.add(name, role, behaviours={role.name: EAGER})
    assert world.until(lambda: _all_led(world), within_s=20)
    world.run(10)
    return world


def _all_led(world: World) -> bool:
    return bool(world.view().roles) and not world.unheld()


def _close(session: str, state: GroupState, now_s: float) -> None:
    state.close(now_s, session)


def _has_stopped(world: World, name: str) -> bool:
    return world.hosts[name].stopped


def _leads(world: World, name: str) -> bool:
    return name in world.leaders().values()


def _longest_gap_s(world: World, until: Callable[[], bool], within_s: float) -> float:
    """For how long a claim was without a leader, at the worst, up to then and a second more."""
    alone: dict[ClaimKey, float] = {}
    worst_s = 0.0
    end_s, last_s = world.now_s + within_s, None
    while last_s is None or world.now_s < last_s:
        world.run(_STEP_S)
        unheld = set(world.unheld())
        alone = {key: alone.get(key, 0.0) + _STEP_S for key in unheld}
        worst_s = max([worst_s, *alone.values()])
        if last_s is None and until():
            last_s = world.now_s + 1
        assert world.now_s < end_s, f"it did not happen within {within_s} s"
    return worst_s


# --- nobody leads ----------------------------------------------------------------------------


@pytest.mark.parametrize("manner", Manner)
def test_whoever_dies_every_shard_is_led_again(manner: Manner) -> None:
    """Nobody assigns for the others, so there is nobody whose death leaves all without a leader.

    One after another, those that read the others' beacons among them, and none comes back.
    """
    world = _fleet("abcde", manner=manner)
    audit = Audit(TIMING)
    while len(world.up()) > 1:
        view = world.view()
        auditors = [m.record.name for s, m in view.members.items() if audit.is_auditor(view, s)]
        world.crash(auditors[0])
        assert world.until(lambda: _all_led(world), within_s=3 * TIMING.ttl_s), world.unheld()
    world.verdict.check()


def test_a_store_that_ends_all_sessions_at_once_is_led_again_under_larger_tokens() -> None:
    world = _fleet()
    before = {key: claim.token for key, claim in world.view().claims.items()}
    for session in world.view().members:
        world.server.apply(world.group, partial(_close, session))
    assert len(world.unheld()) == ROLE.shards
    assert world.until(lambda: _all_led(world), within_s=2 * TIMING.ttl_s)
    after = {key: claim.token for key, claim in world.view().claims.items()}
    assert all(after[key] > token for key, token in before.items())


def test_a_store_that_was_away_is_led_again_by_those_who_were_there() -> None:
    """No loss of contact is the last one, however long it takes and whoever has it."""
    world = _fleet()
    for host in world.hosts.values():
        host.link.down = True
    world.run(20 * TIMING.ttl_s)
    for host in world.hosts.values():
        host.link.mend()
    assert world.until(lambda: _all_led(world), within_s=2 * TIMING.ttl_s)
    assert {host.name for host in world.up()} == set("abc")
    world.verdict.check()


def test_a_role_is_led_by_who_serves_it_whatever_else_the_group_does() -> None:
    """Many serve one role, one serves another: it waits for nobody's leader but its own."""
    world = _fleet("abcde")
    world.add("z", Role("other"), behaviours={"other": EAGER})
    key = ClaimKey("other", 1, 0, 0)
    assert world.until(lambda: world.leaders().get(key) == "z", within_s=2 * TIMING.settle_s + 2)
    for name in "abcde":
        world.crash(name)
    world.run(5 * TIMING.ttl_s)
    assert world.leaders() == {key: "z"}, "what it does not serve it does not lead"
    world.verdict.check()


# --- acting without leading ------------------------------------------------------------------


@pytest.mark.parametrize("manner", Manner)
def test_while_the_store_is_away_nobody_leads_for_longer_than_a_ttl(manner: Manner) -> None:
    """No mode in which a leader goes on because it cannot ask."""
    world = _fleet(manner=manner)
    for host in world.hosts.values():
        host.link.down = True
    world.run(TIMING.ttl_s)
    acts = world.verdict.acts
    world.run(10 * TIMING.ttl_s)
    assert world.verdict.acts == acts > 0
    assert not any(host.works for host in world.hosts.values())
    world.verdict.check()


# --- losing what is not lost -----------------------------------------------------------------


@pytest.mark.parametrize("manner", Manner)
def test_a_renewal_that_landed_unanswered_costs_no_leadership(manner: Manner) -> None:
    """The store has the newer number and its member does not know: the next one counts."""
    world = _fleet(manner=manner)
    led, starts = world.leaders(), world.verdict.starts
    for _ in range(10):
        for host in world.hosts.values():
            host.link.script(Fate.LOSE_REPLY, c.Heartbeat, times=1)
        world.run(2 * TIMING.heartbeat_s)
    assert (world.leaders(), world.verdict.starts) == (led, starts)
    world.verdict.check()


def test_work_that_takes_longer_than_the_ttl_costs_no_leadership() -> None:
    """Renewing is nobody's side task: a slow tick is slow, and that is all."""
    role = Role("r", progress_timeout_s=20 * TIMING.ttl_s)
    slow = Behaviour(work_s=5 * TIMING.ttl_s, rest_s=0.5)
    world = World(seed=7, timing=TIMING)
    for name in "ab":
        world.add(name, role, behaviours={"r": slow})
    assert world.until(lambda: _all_led(world), within_s=20)
    led = world.leaders()
    world.run(30 * TIMING.ttl_s)
    assert world.leaders() == led
    assert world.verdict.starts == 1
    assert world.verdict.acts >= 5
    world.verdict.check()


# --- handing over ----------------------------------------------------------------------------


def test_a_rolling_deploy_leaves_no_shard_alone_for_a_second() -> None:
    """Each member is asked to stop, ends, and comes back under its name, in turn."""
    world = _fleet()
    for name in "abc":
        world.stop(name)
        worst_s = _longest_gap_s(world, partial(_has_stopped, world, name), within_s=10)
        assert worst_s < 1.0, f"while {name} stopped"
        world.add(name, ROLE, behaviours={"r": EAGER})
        back = _longest_gap_s(world, partial(_leads, world, name), within_s=20)
        assert back < 1.0, f"when {name} came back"
    world.verdict.check()


def test_a_turn_that_is_over_is_handed_over_and_not_waited_out() -> None:
    """Whoever steps down after its longest tenure releases; nobody waits for its session to end."""
    role = Role("r", max_tenure_s=15.0)
    world = _fleet("ab", role)
    former = world.leaders()
    worst_s = _longest_gap_s(world, lambda: _all_led(world) and world.leaders() != former, 60)
    assert worst_s < 1.0
    world.verdict.check()


# --- moving for nothing ----------------------------------------------------------------------


def test_a_joiner_stops_no_shard_but_those_that_it_takes() -> None:
    """Others stop all shards of all members and share them out anew."""
    world = _fleet("ab")
    before = dict(world.view().claims)
    starts = world.verdict.starts
    world.add("c", ROLE, behaviours={"r": EAGER})
    assert world.until(lambda: "c" in world.leaders().values(), within_s=20)
    world.run(30)
    now = world.view().claims
    moved = {key for key, claim in now.items() if claim.token != before[key].token}
    assert len(moved) == world.verdict.starts - starts == ROLE.shards // 3
    assert {world.leaders()[key] for key in moved} == {"c"}
    world.verdict.check()


def test_a_fleet_at_rest_moves_nothing() -> None:
    """Ten shards among four, which cannot be even: nobody goes on trying. For an hour."""
    world = _fleet("abcd", Role("r", shards=10))
    starts, revision = world.verdict.starts, world.view().revision
    for host in world.hosts.values():
        host.behaviours["r"] = Behaviour(rest_s=20.0)
    world.run(3600)
    assert world.verdict.starts == starts
    assert world.view().revision == revision
    world.verdict.check()
