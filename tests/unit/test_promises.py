"""Promises of docs/guarantees.md that the core keeps, each by itself, in virtual time.

One small fleet, driven as the runtime drives it, over the memory store with its injectable faults.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from types import MappingProxyType

import pytest

from coord.config import Role, Timing
from coord.core import commands as c
from coord.core import events as e
from coord.core.assignment import plan
from coord.core.audit import Audit, Suspect
from coord.core.lease import Lease
from coord.core.machine import Machine
from coord.core.progress import AttendedClock
from coord.effects import Effects
from coord.errors import ConfigError
from coord.model import (
    Beacon,
    Claim,
    ClaimKey,
    LiveMember,
    MemberRecord,
    Note,
    Overdue,
    RoleRecord,
    Shape,
    View,
)
from coord.spi import BeaconSeen, Proof
from coord.testing.clock import ManualClock
from coord.testing.faults import Fate, FaultPlan, FaultyStore
from coord.testing.memory import MemoryServer

_TIMING = Timing.of(6)
_QUANTUM_S = 0.02
_GROUP = "fleet"


@dataclass
class _Member:
    """One machine, whose work rests for as long as it leads."""

    machine: Machine
    effects: Effects
    leads: dict[ClaimKey, int] = field(default_factory=dict)
    led: set[ClaimKey] = field(default_factory=set)
    sessions: list[str] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)

    def step(self, event: e.Event, clock: ManualClock) -> None:
        commands = deque(self.machine.step(event))
        while commands:
            command = commands.popleft()
            if isinstance(command, c.StoreCommand):
                answer = self.effects.perform(command)
                if isinstance(answer, e.Done) and isinstance(answer.value, c.Opened):
                    self.sessions.append(answer.value.session)
                commands += self.machine.step(answer)
            elif isinstance(command, c.StartTerm):
                self.leads[command.key] = command.token
                self.led.add(command.key)
                commands += self.machine.step(e.WorkRested(clock.now(), command.number, False))
            elif isinstance(command, c.StopTerm):
                self.leads.pop(command.key, None)
                commands += self.machine.step(e.WorkEnded(clock.now(), command.number, None))
            elif isinstance(command, c.Report):
                self.reports.append(command.kind)


class _Fleet:
    """Members of one group, one store, one clock, one script of faults."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.clock = ManualClock()
        self.server = MemoryServer(self.clock)
        self.faults = FaultPlan()
        self.members: dict[str, _Member] = {}

    def add(self, name: str) -> _Member:
        store = FaultyStore(self.server.store(), self.faults, clock=self.clock, sender=name)
        record = MemberRecord(name=name, incarnation=f"{name}-1")
        draw = random.Random(name).random
        member = _Member(
            Machine(record, _TIMING, store.guarantees, draw), Effects(store, _GROUP, self.clock)
        )
        self.members[name] = member
        member.step(e.Start(self.clock.now()), self.clock)
        member.step(e.RoleServed(self.clock.now(), self.role), self.clock)
        return member

    def run(self, seconds: float) -> None:
        end_s = self.clock.now() + seconds
        while self.clock.now() < end_s:
            self.clock.advance(_QUANTUM_S)
            self.server.tick()
            for member in self.members.values():
                member.step(e.Wake(self.clock.now()), self.clock)
                member.step(e.Tick(self.clock.now()), self.clock)
                member.step(e.Pulse(self.clock.now()), self.clock)

    def restore_an_empty_store(self) -> None:
        """A backup from before anything had happened."""
        self.server = MemoryServer(self.clock)
        for name, member in self.members.items():
            store = FaultyStore(self.server.store(), self.faults, clock=self.clock, sender=name)
            member.effects = Effects(store, _GROUP, self.clock)

    def view(self) -> View:
        return self.server.store().view(_GROUP)


# --- time ------------------------------------------------------------------------------------


def test_timings_that_leave_no_time_to_stop_are_refused_with_the_sum() -> None:
    with pytest.raises(ConfigError) as refused:
        Timing.of(10, heartbeat_s=5, rpc_timeout_s=1.5)
    assert "heartbeat 5 + attempts 2 × rpc_timeout 1.5 + slack 0.5 = 8.5 s" in str(refused.value)
    assert "= 7.98 s" in str(refused.value)
    with pytest.raises(ConfigError):
        Timing.of(10).check_budget(ttl_s=5, lag_s=0)  # what the store grants counts


def test_the_deadline_counts_from_the_sending_and_never_goes_back() -> None:
    timing, lease = Timing.of(10, drift=0.01), Lease("s")
    lease.extend(Proof(sent_at_s=100, ttl_s=10, lag_s=0.5), timing)
    assert lease.trusted_until_s == pytest.approx(100 + 10 * 0.99 - 0.5)
    assert lease.stop_at_s == pytest.approx(lease.trusted_until_s - timing.stop_grace_s)
    before = lease.trusted_until_s
    lease.extend(Proof(sent_at_s=99, ttl_s=10, lag_s=0.5), timing)
    assert lease.trusted_until_s == before


def test_a_session_without_proof_is_given_up_for_good_though_its_heartbeats_arrive() -> None:
    fleet = _Fleet(Role("one"))
    first = fleet.add("a")
    fleet.run(3)
    assert first.leads
    fleet.faults.add(Fate.LOSE_REPLY, "heartbeat", times=None)
    fleet.run(_TIMING.ttl_s)
    assert "session-given-up" in first.reports
    fleet.faults.mend()
    fleet.run(3)
    assert len(first.sessions) > 1
    assert set(fleet.view().members) == {first.sessions[-1]}
    assert first.leads


# --- claims ----------------------------------------------------------------------------------


def test_a_claim_whose_answer_was_lost_is_adopted_under_its_token() -> None:
    fleet = _Fleet(Role("one"))
    fleet.faults.add(Fate.LOSE_REPLY, "claim")
    member = fleet.add("a")
    fleet.run(3)
    assert "adopted" in member.reports
    (claim,) = fleet.view().claims.values()
    assert member.leads == {claim.key: claim.token}


def test_a_claim_that_lands_late_for_a_member_that_has_left_the_role_is_given_back() -> None:
    fleet = _Fleet(Role("one"))
    fleet.faults.add(Fate.HOLD, "claim", sender="a")
    member = fleet.add("a")
    fleet.run(_TIMING.settle_s + 0.1)
    assert fleet.faults.held
    member.step(e.RoleDropped(fleet.clock.now(), "one"), fleet.clock)
    fleet.faults.land_held()
    fleet.run(3)
    (claim,) = fleet.view().claims.values()
    assert claim.session is None
    assert member.leads == {}


def test_a_claim_that_its_planned_member_does_not_take_is_taken_by_another() -> None:
    fleet = _Fleet(Role("many", shards=6))
    fleet.faults.add(Fate.LOSE_REQUEST, "claim", sender="a", times=None)
    absent, other = fleet.add("a"), fleet.add("b")
    fleet.run(10)
    assert absent.leads == {}
    assert len(other.led) == 6  # and offers them to the other again, later each time


def test_a_member_that_saw_a_larger_token_than_the_stores_refuses_to_lead() -> None:
    fleet = _Fleet(Role("one"))
    member = fleet.add("a")
    fleet.run(3)
    assert member.leads
    fleet.restore_an_empty_store()
    fleet.run(10)
    assert "token-regression" in member.reports
    assert member.leads == {}


# --- who gets what ---------------------------------------------------------------------------


def _live(name: str, role: RoleRecord, zone: str = "") -> LiveMember:
    roles = MappingProxyType({role.name: role.shape})
    record = MemberRecord(name=name, incarnation=name, zone=zone, roles=roles)
    return LiveMember(session=f"session-{name}", record=record, ttl_s=6, seq=1)


def _view(role: RoleRecord, members: list[LiveMember], owner: dict[ClaimKey, str]) -> View:
    claims = {key: Claim(key, 1, session, Note()) for key, session in owner.items()}
    live = {member.session: member for member in members}
    return View(group=_GROUP, revision=1, members=live, claims=claims, roles={role.name: role})


def test_equal_views_give_equal_plans_in_whatever_order_they_were_read() -> None:
    role = RoleRecord(name="many", shape=Shape(12, 2))
    members = [_live(name, role) for name in "abcd"]
    one, other = (_view(role, found, {}) for found in (members, members[::-1]))
    assert plan(one, role).owner == plan(other, role).owner


def test_when_a_member_joins_or_leaves_only_what_must_move_moves() -> None:
    role = RoleRecord(name="many", shape=Shape(12, 1))
    members = [_live(name, role) for name in "abcd"]
    three = dict(plan(_view(role, members[:3], {}), role).owner)
    joined = plan(_view(role, members, three), role)
    assert sum(len(moves) for moves in joined.moves.values()) == 3
    four = dict(joined.owner)
    gone = members.pop()
    free = {key: session for key, session in four.items() if session != gone.session}
    left = plan(_view(role, members, free), role)
    assert not left.moves
    assert {key: left.owner[key] for key in free} == free


def test_no_member_gets_two_seats_of_a_shard_whatever_the_capacity() -> None:
    role = RoleRecord(name="many", shape=Shape(6, 3))
    members = [_live(name, role) for name in "ab"]
    dealt = plan(_view(role, members, {}), role)
    assert len(dealt.owner) == len({(key.shard, who) for key, who in dealt.owner.items()}) == 12
    assert dealt.unassigned == 6


def test_seats_of_a_shard_sit_on_different_members_and_in_different_zones() -> None:
    role = RoleRecord(name="many", shape=Shape(6, 2))
    members = [_live(name, role, zone) for name, zone in zip("abcd", "eeww", strict=True)]
    owner = plan(_view(role, members, {}), role).owner
    zones = {member.session: member.record.zone for member in members}
    for shard in range(6):
        seats = [owner[ClaimKey("many", 1, shard, seat)] for seat in range(2)]
        assert len(set(seats)) == 2
        assert len({zones[session] for session in seats}) == 2


# --- idle leaders ----------------------------------------------------------------------------


def test_the_progress_clock_does_not_count_a_pause() -> None:
    attended = AttendedClock(slack_s=0.1)
    attended.attend(0)
    attended.ask(1)
    attended.attend(60)  # asked for at 1, came at 60: the process was stopped
    assert attended.now_s == pytest.approx(1.1)


def test_a_peer_deposes_after_enough_newer_beacons_and_enough_time_and_not_before() -> None:
    audit = Audit(Timing.of(10, depose_timeout_s=20, depose_beacons=3))
    late = Overdue(ClaimKey("one", 1, 0, 0), 7, 0)
    suspect = Suspect("peer", late.key, late.token)

    def verdict(seq: int, now: float, overdue: Overdue = late) -> list[Suspect]:
        beacon = BeaconSeen(seq, Beacon(overdue=(overdue,)).to_bytes())
        return audit.on_beacons({"peer": beacon}, own="me", now=now)

    assert verdict(1, 0) == []
    assert verdict(2, 30) == []  # time enough, beacons too few
    assert verdict(4, 31) == [suspect]
    assert verdict(5, 32, late._replace(progress=1)) == []  # it moved: a new case
    assert verdict(9, 40) == []  # beacons enough, time too short
