"""Faults inside a process: hanging and slow work, a lock that is held; and who takes part."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from coord.errors import UsageError
from coord.lab.chaos.agent import take_part
from coord.lab.chaos.faults.inside import taking_part
from coord.lab.chaos.stage import Stage
from coord.lab.measure.events import Act
from coord.lab.work.agent import INTERPRETER
from coord.lab.work.failpoint import FAILPOINTS_VARIABLE, Failpoint
from tests.lab.store_rounds import play_rounds, strike
from tests.servers import require

ROOT = Path(__file__).parents[2]
PATIENCE_S = 20.0
_BEATING = """
import sys, threading, time
from coord.lab.chaos.agent import take_part
gate = take_part("m1")

def beat(word, between):
    while True:
        between()
        sys.stdout.write(word)
        sys.stdout.flush()
        time.sleep(0.01)

threading.Thread(target=beat, args=("b", lambda: None)).start()
beat("w", gate.pause_here)
"""


class Process:
    """One that takes part: `w` for each act of its work, `b` for each beat of another thread."""

    def __init__(self, folder: Path) -> None:
        self._said = folder / "said.txt"
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _BEATING],
                stdout=said,
                cwd=ROOT,
                env={**os.environ, FAILPOINTS_VARIABLE: str(folder)},
            )
        eventually(lambda: self.count("w") > 0 and self.count("b") > 0)

    def count(self, word: str) -> int:
        return self._said.read_text().count(word)

    def goes_on(self, word: str) -> None:
        before = self.count(word)
        eventually(lambda: self.count(word) > before + 3)

    def still(self, word: str) -> bool:
        before = self.count(word)
        time.sleep(0.3)
        return self.count(word) == before


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path)
    yield process
    process.process.kill()
    process.process.wait()


def test_while_the_interpreter_lock_is_held_no_thread_gets_on_and_then_all_do(
    process: Process, tmp_path: Path
) -> None:
    with Failpoint.of(tmp_path, "m1", INTERPRETER).standing():
        eventually(lambda: process.still("b"))
        assert process.still("w")
        assert process.still("b")
    process.goes_on("w")
    process.goes_on("b")


def test_hanging_work_leaves_the_rest_of_its_process_alone(
    process: Process, tmp_path: Path
) -> None:
    with Failpoint.of(tmp_path, "m1").standing():
        eventually(lambda: process.still("w"))
        process.goes_on("b")
    process.goes_on("w")


def test_slow_work_takes_so_much_longer_each_time(tmp_path: Path) -> None:
    gate = Failpoint.of(tmp_path, "m1")
    with Failpoint.of(tmp_path, "m1").slowing(0.05):
        assert gate.slower_s == 0.05
        begun = time.monotonic()
        gate.pause_here()
        gate.pause_here()
        assert time.monotonic() - begun >= 0.1
    assert gate.slower_s == 0.0


def test_without_the_lab_taking_part_costs_no_thread_and_no_file() -> None:
    gate = take_part("m1", environ={})
    assert gate.path is None
    gate.pause_here()


def test_who_does_not_take_part_is_refused_with_the_line_to_add(tmp_path: Path) -> None:
    stage = cast(
        "Stage",
        SimpleNamespace(failpoint=lambda member, name: Failpoint.of(tmp_path, member, name)),
    )
    with pytest.raises(UsageError, match=r"m1 cannot be struck.*coord\.lab\.chaos\.agent\.take_pa"):
        taking_part(stage, "m1", "work")
    Failpoint.from_environment("m1", environ={FAILPOINTS_VARIABLE: str(tmp_path)})
    assert taking_part(stage, "m1", "work").announced
    with pytest.raises(UsageError, match="does not look at the failpoint 'interpreter'"):
        taking_part(stage, "m1", INTERPRETER)


# --- what a fleet feels ----------------------------------------------------------------------


@pytest.mark.xdist_group("etcd")
def test_a_leader_whose_interpreter_is_held_is_replaced_and_its_late_act_refused(
    tmp_path: Path,
) -> None:
    require("etcd")
    played = play_rounds(tmp_path, "etcd", strike("gil", "leader", lasts="5s"))
    played.check()
    [fault] = played.faults("gil")
    successor = played.line.tenures[1]
    assert fault.begin_s < successor.lead_s < fault.end_s
    assert played.split_s == 0
    own = [act for act in played.log.all(Act) if act.who == fault.target and act.accepted]
    assert not [act for act in own if fault.effect_s + 0.5 < act.t < fault.end_s]


@pytest.mark.xdist_group("etcd")
def test_a_leader_that_has_become_slow_keeps_leading_and_is_seen_to_do_nothing(
    tmp_path: Path,
) -> None:
    require("etcd")
    played = play_rounds(tmp_path, "etcd", strike("slow", "leader", lasts="3s", seconds=0.7))
    played.check()
    [result] = played.results
    assert max(result.faux_s) > 0.5
    [fault] = played.faults("slow")
    acts = [act for act in played.log.all(Act) if act.fenced and act.start_s > fault.effect_s]
    assert [act for act in acts if act.t < fault.end_s and act.t - act.start_s >= 0.7]
