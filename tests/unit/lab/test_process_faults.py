"""Faults on real child processes: what they do, what they record, and that they always heal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coord.errors import ConfigError, UsageError
from coord.lab.chaos import FAILPOINTS_VARIABLE, Failpoint, Injector, Target
from coord.lab.measure import load
from coord.lab.measure.events import FaultMark
from coord.lab.measure.faults import Fault, faults
from coord.telemetry import EventLog

ROOT = Path(__file__).parents[3]
PATIENCE_S = 20.0


class Victim:
    """A running victim and the lines that it writes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "victim.txt"
        self.path.touch()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.lab.victim", str(self.path), "w1"],
            cwd=ROOT,
            env={**os.environ, FAILPOINTS_VARIABLE: str(folder)},
        )
        self.target = Target("w1", self.process.pid)

    def count(self, word: str) -> int:
        return self.path.read_text().splitlines().count(word)

    def goes_on(self, word: str) -> None:
        """Wait until it has written the word three times more."""
        before = self.count(word)
        eventually(lambda: self.count(word) >= before + 3)

    def stands_still(self) -> bool:
        """Whether there is no work in the time of ten beats."""
        work, beats = self.count("work"), self.count("beat")
        eventually(lambda: self.count("beat") >= beats + 10)
        return self.count("work") == work

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.target.close()


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Victim]:
    victim = Victim(tmp_path)
    try:
        victim.goes_on("work")
        yield victim
    finally:
        victim.end()


@pytest.fixture
def events(tmp_path: Path) -> Iterator[EventLog]:
    log = EventLog(tmp_path / "injector.jsonl", member="injector")
    yield log
    log.close()


@pytest.fixture
def injector(events: EventLog) -> Injector:
    return Injector(events)


def recorded(victim: Victim) -> Fault:
    """The only fault in the injector's log."""
    (fault,) = faults(load(victim.path.with_name("injector.jsonl")))
    assert fault.target == ("w1", victim.process.pid)
    return fault


def marks(victim: Victim) -> tuple[FaultMark, ...]:
    return load(victim.path.with_name("injector.jsonl")).all(FaultMark)


def test_kill_returns_when_the_process_is_dead(victim: Victim, injector: Injector) -> None:
    injector.kill(victim.target)
    assert victim.process.poll() == -signal.SIGKILL
    fault = recorded(victim)
    assert fault.kind == "kill"
    assert fault.begin_s <= fault.effect_s


def test_what_has_ended_cannot_be_struck(victim: Victim, injector: Injector) -> None:
    injector.kill(victim.target)
    victim.process.wait()
    with pytest.raises(UsageError, match="has ended already"):
        injector.kill(victim.target)
    with pytest.raises(UsageError, match="cannot be struck"):
        Target("w1", victim.process.pid)


def test_sigterm_asks_the_process_to_go_and_records_its_end(
    victim: Victim, injector: Injector
) -> None:
    assert injector.terminate(victim.target, within_s=PATIENCE_S)
    assert victim.process.poll() == -signal.SIGTERM
    fault = recorded(victim)
    assert fault.kind == "sigterm"
    assert fault.begin_s <= fault.effect_s <= fault.end_s
    assert [mark.phase for mark in marks(victim)] == ["begin", "effect", "end"]


def test_a_process_that_does_not_go_is_not_recorded_as_gone(
    victim: Victim, injector: Injector
) -> None:
    with injector.paused(victim.target):  # a stopped process does not hear SIGTERM
        assert not injector.terminate(victim.target, within_s=0.05)
    assert victim.process.wait(PATIENCE_S) == -signal.SIGTERM
    assert [mark.phase for mark in marks(victim) if mark.fault == "sigterm"] == ["begin", "effect"]


def test_a_paused_process_does_nothing_between_effect_and_end(
    victim: Victim, injector: Injector
) -> None:
    with injector.paused(victim.target):
        assert victim.target.stopped
        before = victim.path.read_text()
        time.sleep(0.1)  # twenty times what it writes in
        assert victim.path.read_text() == before
    victim.goes_on("work")
    victim.goes_on("beat")
    fault = recorded(victim)
    assert fault.kind == "pause"
    assert fault.begin_s <= fault.effect_s < fault.end_s
    assert fault.end_s - fault.effect_s >= 0.1


def test_pause_lasts_as_long_as_it_is_told(victim: Victim, injector: Injector) -> None:
    injector.pause(victim.target, for_s=0.15)
    fault = recorded(victim)
    assert fault.end_s - fault.effect_s >= 0.15
    victim.goes_on("work")


def test_what_is_paused_goes_on_whatever_is_raised(victim: Victim, injector: Injector) -> None:
    with pytest.raises(KeyboardInterrupt), injector.paused(victim.target):
        raise KeyboardInterrupt
    victim.goes_on("work")


def test_stop_ends_a_pause_early_and_heals_it(victim: Victim, injector: Injector) -> None:
    thread = threading.Thread(target=injector.pause, args=(victim.target,), kwargs={"for_s": 3600})
    thread.start()
    eventually(lambda: victim.target.stopped)
    injector.stop()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    victim.goes_on("work")


def test_several_are_stopped_together_and_all_go_on_although_one_was_killed(
    victim: Victim, injector: Injector, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = Victim(tmp_path / "other")
    try:
        other.goes_on("work")
        with injector.paused(other.target, victim.target):
            assert other.target.stopped
            assert victim.target.stopped
            other.process.kill()
            eventually(lambda: other.target.dead)
        victim.goes_on("work")
    finally:
        other.end()


def test_if_one_cannot_be_stopped_the_others_go_on(
    victim: Victim, injector: Injector, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    gone = Victim(tmp_path / "other")
    try:
        gone.process.kill()
        gone.process.wait()
        with (
            pytest.raises(UsageError, match="has ended already"),
            injector.paused(victim.target, gone.target),
        ):
            pytest.fail("the block must not run")
        victim.goes_on("work")
    finally:
        gone.end()


def test_a_wedge_stops_the_work_and_nothing_else(victim: Victim, injector: Injector) -> None:
    failpoint = Failpoint.of(victim.path.parent, "w1")
    with injector.wedged(victim.target, failpoint):
        assert failpoint.is_set
        eventually(victim.stands_still)
    victim.goes_on("work")
    fault = recorded(victim)
    assert fault.kind == "wedge"
    assert fault.begin_s <= fault.effect_s < fault.end_s


def test_a_wedge_is_cleared_whatever_is_raised(victim: Victim, injector: Injector) -> None:
    failpoint = Failpoint.of(victim.path.parent, "w1")
    with pytest.raises(ZeroDivisionError), injector.wedged(victim.target, failpoint):
        raise ZeroDivisionError
    assert not failpoint.is_set
    victim.goes_on("work")


def test_stop_ends_a_wedge_early(victim: Victim, injector: Injector) -> None:
    injector.stop()
    failpoint = Failpoint.of(victim.path.parent, "w1")
    injector.wedge(victim.target, failpoint, for_s=3600)
    assert not failpoint.is_set


def test_without_the_variable_a_failpoint_is_never_set() -> None:
    failpoint = Failpoint.from_environment("w1", environ={})
    failpoint.set()
    assert not failpoint.is_set
    failpoint.pause_here()
    failpoint.clear()


def test_both_ends_of_a_failpoint_mean_the_same_file(tmp_path: Path) -> None:
    environ = {FAILPOINTS_VARIABLE: str(tmp_path)}
    Failpoint.of(tmp_path, "w1", "act").set()
    assert Failpoint.from_environment("w1", "act", environ=environ).is_set
    assert not Failpoint.from_environment("w2", "act", environ=environ).is_set
    assert not Failpoint.from_environment("w1", environ=environ).is_set


def test_a_failpoint_cannot_lie_outside_its_directory(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot name a member"):
        Failpoint.of(tmp_path, "../w1")
