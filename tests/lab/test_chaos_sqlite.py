"""A member stopped inside a write of the store's file: nobody leads until it goes on, and why."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from coord.lab.chaos.faults import CATALOGUE
from coord.lab.chaos.faults.sqlite import store_file
from coord.lab.chaos.hunter import CAUGHT, hunt, writer_of
from coord.lab.chaos.stage import Stage
from tests.lab.store_rounds import play_rounds, setting, strike

pytestmark = pytest.mark.timeout(180)

_WRITER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("CREATE TABLE t (x)")
print("ready", flush=True)
while True:
    connection.execute("INSERT INTO t VALUES (1)")
    time.sleep(0.05)
"""


def test_a_writer_is_caught_in_its_transaction_and_keeps_the_lock(tmp_path: Path) -> None:
    database = tmp_path / "x.db"
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(database)], stdout=subprocess.PIPE
    ) as writer:
        try:
            assert writer.stdout is not None
            writer.stdout.readline()
            shm = os.open(f"{database}-shm", os.O_RDONLY)
            assert hunt(writer.pid, shm, 20.0) == CAUGHT
            assert writer_of(shm) == writer.pid
            writer.kill()
            writer.wait(10)
            assert writer_of(shm) == 0, "the kernel gives the locks of the dead back"
            os.close(shm)
        finally:
            writer.kill()


def test_only_a_file_has_a_lock_that_others_wait_for() -> None:
    kind = CATALOGUE["writer-stop"]
    assert kind.unfit(setting("sqlite", servers=0)) is None
    assert kind.unfit(setting("sqlite", own=False, servers=0)) is None
    assert "holds no lock" in (kind.unfit(setting("etcd")) or "")
    assert "no store is used" in (kind.unfit(setting("sqlite", servers=0, mode="queue")) or "")


def test_the_file_of_a_store_is_found_in_its_url() -> None:
    assert store_file("sqlite:////var/lib/a%20b/coord.db?group=lab") == Path(
        "/var/lib/a b/coord.db"
    )
    assert store_file("sqlite:///fleet.db") == Path("fleet.db")


def test_a_member_stopped_in_its_write_stops_all_until_it_goes_on_and_doctor_names_it(
    tmp_path: Path,
) -> None:
    """The exception to recovering: it begins when the process goes on, however long that takes."""
    doctors: list[subprocess.Popen[bytes]] = []
    stopped: set[int] = set()

    def look(stage: Stage) -> None:
        for member in stage.fleet.running:
            with stage.target(member) as target:
                if target.stopped:
                    stopped.add(target.pid)
        begun = [line for line in _marks(tmp_path) if '"effect"' in line and "writer-stop" in line]
        if begun and not doctors:
            doctors.append(_doctor(stage.ground.url))

    played = play_rounds(tmp_path, "sqlite", strike("writer-stop", "leader", lasts="6s"), hook=look)
    [doctor] = doctors
    out, err = doctor.communicate(timeout=60)
    played.check()
    [everybody] = played.faults("writer-stop")
    [pause] = played.faults("pause")
    assert everybody.target.member == "*", "it strikes all who write"
    assert everybody.end_s - everybody.effect_s >= 5.9
    assert played.gap_s > 5.9 - played.ttl_s, "nobody can follow"
    assert played.split_s == 0
    assert f"process {pause.target.pid}" in (out + err).decode()
    assert doctor.returncode != 0


def _marks(folder: Path) -> list[str]:
    return (folder / "events" / "injector.jsonl").read_text().splitlines()


def _doctor(url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "coord", "doctor", url, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
