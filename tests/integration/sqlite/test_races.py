"""Many processes at once on one file: who holds what, which tokens, and how long anyone waits."""

from __future__ import annotations

import itertools
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.model import ClaimKey, MemberRecord, Note
from coord.spi import Claimed, ClaimRequest
from coord_sqlite import SqliteStore
from tests.integration.sqlite.conftest import ROOT

SHARDS = 200
RACERS = 8
KILL_EVERY_S = 0.4


class Tenure(NamedTuple):
    """A span for which a process certainly held a shard."""

    shard: int
    token: int
    from_s: float
    until_s: float


class Race:
    """Racers on one file, the killing of some, and the tenures that their logs show."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.racers: dict[str, subprocess.Popen[bytes]] = {}
        self.killed_at_s: dict[str, float] = {}
        self._numbers = itertools.count(1)

    def start(self) -> None:
        name = f"racer-{next(self._numbers)}"
        command = [sys.executable, "-m", "tests.integration.sqlite.racer"]
        arguments = [str(self.path), name, str(SHARDS), str(self._log(name))]
        self.racers[name] = subprocess.Popen([*command, *arguments], cwd=ROOT)

    def kill(self, name: str) -> None:
        """Noted before the signal: what the racer still does after it counts as done by then."""
        self.killed_at_s[name] = SYSTEM_CLOCK.now()
        self.racers[name].kill()

    def running(self) -> list[str]:
        return [name for name in self.racers if name not in self.killed_at_s]

    def at_work(self) -> list[str]:
        """Those that have taken something already."""
        return [name for name in self.running() if self._log(name).exists()]

    def tenures(self) -> list[Tenure]:
        return [tenure for name in self.racers for tenure in self._tenures_of(name)]

    def _tenures_of(self, name: str) -> Iterator[Tenure]:
        took: dict[int, tuple[int, float]] = {}
        text = self._log(name).read_text() if self._log(name).exists() else ""
        for line in text.splitlines():
            event, shard, token, at_s = line.split()
            if event == "took":
                took[int(shard)] = (int(token), float(at_s))
                continue
            token_taken, from_s = took.pop(int(shard))
            assert token_taken == int(token)
            yield Tenure(int(shard), int(token), from_s, float(at_s))
        end_s = self.killed_at_s[name]
        for shard_number, (number, from_s) in took.items():
            yield Tenure(shard_number, number, from_s, max(from_s, end_s))

    def _log(self, name: str) -> Path:
        return self.path.parent / f"{name}.log"


@pytest.fixture
def race(path: Path) -> Iterator[Race]:
    running = Race(path)
    yield running
    for process in running.racers.values():
        process.kill()
        process.wait(timeout=10)


@pytest.mark.serial
@pytest.mark.parametrize(
    "race_s", [5.0, pytest.param(300.0, marks=[pytest.mark.soak, pytest.mark.timeout(600)])]
)
def test_no_shard_has_two_holders_and_tokens_grow_over_kills_and_stops(
    race: Race, race_s: float
) -> None:
    for _ in range(RACERS):
        race.start()
    end_s = time.monotonic() + race_s
    kills = 0
    while time.monotonic() < end_s or kills < 5:
        time.sleep(KILL_EVERY_S)
        ready = race.at_work()
        assert time.monotonic() < end_s + 30
        if len(ready) < RACERS // 2:
            continue
        victim = random.choice(ready)
        os.kill(race.racers[victim].pid, signal.SIGSTOP)  # so that some die in the middle of a step
        time.sleep(random.uniform(0, 0.02))
        race.kill(victim)
        kills += 1
        race.start()
    for name in race.running():
        race.kill(name)
    for name, process in race.racers.items():
        assert process.wait(timeout=10) == -signal.SIGKILL, f"{name} ended by itself"

    by_shard: dict[int, list[Tenure]] = defaultdict(list)
    for tenure in race.tenures():
        by_shard[tenure.shard].append(tenure)
    for tenures in by_shard.values():
        tenures.sort(key=lambda tenure: tenure.token)
        for earlier, later in itertools.pairwise(tenures):
            assert earlier.token < later.token
            assert earlier.until_s <= later.from_s, f"{earlier} overlaps {later}"

    assert len(by_shard) == SHARDS
    assert sum(map(len, by_shard.values())) > 10 * SHARDS
    heirs = [
        t for t in race.tenures() if any(t.from_s > at_s for at_s in race.killed_at_s.values())
    ]
    assert len(heirs) > SHARDS


def test_tokens_go_on_growing_in_a_file_that_was_closed_and_emptied(path: Path) -> None:
    tokens: list[int] = []
    for incarnation in ("1", "2", "3"):
        with closing(SqliteStore(path)) as store:
            session = store.open_session("g", MemberRecord(name="m", incarnation=incarnation), 60.0)
            view = store.view("g")
            key = ClaimKey("r", 1, 0, 0)
            request = ClaimRequest(key, 0, view.roles["r"].version, Note(member="m"))
            (claimed,) = session.claim([request])
            assert isinstance(claimed, Claimed)
            tokens.append(claimed.token)
            session.close()
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DELETE FROM claims")
            connection.execute("DELETE FROM sessions")
    assert tokens == sorted(set(tokens))


# ------------------------------------------------------------------------------- rival writers

_BULK_WRITER = """
import sys
from coord.model import ClaimKey, MemberRecord, Note, RoleRecord, Shape
from coord.spi import ClaimRequest, Tenure
from coord_sqlite import SqliteStore
path, name = sys.argv[1:]
store = SqliteStore(path, timeout_s=10.0)
session = store.open_session("g", MemberRecord(name=name, incarnation="1"), 60.0)
role = store.put_role("g", RoleRecord(name=name, shape=Shape(1000, 1)))
seen = dict.fromkeys(range(1000), 0)
note = Note(member=name)
print("ready", flush=True)
while True:
    keys = [(ClaimKey(name, 1, shard, 0), token) for shard, token in seen.items()]
    won = session.claim([ClaimRequest(key, token, role.version, note) for key, token in keys])
    seen = {claimed.key.shard: claimed.token for claimed in won}
    session.release([Tenure(claimed.key, claimed.token, note) for claimed in won])
"""


@pytest.mark.serial
def test_heartbeats_stay_bounded_while_two_writers_hammer_the_file(
    path: Path, store: SqliteStore
) -> None:
    """Each writer changes 1,000 claims at a time without a pause; typical waits are 10 ms."""
    session = store.open_session("g", MemberRecord(name="m", incarnation="1"), 60.0)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _BULK_WRITER, str(path), f"writer-{number}"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        for number in range(2)
    ]
    waits_s: list[float] = []
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
        before = store.view("g").revision
        end_s = time.monotonic() + 4.0
        while time.monotonic() < end_s:
            begun_s = time.monotonic()
            session.heartbeat(b"")
            waits_s.append(time.monotonic() - begun_s)
            time.sleep(0.005)
        changes = store.view("g").revision - before
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    assert changes > 100, "the writers did not hammer"
    assert len(waits_s) > 50
    assert max(waits_s) < 1.0
    assert sorted(waits_s)[len(waits_s) * 9 // 10] < 0.2


def test_one_of_many_makes_the_file_and_all_find_the_same(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    program = (
        "import sys; from coord.model import *; from coord_sqlite import SqliteStore\n"
        "store = SqliteStore(sys.argv[1], timeout_s=20.0); input()\n"
        "store.open_session('g', MemberRecord(name=sys.argv[2], incarnation='1'), 60.0)\n"
        "print('open', flush=True); input()\n"
    )
    command = [sys.executable, "-c", program, str(path)]
    starters = [
        subprocess.Popen(
            [*command, f"m{number}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
        )
        for number in range(RACERS)
    ]
    try:
        for starter in starters:  # all are at the same line when they are let go
            assert starter.stdin is not None
            starter.stdin.write(b"\n")
            starter.stdin.flush()
        for starter in starters:
            assert starter.stdout is not None
            assert starter.stdout.readline() == b"open\n"
        with closing(SqliteStore(path)) as store:
            names = sorted(member.record.name for member in store.view("g").members.values())
        assert names == sorted(f"m{number}" for number in range(RACERS))
        assert not list(tmp_path.glob("*.new*"))
    finally:
        for starter in starters:
            starter.kill()
            starter.communicate()
