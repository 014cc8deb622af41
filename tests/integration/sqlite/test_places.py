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
from coord.errors import DuplicateMember
from coord.model import MemberRecord
from coord.spi import Observed
from coord.testing.clock import ManualClock
from coord_sqlite import SqliteStore
from coord_sqlite.place import Place, place_of
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


def test_sessions_of_an_earlier_boot_are_dead_at_once(path: Path) -> None:
    """Even with an expiry that lies ahead: the boot clock starts anew with each boot."""
    here = place_of(SYSTEM_CLOCK)
    earlier = Place(here.machine, "earlier boot", here.clock)
    with closing(SqliteStore(path, place=earlier)) as before, closing(SqliteStore(path)) as now:
        session = before.open_session("g", MEMBER, 3600.0)
        left = before.open_session("g", MemberRecord(name="n", incarnation="1"), 3600.0)
        member = now.view("g").members[session.id]
        assert member.gone
        assert member.expires_at_s is None
        assert now.evict("g", Observed(session.id, 0))
        reopened = now.open_session("g", MemberRecord(name="n", incarnation="2"), 60.0)
        assert list(now.view("g").members) == [reopened.id]
        assert left.id != reopened.id


def test_a_machine_without_an_id_gets_the_benefit_of_the_doubt() -> None:
    """Containers often have none, and after a restart of the machine their file must open."""
    unknown, known = Place("", "boot 1", "c"), Place("id", "boot 2", "c")
    assert unknown.same_machine(known)
    assert known.same_machine(unknown)
    assert not Place("other", "boot 1", "c").same_machine(known)
    assert Place("other", "boot 2", "c").same_machine(known), "one boot is one machine"
