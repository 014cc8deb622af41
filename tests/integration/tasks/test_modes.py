"""One task under every mode, and a running fleet that changes its mode: real processes.

A unit is a part of a tick. What each run did is one line of a file, so what was lost or doubled can
be counted there, whatever any ledger says.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from coord.tasks import Tick
from tests.integration.fleet import ROOT, until
from tests.integration.workers.housekeeper import EVERY_S, PARTS

pytestmark = pytest.mark.xdist_group("modes")

_MODULE = "tests.integration.workers.housekeeper"


class Ran(NamedTuple):
    tick: Tick
    part: int
    attempt: int
    role: str
    pid: int


class Household:
    """Processes that run the same task, each in some mode."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: list[subprocess.Popen[str]] = []

    def start(self, mode: str, count: int = 2) -> list[subprocess.Popen[str]]:
        """Start some in one mode, and wait until they serve."""
        made = []
        for _ in range(count):
            name = f"{mode}-{len(self._processes)}"
            log = (self.folder / f"{name}.log").open("wb")
            process = subprocess.Popen(
                [sys.executable, "-m", _MODULE, mode, name, str(self.folder)],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
            log.close()
            self._processes.append(process)
            made.append(process)
        for process in made:
            assert process.stdout is not None
            assert process.stdout.readline().strip().isdigit(), self.logs()
        return made

    def end(self, processes: list[subprocess.Popen[str]]) -> None:
        """SIGTERM, and the orderly end that it asks for."""
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            assert process.wait(30) == 0, self.logs()

    def kill(self) -> None:
        """Whatever still runs."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def ran(self) -> list[Ran]:
        """Every run so far, in order."""
        path = self.folder / "acts"
        if not path.exists():
            return []
        lines = (line.split() for line in path.read_text().splitlines())
        return [Ran(Tick.parse(t), int(p), int(n), r, int(pid)) for t, p, n, r, pid in lines]

    def await_more(self, ticks: int) -> None:
        """So many further ticks have run."""
        seen = {one.tick for one in self.ran()}
        until(lambda: len({one.tick for one in self.ran()} - seen) >= ticks)

    def has_another(self, pid: int) -> bool:
        """Whether the latest run was not that process's."""
        return self.ran()[-1].pid != pid

    def await_all(self) -> list[Ran]:
        """Every part of every tick that was due by now has run; every run so far."""
        last = max(one.tick for one in self.ran())
        until(lambda: _expected(self.ran(), last) <= _units(self.ran()).keys())
        return [one for one in self.ran() if one.tick <= last]

    def logs(self) -> str:
        """What the processes said."""
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("*.log")))


@pytest.fixture
def household(tmp_path: Path) -> Iterator[Household]:
    made = Household(tmp_path)
    try:
        yield made
    finally:
        made.kill()


def _units(ran: list[Ran]) -> Counter[tuple[Tick, int]]:
    return Counter((one.tick, one.part) for one in ran)


def _expected(ran: list[Ran], last: Tick) -> set[tuple[Tick, int]]:
    """All parts of all ticks from the first that ran to `last`."""
    first = min(one.tick for one in ran)
    whole = range(first.us, last.us + 1, round(EVERY_S * 1_000_000))
    return {(Tick(us), part) for us in whole for part in range(PARTS)}


def _doubled(ran: list[Ran]) -> dict[tuple[Tick, int], int]:
    return {unit: count for unit, count in _units(ran).items() if count > 1}


@pytest.mark.parametrize("mode", ["single", "localized", "co-leaders", "queue"])
def test_each_part_of_each_tick_runs_once_in_every_mode(household: Household, mode: str) -> None:
    processes = household.start(mode)
    household.await_more(8)
    ran = household.await_all()
    household.end(processes)
    assert not _doubled(household.ran()), household.logs()
    if mode == "localized":
        assert len({one.pid for one in ran}) == 2


def test_a_running_fleet_that_changes_its_mode_loses_and_doubles_no_tick(
    household: Household,
) -> None:
    """Through all modes and back, the old processes going when the new ones have come."""
    before = household.start("single")
    household.await_more(3)
    for mode in ("co-leaders", "queue", "localized", "queue", "single"):
        after = household.start(mode)
        household.await_more(2)
        household.end(before)
        household.await_more(3)
        before = after
    household.await_all()
    household.end(before)
    assert not _doubled(household.ran()), household.logs()


def test_a_tick_that_dies_with_its_leader_is_run_by_the_next(household: Household) -> None:
    """Killed at any moment: nothing is lost, and what runs again is a later attempt."""
    household.start("single", 3)
    for _ in range(3):
        household.await_more(2)
        leader = household.ran()[-1].pid
        os.kill(leader, signal.SIGKILL)
        household.start("single", 1)
        until(partial(household.has_another, leader))
    household.await_more(3)
    ran = household.await_all()
    for unit, count in _units(ran).items():
        attempts = [one.attempt for one in ran if (one.tick, one.part) == unit]
        assert len(set(attempts)) == count, "an attempt ran twice"
