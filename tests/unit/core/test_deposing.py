"""A leader that does nothing and cannot let go is deposed by its peers, by the book."""

from __future__ import annotations

from coord.config import Role, Timing
from coord.core import commands as c
from coord.model import ClaimKey, EndingKind
from coord.testing.faults import Fate
from coord.testing.world import Behaviour, Conduct, Host, World

KEY = ClaimKey("r", 1, 0, 0)
ROLE = Role("r", progress_timeout_s=3.0, bar_s=40.0, lock_delay_s=0.5)
STUCK = Behaviour(conduct=Conduct.WEDGED, after=2)


def _wedged(*others: str) -> tuple[World, Host]:
    """A leader that is wedged and whose every release is refused, beside some others."""
    timing = Timing.of(6.0, heartbeat_s=1.2, rpc_timeout_s=0.5, depose_timeout_s=5.0)
    world = World(seed=1, timing=timing, record_events=True)
    host = world.add("a", ROLE)
    assert world.until(lambda: world.leaders() == {KEY: "a"}, within_s=10)
    host.behaviours["r"] = STUCK
    host.link.script(Fate.REFUSE, c.Release, times=None)
    for name in others:
        world.add(name, ROLE)
    return world, host


def _deposals(world: World) -> list[str]:
    return [event[2] for event in world.events if event[1] == "land" and event[3] == "Depose"]


def test_a_leader_that_admits_no_progress_is_deposed_after_the_timeout_and_not_before() -> None:
    world, host = _wedged("b")
    assert world.until(lambda: host.reports["late"] > 0, within_s=15, step_s=0.01)
    late_s = world.now_s
    assert world.until(lambda: bool(_deposals(world)), within_s=20, step_s=0.01)
    assert world.now_s - late_s >= world.timing.depose_timeout_s
    assert world.until(lambda: world.leaders() == {KEY: "b"}, within_s=5)
    world.verdict.check()


def test_the_bar_is_written_in_the_same_request() -> None:
    world, _ = _wedged("b")
    assert world.until(lambda: bool(_deposals(world)), within_s=30, step_s=0.001)
    note = world.view().claims[KEY].note
    (ending,) = note.endings
    assert (ending.member, ending.kind, ending.bar_s) == ("a", EndingKind.WEDGED, 40.0)
    assert ending.barren
    assert not note.clean
    assert note.lock_delay_s == 0.5


def test_the_deposed_member_is_told_and_does_not_win_it_back_while_barred() -> None:
    world, host = _wedged("b", "c")
    assert world.until(lambda: bool(_deposals(world)), within_s=30)
    (work,) = host.works.values()
    assert work.over
    assert host.reports["deposed"] == 0, "it had let go already, as far as it could"
    host.link.mend()
    host.behaviours.clear()
    host.unstick()
    for _ in range(30):
        world.run(1)
        assert world.leaders().get(KEY) != "a"
    world.verdict.check()


def test_the_beacon_of_a_deposed_leader_admits_nothing_any_more() -> None:
    world, host = _wedged("b")
    assert world.until(lambda: bool(_deposals(world)), within_s=30)
    world.run(20)
    assert not host.machine.member.tenures.late
    assert len(_deposals(world)) == 1


def test_nobody_is_deposed_whose_release_arrives() -> None:
    world, host = _wedged("b")
    host.link.mend()
    assert world.until(lambda: world.leaders() == {KEY: "b"}, within_s=20)
    world.run(30)
    assert _deposals(world) == []


def test_few_members_read_the_beacons_of_all() -> None:
    """Or the fleet's reads would grow with its square."""
    world, _ = _wedged(*"bcdefgh")
    world.run(60)
    readers = {event[2] for event in world.events if event[3:] == ("ReadBeacons",)}
    assert 1 <= len(readers) <= 4  # two of those that lived at any time


def test_an_operators_deposal_stops_the_leader_at_its_next_view() -> None:
    world, host = _wedged("b")
    host.behaviours["r"] = Behaviour(conduct=Conduct.HEADLESS, rest_s=0.01)
    world.run(2)
    (work,) = host.works.values()
    acts = world.verdict.acts
    world.run(1)
    assert world.verdict.acts > acts
    world.depose(KEY)
    assert world.until(lambda: host.reports["deposed"] == 1, within_s=1)
    assert work.over
    world.verdict.check()
