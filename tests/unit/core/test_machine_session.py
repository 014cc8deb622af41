"""A member's session from opening to closing, as its driver and its peers see it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coord.config import Role, Timing
from coord.core import commands as c
from coord.core import events as e
from coord.core.machine import Machine
from coord.core.states import SessionPhase
from coord.errors import (
    ConfigError,
    CoordError,
    DuplicateMember,
    SessionLost,
    StoreRefused,
    StoreUnavailable,
)
from coord.model import ClaimKey, MemberRecord
from coord.spi import Proof
from coord.testing.clock import ManualClock
from coord.testing.faults import Fate
from coord.testing.memory import Manner, MemoryServer
from coord.testing.world import Behaviour, Conduct, Host, World
from tests.unit.core.solo import TIMING, Solo

_INF = float("inf")
ROLE = Role("r", progress_timeout_s=None)
KEY = ClaimKey("r", 1, 0, 0)
NEVER_STOPS = Behaviour(conduct=Conduct.HEADLESS, rest_s=0.05)


def _world(**settings: object) -> World:
    timing = Timing.of(6.0, heartbeat_s=1.2, rpc_timeout_s=0.5)
    return World(timing=timing, record_events=True, **settings)  # type: ignore[arg-type]


def _landed(world: World, kind: type[c.StoreCommand], since_s: float = 0.0) -> list[float]:
    """When requests of a kind landed."""
    return [
        event[0] / 1e9
        for event in world.events
        if event[1] == "land" and event[3] == kind.__name__ and event[0] / 1e9 > since_s
    ]


def _leading(world: World, host: Host) -> None:
    assert world.until(lambda: world.leaders().get(KEY) == host.name, within_s=20)


# --- giving up -------------------------------------------------------------------------------


def test_a_session_without_proof_is_given_up_at_stop_at_and_no_heartbeat_follows() -> None:
    """Its heartbeats land, unheard: they must end, or nobody would ever lead."""
    world = _world()
    host = world.add("a", ROLE, behaviours={"r": NEVER_STOPS})
    _leading(world, host)
    host.link.script(Fate.LOSE_REPLY, c.Heartbeat, times=None)
    stop_at_s = host.machine.member.keeper.lease.stop_at_s
    world.run(stop_at_s - world.now_s + 0.01)
    assert host.machine.phase is SessionPhase.FADING
    given_up_s = world.now_s
    assert world.until(lambda: host.machine.phase is SessionPhase.LIVE, within_s=20)
    beats = [moment for moment in _landed(world, c.Heartbeat) if moment < world.now_s]
    assert max(beats) <= given_up_s
    assert host.reports["session-given-up"] == 1


def test_a_session_that_was_given_up_closes_as_soon_as_its_work_has_stopped() -> None:
    world = _world()
    host = world.add("a", ROLE, behaviours={"r": Behaviour(stop_s=0.3)})
    _leading(world, host)
    host.link.script(Fate.LOSE_REPLY, c.Heartbeat, times=None)
    stop_at_s = host.machine.member.keeper.lease.stop_at_s
    world.run(stop_at_s - world.now_s + 0.25)
    assert _landed(world, c.CloseSession) == []
    world.run(0.2)
    assert len(_landed(world, c.CloseSession)) == 1


def test_a_session_whose_work_never_stops_closes_when_its_trust_has_ended() -> None:
    world = _world()
    host = world.add("a", ROLE, behaviours={"r": NEVER_STOPS})
    _leading(world, host)
    host.link.script(Fate.LOSE_REPLY, c.Heartbeat, times=None)
    trusted_until_s = host.machine.member.keeper.lease.trusted_until_s
    lease = host.machine.member.keeper.lease
    assert world.until(lambda: bool(_landed(world, c.CloseSession)), within_s=20, step_s=0.01)
    assert lease.trusted_until_s == -_INF, "a close frees the claims: all trust ends before it"
    assert trusted_until_s <= _landed(world, c.CloseSession)[0] <= trusted_until_s + 0.05
    assert world.until(lambda: host.machine.phase is SessionPhase.LIVE, within_s=10)
    world.verdict.check()


def test_a_key_whose_old_code_still_runs_goes_to_others_and_never_to_the_next_session() -> None:
    world = _world()
    host = world.add("a", ROLE, behaviours={"r": NEVER_STOPS})
    _leading(world, host)
    world.add("b", ROLE)
    world.run(5)
    host.link.script(Fate.LOSE_REPLY, c.Heartbeat, times=6)
    assert world.until(lambda: world.leaders().get(KEY) == "b", within_s=20)
    world.run(30)
    assert host.machine.phase is SessionPhase.LIVE
    world.crash("b", known=True)
    world.run(10)
    assert world.leaders() == {}
    host.behaviours.clear()
    _leading(world, host)
    world.verdict.check()


@pytest.mark.parametrize("kind", [c.Heartbeat, c.ReadView, c.Release, c.Amend])
def test_a_store_that_says_the_session_is_over_ends_all_trust_at_once(
    kind: type[c.StoreCommand],
) -> None:
    solo = Solo(ROLE)
    solo.run(3)
    term = solo.term()
    session = solo.machine.member.keeper.session or ""
    command = {
        c.Heartbeat: c.Heartbeat(session, b""),
        c.ReadView: None,
        c.Release: c.Release(session, ()),
        c.Amend: c.Amend(session, ()),
    }[kind]
    if command is None:
        solo.store.server.apply("g", lambda state, now: state.close(now, session))
        solo.settle()
        solo.run(0.1)
    else:
        solo.step(e.Failed(solo.now, command, solo.now, SessionLost("over")))
    assert term.lease.trusted_until_s == -_INF
    assert [stop.now_over for stop in solo.hear(c.StopTerm)] == [True]


def test_a_session_that_fades_and_turns_out_to_be_over_is_trusted_no_longer() -> None:
    """Its work had until the deadline; now the store says that the claim may be another's."""
    solo = Solo(ROLE)
    solo.run(3)
    term = solo.term()
    session = solo.machine.member.keeper.session or ""
    solo.refused = (c.Heartbeat,)
    while solo.machine.phase is SessionPhase.LIVE:
        solo.run(0.1)
    assert solo.machine.phase is SessionPhase.FADING
    assert term.lease.trusted_until_s > solo.now
    error = SessionLost("over")
    solo.step(e.Failed(solo.now, c.Amend(session, ()), solo.now, error))
    assert term.lease.trusted_until_s == -_INF
    assert [stop.now_over for stop in solo.hear(c.StopTerm)] == [False, True]


def test_a_late_answer_to_a_heartbeat_of_the_last_session_changes_nothing() -> None:
    solo = Solo(ROLE)
    solo.run(3)
    last = solo.machine.member.keeper.session or ""
    beat = c.Heartbeat(last, b"")
    solo.step(e.Failed(solo.now, beat, solo.now, SessionLost("over")))
    solo.settle()
    solo.run(2)
    keeper = solo.machine.member.keeper
    assert keeper.session not in (None, last)
    pulse_s, trusted_s = solo.machine.pulse_s, keeper.lease.trusted_until_s
    for error in (SessionLost("over"), StoreUnavailable("no reply")):
        solo.step(e.Failed(solo.now, beat, solo.now, error))
    assert (solo.machine.pulse_s, keeper.lease.trusted_until_s) == (pulse_s, trusted_s)
    assert solo.machine.phase is SessionPhase.LIVE


def test_a_session_that_is_evicted_while_its_claims_are_being_released_starts_anew() -> None:
    solo = Solo(ROLE)
    solo.run(3)
    solo.withheld = (c.Release,)
    solo.ended(solo.term())
    session = solo.machine.member.keeper.session or ""
    solo.server.apply("g", lambda state, now: state.close(now, session))
    solo.withheld = ()
    solo.settle()
    solo.run(3)
    assert solo.claim(KEY).session == solo.machine.member.keeper.session != session
    assert solo.term().key == KEY


# --- the name --------------------------------------------------------------------------------


def _rival(world: World) -> str:
    """A live session of the name that another process has, and nobody renews."""
    world.add("a")
    world.run(1)
    world.crash("a")
    return next(iter(world.view().members))


def test_a_restarted_member_waits_for_its_dead_former_session_to_expire() -> None:
    world = _world()
    _rival(world)
    host = world.add("a", ROLE)
    world.run(3)
    assert host.machine.phase is SessionPhase.OPENING
    assert host.failure is None
    assert world.until(lambda: host.machine.phase is SessionPhase.LIVE, within_s=8)


def test_a_restarted_member_evicts_a_former_session_that_is_provably_dead() -> None:
    world = _world()
    world.add("a")
    world.run(1)
    world.crash("a", known=True)
    host = world.add("a", ROLE)
    world.run(0.5)
    assert host.machine.phase is SessionPhase.LIVE


@pytest.mark.parametrize("manner", [Manner.PROVEN, Manner.OBSERVED])
def test_a_name_whose_other_bearer_still_heartbeats_is_refused(manner: Manner) -> None:
    world = _world(manner=manner)
    first = world.add("a", ROLE)
    world.run(5)
    del world.hosts["a"]
    second = world.add("a", ROLE)
    assert world.until(lambda: second.failure is not None, within_s=30)
    assert isinstance(second.failure, DuplicateMember)
    assert second.machine.phase is SessionPhase.STOPPED
    assert first.machine.phase is SessionPhase.LIVE


def test_an_opening_whose_answer_was_lost_costs_a_look_and_not_a_ttl() -> None:
    world = _world()
    host = world.add("a")
    host.link.script(Fate.LOSE_REPLY, c.OpenSession)
    assert world.until(lambda: host.machine.phase is SessionPhase.LIVE, within_s=3)


def test_a_member_whose_own_session_outlived_its_close_closes_it_again() -> None:
    """Heartbeats land and are not answered: given up, it is as fresh in the store as can be."""
    world = _world()
    host = world.add("a", ROLE)
    assert world.until(lambda: bool(world.leaders()), within_s=10)
    host.link.script(Fate.LOSE_REPLY, c.Heartbeat, times=None)
    host.link.script(Fate.LOSE_REQUEST, c.CloseSession)
    host.link.script(Fate.LOSE_REQUEST, c.OpenSession)  # so the next is under a new incarnation
    assert world.until(lambda: host.machine.phase is not SessionPhase.LIVE, within_s=10)
    assert world.until(lambda: bool(host.reports["waiting-for-name"]), within_s=5, step_s=0.01)
    host.link.mend()
    assert world.until(lambda: host.machine.phase is SessionPhase.LIVE, within_s=1.5)
    world.verdict.check()


def test_the_ghosts_of_several_lost_openings_never_block_the_name_for_good() -> None:
    world = _world()
    host = world.add("a")
    host.link.script(Fate.LOSE_REPLY, c.OpenSession, times=3)
    host.link.script(Fate.HOLD, c.OpenSession, times=2)
    assert world.until(lambda: host.machine.phase is SessionPhase.LIVE, within_s=40)
    world.land_held()
    world.run(10)
    assert host.machine.phase is SessionPhase.LIVE
    assert host.reports["session-lost"] == 0


# --- refusals --------------------------------------------------------------------------------


def test_a_granted_ttl_or_lag_that_leaves_no_time_to_stop_is_refused_with_the_sum() -> None:
    solo = Solo(ROLE, server=MemoryServer(ManualClock(), manner=Manner.SERVER, lag_s=5.0))
    (failed,) = solo.hear(c.Fail)
    assert isinstance(failed.error, ConfigError)
    assert "heartbeat 2.5 + attempts 2 × rpc_timeout 1 + slack 0.5 = 5" in str(failed.error)
    assert solo.machine.phase is SessionPhase.STOPPED
    assert dict(solo.view().members) == {}


def test_heartbeats_whose_lag_leaves_no_time_to_stop_are_told_once_with_the_sum() -> None:
    """The opening had no lag, so the session is live; it may be given up at any late answer."""
    solo = Solo(ROLE)
    command = c.Heartbeat(solo.machine.member.keeper.session or "", b"")
    for lag_s, told in ((0.0, 0), (5.0, 1), (0.0, 1), (5.0, 1)):
        proof = Proof(sent_at_s=solo.now, ttl_s=TIMING.ttl_s, lag_s=lag_s)
        solo.step(e.Done(solo.now, command, solo.now, proof))
        assert len(solo.reports("trust-is-short")) == told
    assert "lag 5" in solo.reports("trust-is-short")[0]
    assert solo.machine.phase is SessionPhase.LIVE


@pytest.mark.parametrize("error", [ConfigError("a bad name"), StoreRefused("no rights")])
def test_an_opening_that_can_never_succeed_fails_the_member(error: CoordError) -> None:
    machine = Machine(
        MemberRecord(name="b", incarnation="i"), TIMING, MemoryServer().guarantees, lambda: 0.5
    )
    (opening,) = machine.step(e.Start(0.0))
    assert isinstance(opening, c.OpenSession)
    (failed,) = machine.step(e.Failed(0.1, opening, 0.0, error))
    assert failed == c.Fail(error)
    assert machine.phase is SessionPhase.STOPPED
    assert not machine.step(e.Tick(100.0))


def test_a_store_that_refuses_for_good_at_the_start_fails_the_member_and_later_does_not() -> None:
    solo = Solo(ROLE)
    refusal = StoreRefused("no rights")
    keeper = solo.machine.member.keeper
    session = keeper.session or ""
    solo.step(e.Failed(solo.now, c.Heartbeat(session, b""), solo.now, SessionLost("over")))
    solo.withheld = (c.OpenSession,)
    solo.settle()
    opening = c.OpenSession(solo.machine.member.record(), TIMING.ttl_s)
    solo.step(e.Failed(solo.now, opening, solo.now, refusal))
    assert solo.machine.phase is SessionPhase.OPENING
    assert solo.hear(c.Fail) == []


# --- stopping --------------------------------------------------------------------------------


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("after_s", [0.0, 0.001, 0.005, 0.02, 1.5, 1.51, 3.0, 8.0, 8.6, 9.7, 9.71])
@pytest.mark.parametrize("deaf", [False, True])
def test_a_member_that_is_asked_to_stop_stops_from_every_phase(
    after_s: float, force: bool, deaf: bool
) -> None:
    """While opening, claiming, leading, fading, closing, opening again."""
    world = _world(seed=3)
    host = world.add("a", ROLE, behaviours={"r": Behaviour(stop_s=0.2)})
    if deaf:
        host.link.script(Fate.LOSE_REPLY, c.Heartbeat, times=None)
    world.run(after_s)
    world.stop("a", force=force)
    assert world.until(lambda: host.stopped, within_s=15)
    world.run(2 * world.timing.ttl_s)
    world.verdict.check()
    assert host.machine.wake_s == host.machine.pulse_s == _INF


def test_a_member_that_stops_hands_over_clean_and_leaves_nothing_behind() -> None:
    world = _world()
    host = world.add("a", ROLE, behaviours={"r": Behaviour(stop_s=0.5)})
    _leading(world, host)
    world.stop("a")
    world.run(0.4)
    assert world.view().claims[KEY].session is not None
    world.run(0.3)
    assert host.stopped
    assert host.machine.member.keeper.lease.trusted_until_s == -_INF
    assert world.view().claims[KEY].note.clean
    assert dict(world.view().members) == {}


def test_a_member_that_is_forced_gives_back_unclean_what_still_runs() -> None:
    world = _world()
    host = world.add("a", ROLE, behaviours={"r": NEVER_STOPS})
    _leading(world, host)
    world.stop("a")
    assert not world.until(lambda: host.stopped, within_s=5)
    world.stop("a", force=True)
    world.run(0.2)
    assert host.stopped
    assert not world.view().claims[KEY].note.clean
    world.run(5)
    world.verdict.check()


# --- roles that come and go ------------------------------------------------------------------


def test_a_role_that_is_dropped_and_served_again_is_led_again() -> None:
    world = _world()
    host = world.add("a", ROLE, behaviours={"r": Behaviour(stop_s=0.5)})
    _leading(world, host)
    for wait_s in (0.0, 0.1, 0.6, 3.0):
        world.drop("a", "r")
        world.run(wait_s)
        world.serve("a", ROLE)
        world.run(3)
        _leading(world, host)
    world.verdict.check()


def test_a_role_that_is_paused_while_it_is_being_claimed_is_not_begun() -> None:
    solo = Solo()
    solo.run(3)
    solo.withheld = (c.Claim,)
    solo.step(e.RoleServed(solo.now, ROLE))
    solo.run(3)
    record = solo.view().roles["r"]
    solo.store.put_role("g", replace(record, paused=True))
    solo.run(0.1)
    solo.withheld = ()
    solo.run(1)
    assert solo.hear(c.StartTerm) == []
    claim = solo.view().claims.get(KEY)
    assert claim is None or claim.session is None
