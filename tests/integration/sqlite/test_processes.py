"""Members that die, stop, or lose half of themselves: what the others see, and how soon."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from coord.errors import Certainty, DuplicateMember, ForkedProcess, StoreUnavailable
from coord.model import MemberRecord
from coord.spi import Observed
from coord_sqlite import SqliteStore
from coord_sqlite.place import Fate, Process, exited, open_process, this_process
from tests.integration.sqlite.conftest import Start


def _until(condition: Callable[[], object], *, within_s: float = 5.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.005)


@pytest.mark.serial
def test_a_killed_member_is_evicted_within_half_a_second(
    path: Path, store: SqliteStore, start: Start
) -> None:
    """Its ttl is 30 s: nothing but the kernel's word can end it so soon."""
    child = start(path, "victim")
    assert child.ask("claim", 1, 2, 3) == [1, 2, 3]
    woken = threading.Event()
    watch = store.watch("g", woken.set)
    _until(lambda: store.view("g").members[child.session].seq == 0)
    while woken.wait(0.1):  # until the wakes of its coming are over
        woken.clear()

    begun_s = time.monotonic()
    child.kill()
    assert woken.wait(5.0)
    member = store.view("g").members[child.session]
    assert member.gone
    assert store.evict("g", Observed(child.session, member.seq))
    view = store.view("g")
    taken_s = time.monotonic() - begun_s

    assert taken_s < 0.5
    assert child.session not in view.members
    assert [claim.session for claim in view.claims.values()] == [None] * 3
    assert not any(claim.note.clean for claim in view.claims.values())
    watch.close()


def test_a_dead_member_gives_way_to_its_next_incarnation_at_once(
    path: Path, store: SqliteStore, start: Start
) -> None:
    child = start(path, "twin")
    record = MemberRecord(name="twin", incarnation="next")
    with pytest.raises(DuplicateMember) as caught:
        store.open_session("g", record, 30.0)
    assert caught.value.session == child.session

    child.kill()
    _until(lambda: store.view("g").members[child.session].gone)
    opened = store.open_session("g", record, 30.0)
    assert list(store.view("g").members) == [opened.id]


def test_a_live_member_is_not_evicted_before_its_time(
    path: Path, store: SqliteStore, start: Start
) -> None:
    child = start(path, "alive")
    assert not store.evict("g", Observed(child.session, 0))
    os.kill(child.pid, signal.SIGSTOP)
    assert not store.evict("g", Observed(child.session, 0))
    os.kill(child.pid, signal.SIGCONT)
    assert child.ask("heartbeat") == child.session
    assert not store.view("g").members[child.session].gone


def test_a_silent_member_is_evicted_at_its_expiry_and_is_told(
    path: Path, store: SqliteStore, start: Start
) -> None:
    child = start(path, "silent", ttl_s=0.5)
    assert child.ask("claim", 7) == [1]
    _until(lambda: store.evict("g", Observed(child.session, 0)))
    assert str(child.ask("heartbeat")).startswith("SessionLost")
    assert str(child.ask("claim", 8)).startswith("SessionLost")
    assert store.view("g").claims[next(iter(store.view("g").claims))].session is None


def test_a_process_whose_main_thread_ended_is_not_taken_for_dead(
    path: Path, store: SqliteStore, start: Start
) -> None:
    """It shows as a zombie, while its other threads may be at work."""
    child = start(path, "headless")
    store.view("g")
    assert child.ask("lose_main_thread") is True
    stat = Path(f"/proc/{child.pid}/stat")
    _until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z")

    assert not store.view("g").members[child.session].gone
    assert not store.evict("g", Observed(child.session, 0))

    child.kill()
    _until(lambda: store.view("g").members[child.session].gone)
    assert store.evict("g", Observed(child.session, 0))


def test_a_pid_in_use_again_proves_the_first_user_dead() -> None:
    here = this_process()
    earlier = Process(here.namespace, here.pid, here.started - 1)
    assert open_process(earlier, here) == (Fate.DEAD, -1)
    fate, descriptor = open_process(here, here)
    assert fate is Fate.ALIVE
    assert not exited(descriptor)
    os.close(descriptor)


def test_nothing_is_proven_across_pid_namespaces() -> None:
    here = this_process()
    elsewhere = Process("another namespace", here.pid, here.started - 1)
    assert open_process(elsewhere, here) == (Fate.UNKNOWN, -1)
    assert open_process(Process("", here.pid, here.started), here) == (Fate.UNKNOWN, -1)


def test_a_process_stopped_inside_a_write_is_named_with_its_cure(path: Path, start: Start) -> None:
    store = SqliteStore(path, timeout_s=0.3)
    own = store.open_session("g", MemberRecord(name="own", incarnation="1"), 30.0)
    child = start(path, "stopped")
    assert child.ask("lock_file") is True
    os.kill(child.pid, signal.SIGSTOP)
    _until(lambda: "(stopped)" in Path(f"/proc/{child.pid}/status").read_text())

    begun_s = time.monotonic()
    with pytest.raises(StoreUnavailable) as caught:
        own.heartbeat(b"")
    assert time.monotonic() - begun_s < 2.0
    assert caught.value.certainty is Certainty.NOT_APPLIED
    assert f"process {child.pid}" in caught.value.cause
    assert "stopped" in caught.value.cause
    assert f"kill -CONT {child.pid}" in caught.value.cure

    findings = {probe.name: probe for probe in store.probe("g")}
    assert not findings["write lock"].ok
    assert f"process {child.pid}" in findings["write lock"].value
    assert f"kill -CONT {child.pid}" in findings["write lock"].cure
    assert not findings["round trip"].ok

    child.kill()
    _until(lambda: all(probe.ok for probe in store.probe("g")))
    assert own.heartbeat(b"").ttl_s == 30.0
    store.close()


def test_a_forked_child_cannot_use_its_parents_store(path: Path, store: SqliteStore) -> None:
    session = store.open_session("g", MemberRecord(name="parent", incarnation="1"), 30.0)
    uses = (
        lambda: store.view("g"),
        lambda: session.heartbeat(b""),
        session.close,
        lambda: store.watch("g", lambda: None),
        lambda: store.open_session("g", MemberRecord(name="child", incarnation="1"), 1.0),
    )
    pid = os.fork()
    if not pid:
        refused = 0
        for use in uses:
            try:
                use()
            except ForkedProcess:
                refused += 1
        os._exit(refused)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == len(uses)
    assert session.heartbeat(b"").ttl_s == 30.0
    assert list(store.view("g").members) == [session.id]


def test_another_store_in_the_same_process_leaves_the_locks_alone(
    path: Path, store: SqliteStore
) -> None:
    """Closing any other descriptor of the file would drop them, and nobody would notice."""
    session = store.open_session("g", MemberRecord(name="first", incarnation="1"), 30.0)
    held = _locks_on(path)
    assert held
    for _ in range(3):
        other = SqliteStore(path)
        assert other.view("g").members[session.id].seq == 0
        other.close()
    assert _locks_on(path) == held


def _locks_on(path: Path) -> list[tuple[str, str]]:
    """The byte ranges that the kernel says are locked on the database and its index."""
    numbers = {str(Path(f"{path}{suffix}").stat().st_ino) for suffix in ("", "-shm")}
    found = []
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if fields[4] == str(os.getpid()) and fields[5].rpartition(":")[2] in numbers:
            found.append((fields[6], fields[7]))
    return sorted(found)
