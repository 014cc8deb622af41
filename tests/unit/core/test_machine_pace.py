"""A machine is a good guest of its driver: it asks for neither too many steps nor too few."""

from __future__ import annotations

from collections import Counter

import pytest

from coord.config import Role, Timing
from coord.core import commands as c
from coord.core import events as e
from coord.core.states import SessionPhase
from coord.errors import StoreConflict
from coord.model import ClaimKey
from coord.spi import Held
from coord.testing.faults import Fate
from coord.testing.group_state import GroupState
from coord.testing.world import World
from tests.unit.core.solo import TIMING, Solo

ROLE = Role("r", progress_timeout_s=None)
KEY = ClaimKey("r", 1, 0, 0)


def _world() -> World:
    timing = Timing.of(6.0, heartbeat_s=1.2, rpc_timeout_s=0.5)
    return World(timing=timing, record_events=True)


def test_the_control_thread_is_asked_to_tick_however_many_other_events_come() -> None:
    """Each answer asks for the next tick; if it counted from there, none would ever come."""
    solo = Solo(ROLE)
    solo.run(3)
    last_tick_s = solo.machine.member.last_tick_s
    while solo.now < last_tick_s + TIMING.heartbeat_s:
        view = solo.view()
        solo.step(e.Done(solo.now, c.ReadView(), solo.now, view))
        assert solo.machine.wake_s <= last_tick_s + TIMING.heartbeat_s
        solo.clock.advance(0.1)  # type: ignore[attr-defined]
    assert solo.machine.wake_s <= solo.now


def test_who_has_no_session_ticks_as_often() -> None:
    """Or a leap of its clock would count as time in which it watched its peers."""
    world = _world()
    host = world.add("a")
    world.serve("a", ROLE)
    world.run(10)
    host.link.script(Fate.REFUSE, c.Heartbeat, times=None)
    host.link.script(Fate.REFUSE, c.OpenSession, times=None)
    phases = set()
    for _ in range(300):
        world.run(0.1)
        machine = host.machine
        phases.add(machine.phase)
        assert machine.wake_s <= machine.member.last_tick_s + world.timing.heartbeat_s
    assert SessionPhase.OPENING in phases


@pytest.mark.parametrize("kind", [c.ReadView, c.PutRole, c.Claim, c.UpdateRecord, c.OpenSession])
def test_calls_that_fail_at_once_are_not_made_again_at_once(kind: type[c.StoreCommand]) -> None:
    """A store that refuses in no time must not be asked in a loop."""
    world = _world()
    host = world.add("a")
    host.link.request_s = host.link.reply_s = (0.0, 0.0)
    host.link.script(Fate.REFUSE, kind, times=None)
    world.serve("a", ROLE)
    world.add("b", *([ROLE] if kind is c.Claim else []))
    world.run(10)
    world.crash("b")
    world.run(20)
    refused = [event for event in world.events if event[1] == "refuse" and event[2] == "a"]
    assert 3 <= len(refused) <= 30 / (world.timing.rpc_timeout_s / 10)
    world.verdict.check()


@pytest.mark.parametrize("method", ["_claim_one", "put_role", "evict"])
def test_a_store_that_always_says_no_is_not_asked_in_a_loop(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim that looks free and is not given, a record that always conflicts, the undying."""

    def put_role(*_arguments: object) -> None:
        raise StoreConflict("another version")

    answers = {"_claim_one": lambda *_: Held(KEY), "put_role": put_role, "evict": lambda *_: False}
    monkeypatch.setattr(GroupState, method, answers[method])
    world = _world()
    for name in "ab":
        world.add(name, ROLE).link.request_s = (0.0, 0.0)
    world.run(10)
    world.crash("b", known=True)
    world.run(20)
    kind = {"_claim_one": c.Claim, "put_role": c.PutRole, "evict": c.Evict}[method]
    asked = [event for event in world.events if event[1:] == ("land", "a", kind.__name__)]
    assert 3 <= len(asked) <= 30 / min(world.timing.claim_timeout_s, world.timing.rpc_timeout_s)


def test_a_call_whose_answer_is_outstanding_is_not_made_again() -> None:
    """However many steps come meanwhile: an eviction, a record, a view, a release."""
    solo = Solo(ROLE)
    solo.run(3)
    guest = solo.guest("b")
    solo.run(1)
    solo.withheld = (c.Evict, c.PutRole, c.UpdateRecord, c.ReadBeacons, c.Release)
    solo.server.mark_gone("g", guest.id)
    solo.step(e.RoleServed(solo.now, Role("s")))
    solo.ended(solo.term())
    for _ in range(40):
        solo.step(e.Wake(solo.now))
        solo.run(0.5)
    counts = Counter(type(command).__name__ for command in solo.waiting())
    assert set(counts.values()) == {1}, counts
    assert {"Evict", "Release", "UpdateRecord", "PutRole"} <= set(counts)


def test_a_member_that_has_asked_for_much_waits_for_answers_before_it_asks_for_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it decides next is decided by a newer view: it may not be alone any more by then."""
    monkeypatch.setattr("coord.testing.memory.BATCH_SIZE", 2)
    role = Role("r", shards=100, progress_timeout_s=None)
    solo = Solo(role)
    solo.withheld = (c.Claim,)
    solo.run(3)
    asked = [command for command in solo.waiting() if isinstance(command, c.Claim)]
    assert sum(len(command.requests) for command in asked) == 16 < role.shards
    solo.withheld = ()
    solo.settle()
    assert len(solo.hear(c.StartTerm)) == role.shards, "answers alone let it go on"
