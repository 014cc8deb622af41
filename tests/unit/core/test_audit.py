"""Peers that hold and do nothing: how they are found, and what does not suffice."""

from __future__ import annotations

from coord.config import Timing
from coord.core.audit import Audit, Suspect
from coord.model import Beacon, ClaimKey, Overdue
from coord.spi import BeaconSeen
from tests.unit.core.views import live, view_of

TIMING = Timing.of(10.0, depose_timeout_s=20.0, depose_beacons=3)
KEY = ClaimKey("r", 1, 0, 0)
OTHER = ClaimKey("r", 1, 1, 0)
OWN = "s-a"


def _late(seq: int, *, progress: int = 0, token: int = 5, key: ClaimKey = KEY) -> BeaconSeen:
    return BeaconSeen(seq, Beacon(overdue=(Overdue(key, token, progress),)).to_bytes())


def _look(audit: Audit, seen: BeaconSeen, now: float, session: str = "s-b") -> list[Suspect]:
    return audit.on_beacons({session: seen}, own=OWN, now=now)


def test_a_peer_is_proven_idle_by_newer_beacons_over_the_timeout() -> None:
    audit = Audit(TIMING)
    assert _look(audit, _late(10), 100.0) == []
    assert _look(audit, _late(12), 110.0) == []
    assert _look(audit, _late(13), 120.0) == [Suspect("s-b", KEY, 5)]


def test_time_alone_proves_nothing() -> None:
    """Its beacons may just not have reached us."""
    audit = Audit(TIMING)
    _look(audit, _late(10), 100.0)
    assert _look(audit, _late(10), 1000.0) == []
    assert _look(audit, _late(12), 1001.0) == []


def test_beacons_alone_prove_nothing() -> None:
    """A quick heartbeat must not depose at once."""
    audit = Audit(TIMING)
    _look(audit, _late(10), 100.0)
    assert _look(audit, _late(50), 119.9) == []
    assert _look(audit, _late(51), 120.0) == [Suspect("s-b", KEY, 5)]


def test_progress_closes_the_case_and_a_new_one_begins() -> None:
    audit = Audit(TIMING)
    _look(audit, _late(10), 100.0)
    assert _look(audit, _late(20, progress=1), 119.0) == []
    assert _look(audit, _late(30, progress=1), 138.0) == []
    assert _look(audit, _late(31, progress=1), 139.0) == [Suspect("s-b", KEY, 5)]


def test_a_beacon_without_the_claim_closes_the_case() -> None:
    audit = Audit(TIMING)
    _look(audit, _late(10), 100.0)
    assert _look(audit, BeaconSeen(15, Beacon().to_bytes()), 115.0) == []
    assert _look(audit, _late(20), 130.0) == []


def test_a_beacon_that_is_not_shown_closes_the_case() -> None:
    audit = Audit(TIMING)
    _look(audit, _late(10), 100.0)
    audit.on_beacons({}, own=OWN, now=110.0)
    assert _look(audit, _late(20), 130.0) == []


def test_a_later_tenure_of_the_same_claim_is_another_case() -> None:
    audit = Audit(TIMING)
    _look(audit, _late(10), 100.0)
    assert _look(audit, _late(20, token=6), 130.0) == []


def test_each_claim_is_a_case_of_its_own() -> None:
    audit = Audit(TIMING)
    both = Beacon(overdue=(Overdue(KEY, 5, 0), Overdue(OTHER, 6, 0)))
    _look(audit, _late(10), 100.0)
    _look(audit, BeaconSeen(20, both.to_bytes()), 119.0)
    assert _look(audit, BeaconSeen(21, both.to_bytes()), 121.0) == [Suspect("s-b", KEY, 5)]
    assert set(_look(audit, BeaconSeen(30, both.to_bytes()), 140.0)) == {
        Suspect("s-b", KEY, 5),
        Suspect("s-b", OTHER, 6),
    }


def test_a_member_does_not_audit_itself() -> None:
    """It gives back by itself what is late, and knows it sooner."""
    audit = Audit(TIMING)
    _look(audit, _late(10), 100.0, OWN)
    assert _look(audit, _late(50), 500.0, OWN) == []


def test_two_members_read_the_beacons_whatever_the_size_of_the_fleet() -> None:
    audit = Audit(TIMING)
    for count in (2, 5, 60):
        view = view_of([live(f"m{number}") for number in range(count)], None)
        assert sum(audit.is_auditor(view, session) for session in view.members) == 2


def test_another_member_audits_when_an_auditor_is_gone() -> None:
    audit = Audit(TIMING)
    crew = [live(f"m{number}") for number in range(5)]
    view = view_of(crew, None)
    first = [m for m in crew if audit.is_auditor(view, m.session)]
    rest = [m for m in crew if m is not first[0]]
    view = view_of(rest, None)
    then = [m for m in rest if audit.is_auditor(view, m.session)]
    assert first[1] in then
    assert len(then) == 2


def test_a_member_that_is_not_in_the_view_does_not_audit() -> None:
    assert not Audit(TIMING).is_auditor(view_of([live("b")], None), OWN)


def test_beacons_are_read_twice_within_the_time_that_a_case_takes() -> None:
    audit = Audit(TIMING)
    assert audit.due_s() < 0
    audit.asked(100.0)
    assert audit.due_s() == 110.0
