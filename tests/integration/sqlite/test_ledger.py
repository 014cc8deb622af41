"""The ledger in real processes and real time: stopped runs, renewing threads, garbage."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.errors import Fenced, InProgress
from coord.model import RoleRecord, Shape
from coord.tasks.ledger import Attempt, Finished, Ledger
from coord_sqlite import SqliteStore
from coord_sqlite.ledger import SqliteLedger

LEASE_S = 1.5

_STOPPABLE = """
import sys
from coord.errors import Fenced
from coord.tasks.ledger import Ledger
with Ledger.open(sys.argv[1], lease_s=1.5) as ledger:
    attempt = ledger.begin("k")
    print("begun", flush=True)
    sys.stdin.readline()
    try:
        attempt.done("stopped")
    except Fenced as error:
        print(f"fenced: {error}", flush=True)
"""


def _url(path: Path) -> str:
    return f"sqlite:///{path}"


def _begun(found: Attempt | Finished) -> Attempt:
    assert isinstance(found, Attempt)
    return found


def _patiently(begin: Callable[[], Attempt | Finished], within_s: float) -> Attempt:
    until_s = SYSTEM_CLOCK.now() + within_s
    while True:
        try:
            return _begun(begin())
        except InProgress as busy:
            assert SYSTEM_CLOCK.now() < until_s, "a stopped run keeps its key"
            time.sleep(busy.retry_after_s)


def test_a_run_that_is_stopped_is_taken_over_and_fenced_when_it_goes_on(tmp_path: Path) -> None:
    url = _url(tmp_path / "ledger.db")
    child = subprocess.Popen(
        [sys.executable, "-c", _STOPPABLE, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        with Ledger.open(url, lease_s=LEASE_S, timeout_s=5.0) as ledger:
            for _ in range(3):  # its thread renews it as long as it runs
                with pytest.raises(InProgress):
                    ledger.begin("k")
                time.sleep(LEASE_S * 0.7)
            os.kill(child.pid, signal.SIGSTOP)
            assert _patiently(lambda: ledger.begin("k"), 30.0).done("ours") == "ours"
            os.kill(child.pid, signal.SIGCONT)
            said, _ = child.communicate("go on\n", timeout=30)
            assert said.startswith("fenced: attempt 2 has taken over from attempt 1")
            assert ledger.begin("k") == Finished("ours", 2)
    finally:
        child.kill()
        child.wait(10)


def test_a_thread_renews_long_work_and_tells_of_the_end(tmp_path: Path) -> None:
    url = _url(tmp_path / "ledger.db")
    lost = threading.Event()
    with (
        Ledger.open(url, lease_s=LEASE_S, timeout_s=5.0) as mine,
        Ledger.open(url, lease_s=LEASE_S, timeout_s=5.0) as theirs,
    ):
        assert mine.once("slow", lambda: time.sleep(2 * LEASE_S)) is None
        attempt = _begun(mine.begin("k", scope="s", token=1, lost=lost.set))
        time.sleep(1.5 * LEASE_S)
        assert attempt.is_trusted
        _begun(theirs.begin("k", scope="s", token=2))
        assert lost.wait(30.0), "the renewal that met a successor told nobody"
        with pytest.raises(Fenced):
            attempt.done()
    time.sleep(0.1)
    assert not [one for one in threading.enumerate() if one.name.startswith("coord-ledger")]


def test_garbage_goes_as_others_write_and_what_is_kept_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.db"
    with closing(SqliteLedger(path)) as ledger:
        for n in range(30):
            ledger.write(f"old/{n}", b"{}", expect=None, keep_s=10.0)
        now_s = time.time()  # noqa: TID251  what the ledger reads for garbage
        ledger.write("kept", b"{}", expect=None, keep_s=3600.0)
        monkeypatch.setattr(time, "time", lambda: now_s + 60)
        assert len(ledger.read([f"old/{n}" for n in range(30)])) == 30, "nobody has swept it yet"
        for n in range(10):
            ledger.write(f"new/{n}", b"{}", expect=None, keep_s=3600.0)
        assert ledger.read([f"old/{n}" for n in range(30)]) == {}
        assert set(ledger.read(["kept", "new/0"])) == {"kept", "new/0"}
    with closing(sqlite3.connect(path)) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM ledger").fetchall()
    assert count == 11


def test_a_ledger_may_lie_in_the_stores_own_file(tmp_path: Path) -> None:
    path = tmp_path / "coord.db"
    with closing(SqliteLedger(path)) as ledger, closing(SqliteStore(path)) as store:
        assert ledger.read(["k"]) == {}
        assert not path.exists(), "reading made a file"
        tag = ledger.write("k", b"{}", expect=None, keep_s=60.0)
        assert store.view("default").claims == {}
        assert ledger.read(["k"])["k"].tag == tag


def test_a_store_that_is_in_use_takes_a_ledger_in(tmp_path: Path) -> None:
    path = tmp_path / "coord.db"
    with closing(SqliteStore(path)) as store:
        store.put_role("g", RoleRecord(name="r", shape=Shape(1, 1)))
        with closing(SqliteLedger(path, group="g")) as ledger:
            assert ledger.read(["k"]) == {}
            ledger.write("k", b"{}", expect=None, keep_s=60.0)
        assert set(store.view("g").roles) == {"r"}
