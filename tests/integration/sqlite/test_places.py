"""Other clocks, other boots: whose expiry is compared, and who has to be watched instead."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.config import Timing
from coord.core.peers import Peers
from coord.errors import DuplicateMember
from coord.model import MemberRecord
from coord.spi import Observed
from coord.testing.clock import ManualClock
from coord_sqlite import SqliteStore, place
from coord_sqlite.place import Fate, Place, Process, open_process, place_of, this_process
from tests.integration.sqlite.conftest import Start

MEMBER = MemberRecord(name="m", incarnation="1")
OFFSET_S = 100_000


def _shifted() -> tuple[str, ...]:
    """The prefix that starts a command with a boot clock far ahead of ours."""
    prefix = ("unshare", "--time", "--boottime", str(OFFSET_S), "--fork", "--kill-child")
    if os.geteuid() or shutil.which("unshare") is None:
        pytest.skip("time namespaces take root and unshare (util-linux): run as root")
    tried = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no time namespaces here ({tried.stderr.strip()})")
    return prefix


def test_a_member_with_a_shifted_clock_is_watched_instead_of_timed(
    path: Path, store: SqliteStore, start: Start
) -> None:
    """Its stamps lie a day ahead: compared with our clock they would never expire, and ours would
    long have expired for it.
    """
    child = start(path, "shifted", prefix=_shifted(), ttl_s=0.5)
    own = store.open_session("g", MEMBER, 60.0)
    members = store.view("g").members
    assert members[child.session].expires_at_s is None
    assert members[own.id].expires_at_s is not None
    assert not members[child.session].gone

    time.sleep(0.7)  # longer than its ttl: no proof for us
    with pytest.raises(DuplicateMember):
        store.open_session("g", MemberRecord(name="shifted", incarnation="2"), 60.0)

    assert child.ask("heartbeat") == child.session
    assert not store.evict("g", Observed(child.session, 0)), "it has moved since"
    assert store.evict("g", Observed(child.session, 1)), "whoever watched it may end it"
    assert str(child.ask("heartbeat")).startswith("SessionLost")


def test_a_store_on_another_clock_gives_no_moment_and_believes_the_watcher(path: Path) -> None:
    """The same, where time namespaces are not to be had: two clocks of the callers'."""
    with (
        closing(SqliteStore(path, clock=ManualClock(1000.0))) as one,
        closing(SqliteStore(path, clock=ManualClock(500_000.0))) as other,
    ):
        session = one.open_session("g", MEMBER, 60.0)
        assert one.view("g").members[session.id].expires_at_s == 1060.0
        assert other.view("g").members[session.id].expires_at_s is None
        assert not one.evict("g", Observed(session.id, 0))
        session.heartbeat(b"")
        assert not other.evict("g", Observed(session.id, 0))
        assert other.evict("g", Observed(session.id, 1))


def test_expiry_goes_by_the_clock_that_the_store_was_given(path: Path) -> None:
    clock = ManualClock()
    with closing(SqliteStore(path, clock=clock)) as store:
        session = store.open_session("g", MEMBER, 60.0)
        clock.advance(59.999)
        assert not store.evict("g", Observed(session.id, 0))
        clock.advance(0.001)
        assert store.evict("g", Observed(session.id, 0))


HERE = place_of(SYSTEM_CLOCK)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(HERE, Place(HERE.machine, "another", HERE.clock), id="restarted or cloned"),
        pytest.param(HERE, Place(HERE.machine, "", ""), id="boot id hidden from the watcher"),
        pytest.param(Place(HERE.machine, "", ""), HERE, id="boot id hidden from the watched"),
        pytest.param(
            Place(HERE.machine, "", ""), Place(HERE.machine, "", ""), id="hidden from both"
        ),
        pytest.param(
            Place("", HERE.boot, HERE.clock),
            Place("", "another", HERE.clock),
            id="container with its own boot id and no machine id",
        ),
        pytest.param(
            Place("image", "one", HERE.clock),
            Place("image", "another", HERE.clock),
            id="containers with their own boot ids and a cloned machine id",
        ),
    ],
)
def test_a_session_of_another_boot_id_is_watched_like_one_of_another_clock(
    path: Path, one: Place, other: Place
) -> None:
    """It may be of a boot that is over, or of a container beside us that is well: nobody can tell.
    The heartbeat number tells, whatever its expiry is, and never before a ttl.
    """
    with (
        closing(SqliteStore(path, place=one)) as before,
        closing(SqliteStore(path, place=other)) as now,
    ):
        session = before.open_session("g", MEMBER, 3600.0)
        member = now.view("g").members[session.id]
        assert not member.gone, "it is trusted for another hour"
        assert member.expires_at_s is None
        with pytest.raises(DuplicateMember):
            now.open_session("g", MemberRecord(name="m", incarnation="2"), 60.0)

        session.heartbeat(b"")
        assert not now.evict("g", Observed(session.id, member.seq)), "it has moved since"
        member = now.view("g").members[session.id]
        assert (member.gone, member.expires_at_s) == (False, None)
        assert now.evict("g", Observed(session.id, member.seq)), "whoever watched it may end it"
        reopened = now.open_session("g", MemberRecord(name="m", incarnation="2"), 60.0)
        assert list(now.view("g").members) == [reopened.id]


def test_a_leader_whose_boot_id_is_hidden_from_the_other_leads_on(path: Path) -> None:
    """For as long as it heartbeats, by the core's own way to watch; and then until its deadline."""
    timing = Timing.of(1.0)
    with (
        closing(SqliteStore(path, place=HERE)) as one,
        closing(SqliteStore(path, place=Place(HERE.machine, "", ""))) as other,
    ):
        session = one.open_session("g", MEMBER, timing.ttl_s)
        proof = session.opened
        peers = Peers(timing, other.guarantees)
        until_s = SYSTEM_CLOCK.now() + 2 * timing.ttl_s
        while SYSTEM_CLOCK.now() < until_s:
            proof = session.heartbeat(b"")
            asked_at_s, view = SYSTEM_CLOCK.now(), other.view("g")
            replied_at_s = SYSTEM_CLOCK.now()
            peers.on_view(view, own=None, sent_at_s=asked_at_s, now=replied_at_s)
            assert peers.dead(replied_at_s) == ([], False)
            time.sleep(0.05)
        (observed,) = _dead(peers)
        assert SYSTEM_CLOCK.now() >= proof.sent_at_s + proof.ttl_s
        assert other.evict("g", observed)


def _dead(peers: Peers) -> list[Observed]:
    """Whom the core would evict, once it would."""
    while True:
        evict, _ = peers.dead(SYSTEM_CLOCK.now())
        if evict:
            return evict
        time.sleep(0.01)


def test_what_is_not_known_proves_nothing() -> None:
    """It is never equal, so that clocks compare, and never different, so that somebody is dead."""
    known, unknown = Place("id", "boot", "c"), Place("id", "", "")
    assert known.comparable(known)
    assert not known.comparable(unknown)
    assert not unknown.comparable(known)
    assert not unknown.comparable(unknown)
    assert not Place("id", "", "c").comparable(Place("id", "", "c"))
    assert not Place("id", "boot", "").comparable(Place("id", "boot", ""))
    assert not Place("one", "", "").same_machine(Place("other", "", ""))
    hidden = Process("", os.getpid(), 0)
    assert open_process(hidden, hidden) == (Fate.UNKNOWN, -1)


@pytest.mark.parametrize(
    "hidden",
    ["/proc/sys/kernel/random/boot_id", "/proc/self/ns/time", "/proc/self/ns/pid", "/proc/self"],
)
def test_a_process_that_sees_a_part_of_proc_alone_claims_to_know_no_more(
    hidden: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under systemd's ProcSubset=pid. A kernel without time namespaces has one boot clock."""
    text, link = place._text, place._link
    monkeypatch.setattr(place, "_text", lambda path: "" if _under(path, hidden) else text(path))
    monkeypatch.setattr(place, "_link", lambda path: "" if _under(path, hidden) else link(path))
    found, process = place_of(SYSTEM_CLOCK), this_process()
    if hidden == "/proc/self/ns/time":
        assert found.clock == "one clock"
    elif hidden == "/proc/self/ns/pid":
        assert process.namespace == ""
        assert found.comparable(HERE), "the clock is known nevertheless"
    else:
        assert found.clock == ""
        assert process.namespace == ""
        assert open_process(process, process) == (Fate.UNKNOWN, -1)


def _under(path: str, hidden: str) -> bool:
    return path == hidden or path.startswith(hidden + "/")


def test_a_machine_without_an_id_gets_the_benefit_of_the_doubt() -> None:
    """Containers often have none, and after a restart of the machine their file must open."""
    unknown, known = Place("", "boot 1", "c"), Place("id", "boot 2", "c")
    assert unknown.same_machine(known)
    assert known.same_machine(unknown)
    assert not Place("other", "boot 1", "c").same_machine(known)
    assert Place("other", "boot 2", "c").same_machine(known), "one boot is one machine"
    assert not Place("other", "", "c").same_machine(known)
