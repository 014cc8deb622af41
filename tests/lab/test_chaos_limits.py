"""Limits of the kernel: who runs into them, what a fleet feels of it, and who is started again."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from coord.lab.chaos.faults import CATALOGUE
from coord.lab.chaos.faults.limits import _NO_MORE_FDS, _limited, _written_bytes
from coord.lab.chaos.fleet import Fleet, WorkerFailed
from coord.lab.chaos.process import Injector
from coord.lab.measure import judge_log, load, timeline
from coord.lab.work.agent import MEMORY
from coord.lab.work.failpoint import FAILPOINTS_VARIABLE, Failpoint
from coord.telemetry import EventLog
from tests.lab.store_rounds import play_rounds, setting, strike
from tests.servers import require

ROOT = Path(__file__).parents[2]
PATIENCE_S = 20.0
_PROBE = """
import socket, sys, time
from coord.lab.work.agent import take_part
take_part("m1")
held = socket.socket()
while True:
    try:
        socket.socket().close()
        socket_word = "opened"
    except OSError as error:
        socket_word = str(error.errno)
    try:
        memory_word = "had" if len([bytes(5_000) for _ in range(2_000)]) else ""
    except MemoryError:
        memory_word = "none"
    sys.stdout.write(socket_word + " " + memory_word + "\\n")
    sys.stdout.flush()
    time.sleep(0.05)
"""


class Probe:
    """A process that takes part, and says again and again what it can still have."""

    def __init__(self, folder: Path) -> None:
        self.failpoint = Failpoint.of(folder, "m1", MEMORY)
        self._said = folder / "said.txt"
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _PROBE],
                stdout=said,
                cwd=ROOT,
                env={**os.environ, FAILPOINTS_VARIABLE: str(folder)},
            )
        self.pid = self.process.pid
        self.says("opened had")

    def says(self, line: str) -> None:
        eventually(lambda: self._said.read_text().splitlines()[-1:] == [line])


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


@pytest.fixture
def probe(tmp_path: Path) -> Iterator[Probe]:
    probe = Probe(tmp_path)
    yield probe
    probe.process.kill()
    probe.process.wait()


# --- the limits ------------------------------------------------------------------------------


def test_without_descriptors_none_is_opened_even_in_the_place_of_one_that_was_closed(
    probe: Probe,
) -> None:
    with _limited(probe.pid, resource.RLIMIT_NOFILE, _NO_MORE_FDS):
        probe.says("24 had")
    probe.says("opened had")


def test_without_memory_a_process_that_takes_part_has_none_left(probe: Probe) -> None:
    with (
        _limited(probe.pid, resource.RLIMIT_DATA, _written_bytes(probe.pid)),
        probe.failpoint.standing(),
    ):
        probe.says("opened none")
    probe.says("opened had")


def test_a_limit_of_a_process_that_has_ended_is_no_trouble(probe: Probe) -> None:
    with _limited(probe.pid, resource.RLIMIT_NOFILE, 3):
        probe.process.kill()
        probe.process.wait()


# --- who ends of it --------------------------------------------------------------------------


@pytest.fixture
def sleepers(tmp_path: Path) -> Iterator[Fleet]:
    with Fleet(["m1", "m2"], lambda _: ["sleep", "60"], lambda _: {}, output=tmp_path) as fleet:
        yield fleet


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def test_the_end_of_a_process_that_is_excused_is_told_and_that_of_others_is_a_failure(
    sleepers: Fleet,
) -> None:
    ended: list[int] = []
    struck = sleepers.pid("m1")
    sleepers.excuse("m1", ended.append)
    _kill(struck)
    sleepers.check()
    assert ended == [struck]
    assert sleepers.missing() == ["m1"]
    _kill(sleepers.pid("m2"))
    with pytest.raises(WorkerFailed, match="m2 ended by itself"):
        sleepers.check()


def test_who_is_started_again_is_excused_no_more(sleepers: Fleet) -> None:
    sleepers.excuse("m1", lambda _: None)
    _kill(sleepers.pid("m1"))
    sleepers.check()
    sleepers.start("m1")
    _kill(sleepers.pid("m1"))
    with pytest.raises(WorkerFailed, match="m1 ended by itself"):
        sleepers.check()


def test_a_process_that_died_of_a_fault_is_dead_to_the_measures_and_nothing_stands(
    tmp_path: Path,
) -> None:
    with closing(EventLog(tmp_path / "m1.jsonl", member="m1")) as own:
        own.member("start")
    with closing(EventLog(tmp_path / "injector.jsonl", member="injector")) as events:
        Injector(events).died("m1", os.getpid())
    line = timeline(load(tmp_path))
    assert [who.member for who in line.killed] == ["m1"]
    assert judge_log(line) == []


def test_where_nothing_makes_a_process_connect_again_the_fault_of_descriptors_says_so() -> None:
    unfit = CATALOGUE["fds"].unfit
    assert unfit(setting("etcd")) is None
    for where in (
        setting("etcd", own=False),
        setting("sqlite", servers=0),
        setting("etcd", mode="queue"),
    ):
        assert "goes on with the files and connections that it has" in (unfit(where) or "")


# --- what a fleet feels ----------------------------------------------------------------------


@pytest.mark.xdist_group("etcd")
def test_a_leader_without_descriptors_cannot_connect_again_and_another_leads(
    tmp_path: Path,
) -> None:
    require("etcd")
    played = play_rounds(tmp_path, "etcd", strike("fds", "leader", lasts="4s"))
    played.check()
    [fault] = played.faults("fds")
    struck, successor = played.line.tenures[0], played.line.tenures[1]
    assert struck.who == fault.target
    assert successor.who.member != struck.who.member
    assert successor.lead_s < fault.end_s
    assert played.split_s == 0


@pytest.mark.xdist_group("etcd")
def test_a_leader_without_memory_fails_at_its_work_or_ends_and_another_leads(
    tmp_path: Path,
) -> None:
    require("etcd")
    played = play_rounds(tmp_path, "etcd", strike("memory", "leader", lasts="4s"))
    played.check()
    [fault] = played.faults("memory")
    struck, successor = played.line.tenures[0], played.line.tenures[1]
    assert struck.who == fault.target
    assert successor.who.member != struck.who.member
    assert successor.lead_s < fault.end_s
    assert played.split_s == 0


@pytest.mark.soak
@pytest.mark.xdist_group("etcd")
@pytest.mark.parametrize(
    ("kind", "store", "mode"),
    [
        ("fds", "etcd", "localized"),
        ("fds", "etcd", "co-leaders"),
        ("memory", "etcd", "localized"),
        ("memory", "etcd", "co-leaders"),
        ("memory", "sqlite", "single"),
        ("memory", "sqlite", "queue"),
    ],
)
def test_a_fleet_that_runs_into_a_limit_recovers_in_every_mode(
    tmp_path: Path, kind: str, store: str, mode: str
) -> None:
    require("etcd")
    played = play_rounds(tmp_path, store, strike(kind, "half", lasts="5s"), rounds=5, mode=mode)
    played.check()
