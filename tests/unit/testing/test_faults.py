"""Requests go astray as scripted: what the caller sees, what the store did, and when."""

from __future__ import annotations

import pytest

from coord.errors import Certainty, InternalError, SessionLost, StoreError, StoreUnavailable
from coord.model import ClaimKey, MemberRecord, Note, RoleRecord, Shape
from coord.spi import Claimed, ClaimRequest, Held, Tenure
from coord.testing.clock import ManualClock, SkewedClock
from coord.testing.faults import Fate, FaultPlan, FaultySession, FaultyStore, Request
from coord.testing.memory import MemoryServer

TIMEOUT_S = 1.0


class _World:
    """One server, a healthy handle, and a faulty one whose calls take virtual time."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.server = MemoryServer(self.clock)
        self.plan = FaultPlan()
        self.healthy = self.server.store()
        self.faulty = FaultyStore(
            self.server.store(),
            self.plan,
            clock=self.clock,
            sender="a",
            timeout_s=TIMEOUT_S,
            pass_time=self.clock.advance,
        )
        self.role = self.healthy.put_role("g", RoleRecord(name="r", shape=Shape(1, 1)))
        self.key = self.role.claim_keys()[0]
        self.session: FaultySession = self.faulty.open_session(
            "g", MemberRecord(name="a", incarnation="1"), 10.0
        )

    def request(self) -> ClaimRequest:
        return ClaimRequest(self.key, 0, self.role.version, Note())

    def holder(self) -> str | None:
        claim = self.healthy.view("g").claims.get(self.key)
        return None if claim is None else claim.session

    def claim(self) -> list[Claimed | Held]:
        return self.session.claim([self.request()])


@pytest.fixture
def world() -> _World:
    return _World()


def _fails(world: _World, certainty: Certainty, took_s: float) -> None:
    before_s = world.clock.now()
    with pytest.raises(StoreUnavailable) as caught:
        world.claim()
    assert caught.value.certainty is certainty
    assert world.clock.now() - before_s == pytest.approx(took_s)


def test_without_a_rule_everything_is_delivered_at_once(world: _World) -> None:
    assert world.claim() == [Claimed(world.key, world.healthy.view("g").claims[world.key].token)]
    assert world.holder() == world.session.id


def test_a_refused_request_was_not_applied_and_says_so(world: _World) -> None:
    world.plan.add(Fate.REFUSE, "claim")
    _fails(world, Certainty.NOT_APPLIED, took_s=0.0)
    assert world.holder() is None


def test_a_lost_request_is_never_applied_and_nobody_knows(world: _World) -> None:
    world.plan.add(Fate.LOSE_REQUEST, "claim")
    _fails(world, Certainty.UNKNOWN, took_s=TIMEOUT_S)
    assert world.holder() is None
    assert world.plan.held == []


def test_a_lost_reply_was_applied_and_nobody_knows(world: _World) -> None:
    world.plan.add(Fate.LOSE_REPLY, "claim")
    _fails(world, Certainty.UNKNOWN, took_s=TIMEOUT_S)
    assert world.holder() == world.session.id


def test_a_held_request_lands_when_told_and_only_once(world: _World) -> None:
    world.plan.add(Fate.HOLD, "claim")
    _fails(world, Certainty.UNKNOWN, took_s=TIMEOUT_S)
    assert world.holder() is None, "a strong read says: absent"
    [late] = world.plan.held
    world.plan.land_held()
    assert world.holder() == world.session.id
    token = world.healthy.view("g").claims[world.key].token
    world.session.release([Tenure(world.key, token, Note())])
    late.land()
    assert world.holder() is None, "it landed twice"


def test_delays_pass_on_the_callers_clock(world: _World) -> None:
    world.plan.add(Fate.DELIVER, "heartbeat", request_s=0.25, reply_s=0.5)
    sent_at_s = world.clock.now()
    proof = world.session.heartbeat(b"")
    assert world.clock.now() == pytest.approx(sent_at_s + 0.75)
    assert proof.sent_at_s == sent_at_s, "a proof counts from the sending, not from the landing"
    assert world.server.next_expiry_s() == pytest.approx(sent_at_s + 0.25 + 10.0)


def test_a_request_slower_than_the_timeout_is_held(world: _World) -> None:
    world.plan.add(Fate.DELIVER, "claim", request_s=2 * TIMEOUT_S)
    _fails(world, Certainty.UNKNOWN, took_s=TIMEOUT_S)
    assert len(world.plan.held) == 1


def test_a_reply_slower_than_the_timeout_is_lost(world: _World) -> None:
    world.plan.add(Fate.DELIVER, "claim", request_s=0.75 * TIMEOUT_S, reply_s=0.5 * TIMEOUT_S)
    _fails(world, Certainty.UNKNOWN, took_s=TIMEOUT_S)
    assert world.holder() == world.session.id


def test_rules_choose_by_method_sender_and_number(world: _World) -> None:
    world.plan.add(Fate.REFUSE, "heartbeat", sender="somebody else", times=None)
    world.plan.add(Fate.REFUSE, "heartbeat", "view", times=2)
    for call in (lambda: world.session.heartbeat(b""), lambda: world.faulty.view("g")):
        with pytest.raises(StoreUnavailable):
            call()
    world.session.heartbeat(b"")
    world.plan.add(Fate.REFUSE, times=None)
    with pytest.raises(StoreUnavailable):
        world.faulty.beacons("g")
    world.plan.mend()
    world.faulty.beacons("g")


def test_the_stores_own_errors_come_through(world: _World) -> None:
    world.session.close()
    with pytest.raises(SessionLost):
        world.claim()
    world.plan.add(Fate.HOLD, "heartbeat")
    with pytest.raises(StoreUnavailable):
        world.session.heartbeat(b"")
    [late] = world.plan.held
    world.plan.land_held()
    with pytest.raises(SessionLost):
        late.reply()


def test_a_request_has_no_reply_before_it_has_landed() -> None:
    request = Request("view", "a", 0.0, lambda: 1)
    with pytest.raises(InternalError):
        request.reply()
    request.land()
    assert request.reply() == 1


def test_a_driver_lands_a_call_later_than_it_was_sent(world: _World) -> None:
    """The driver makes the call when it lands, and says when it was sent."""
    sent_at_s = world.clock.now()
    world.clock.advance(0.5)
    with world.faulty.sent(at_s=sent_at_s):
        proof = world.session.heartbeat(b"")
        record = MemberRecord(name="b", incarnation="1")
        opened = world.faulty.open_session("g", record, 10.0).opened
    assert proof.sent_at_s == opened.sent_at_s == sent_at_s
    assert world.session.heartbeat(b"").sent_at_s == world.clock.now()


def test_proofs_are_stamped_on_the_senders_clock(world: _World) -> None:
    own = SkewedClock(world.clock, offset_s=100.0)
    store = FaultyStore(world.server.store(own), FaultPlan(), clock=own)
    session = store.open_session("g", MemberRecord(name="b", incarnation="1"), 10.0)
    assert session.opened.sent_at_s == own.now()


def test_wakes_can_be_lost_and_held(world: _World) -> None:
    wakes: list[str] = []
    watch = world.faulty.watch("g", lambda: wakes.append("woken"))
    world.plan.add(Fate.LOSE_REQUEST, "wake")
    world.plan.add(Fate.HOLD, "wake")
    for name in ("b", "c"):
        world.healthy.open_session("g", MemberRecord(name=name, incarnation="1"), 10.0)
    assert wakes == []
    world.plan.land_held()
    assert wakes == ["woken"]
    world.healthy.open_session("g", MemberRecord(name="d", incarnation="1"), 10.0)
    assert wakes == ["woken"] * 2
    watch.close()


def test_every_method_of_the_contract_takes_the_faulty_way(world: _World) -> None:
    """One that slipped past the plan would be a fault that is never injected."""
    world.plan.add(Fate.REFUSE, times=None)
    store, session = world.faulty, world.session
    member = MemberRecord(name="a", incarnation="1")
    tenure = Tenure(ClaimKey("r", 1, 0, 0), 1, Note())
    calls = [
        lambda: store.open_session("g", member, 10.0),
        lambda: store.view("g"),
        lambda: store.beacons("g"),
        lambda: store.watch("g", lambda: None),
        lambda: store.depose("g", tenure),
        lambda: store.put_role("g", world.role),
        lambda: store.probe("g"),
        lambda: session.heartbeat(b""),
        lambda: session.claim([]),
        lambda: session.release([tenure]),
        lambda: session.amend([tenure]),
        lambda: session.update(member),
        session.close,
    ]
    for call in calls:
        with pytest.raises(StoreError):
            call()
