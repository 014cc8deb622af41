"""A member that cannot see the group does not keep its claims: a lease proves the session only."""

from __future__ import annotations

from coord.config import Role, Timing
from coord.core.audit import Audit
from coord.core.commands import ReadView
from coord.model import Beacon, Ending, EndingKind, MemberRecord, Note
from coord.spi import BeaconSeen
from coord.testing.faults import Fate
from coord.testing.world import World

TIMING = Timing.of(2.0)
ROLE = Role("reaper")


def test_a_holder_that_cannot_read_the_group_stops_renewing_and_is_succeeded() -> None:
    """Its heartbeats go through all the time; a deposal or a pause would never reach it."""
    world = World(seed=3, timing=TIMING)
    for name in ("a", "b"):
        world.add(name, ROLE)
    assert world.until(lambda: bool(world.leaders()), within_s=10)
    [blind] = world.leaders().values()
    world.hosts[blind].link.script(Fate.LOSE_REQUEST, ReadView, times=None)
    bound_s = 2 * TIMING.ttl_s + TIMING.control_timeout_s + 2.0
    assert world.until(lambda: {blind} != set(world.leaders().values()) != set(), within_s=bound_s)
    world.verdict.check()


def test_a_beacon_that_cannot_be_read_ends_nobody() -> None:
    """A later release may write it otherwise; the auditor must live through that."""
    audit = Audit(TIMING)
    for payload in (b"\xff", b"[]", b'{"o": 1}', b'{"o": [["r", 1]]}'):
        assert audit.on_beacons({"x": BeaconSeen(1, payload)}, own="me", now=1.0) == []


def test_what_a_later_release_adds_to_a_row_is_ignored() -> None:
    """One longer row must not blind every member that reads the group."""
    ending = Ending(member="a", kind=EndingKind.WEDGED, bar_s=3.0)
    text = Note(member="a", endings=(ending,)).to_json()
    longer = text.replace("]]", ',"new"],["b","unheard-of",1,2.0,1]]')
    assert Note.from_json(longer).endings == (ending,)
    record = MemberRecord(name="a", incarnation="i").to_json()
    widened = record.replace('"roles":{}', '"roles":{"r":[3,2,9]}')
    assert MemberRecord.from_json(widened).roles["r"] == (3, 2)
    assert Beacon.from_bytes(b'{"o": [["r", 1, 0, 0, 7, 1, "new"]]}').overdue[0].token == 7
