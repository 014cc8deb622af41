"""Processes that run one slow task, and what their journal and their logs tell of each unit."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from coord.tasks import Tick
from tests.integration.fleet import ROOT
from tests.integration.workers.ticker import Settings

__all__ = ["Event", "Run", "Tickers"]

_MODULE = "tests.integration.workers.ticker"
_SKIPPED = re.compile(
    r"event='tick-skipped' .*why='([a-z-]+)' first='(\S+)' last='(\S+)' part=(\S+) units="
)


class Event(NamedTuple):
    """One line of the journal."""

    what: str
    at_s: float
    tick: Tick
    part: int
    parts: int
    attempt: int
    pid: int


class Run(NamedTuple):
    """One run, from its beginning to whatever came of it; `end` None: it was cut off."""

    began: Event
    end: Event | None


class Tickers:
    """Start them, read what they did; `close` kills what still runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: list[subprocess.Popen[str]] = []
        self.end_asked_s = float("inf")
        """When the first orderly end was asked for, by the clock of the journal."""

    def start(self, mode: str, count: int, **settings: Any) -> list[subprocess.Popen[str]]:  # noqa: ANN401
        """Some of one kind; returns when all of them serve."""
        made = self.begin(mode, count, **settings)
        self.await_served(made)
        return made

    def begin(self, mode: str, count: int, **settings: Any) -> list[subprocess.Popen[str]]:  # noqa: ANN401
        """Some of one kind, without waiting."""
        made = []
        for _ in range(count):
            name = f"{mode}-{len(self._processes)}"
            told = Settings(mode=mode, name=name, folder=str(self.folder), **settings)
            with (self.folder / f"{name}.log").open("wb") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", _MODULE, json.dumps(asdict(told))],
                    cwd=ROOT,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
            self._processes.append(process)
            made.append(process)
        return made

    def await_served(self, processes: list[subprocess.Popen[str]]) -> None:
        """Until all of these serve."""
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline().strip().isdigit(), self.logs()

    def end(self, processes: list[subprocess.Popen[str]]) -> None:
        """SIGTERM, and the orderly end that it asks for."""
        self.end_asked_s = min(self.end_asked_s, time.monotonic())
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            assert process.wait(60) == 0, self.logs()

    def close(self) -> None:
        """Whatever still runs."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def logs(self) -> str:
        """What the processes said."""
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def hold(self, *parts: int) -> None:
        """From now on runs of these parts do not end; of all others they do."""
        held = {self.folder / f"held-{part}" for part in parts}
        for path in held:
            path.touch()
        for path in set(self.folder.glob("held-*")) - held:
            path.unlink()

    def events(self) -> list[Event]:
        """Everything that happened so far, in order."""
        path = self.folder / "acts"
        found = []
        for line in path.read_text().splitlines() if path.exists() else []:
            what, at_s, tick, *numbers = line.split()
            found.append(Event(what, float(at_s), Tick.parse(tick), *map(int, numbers)))
        return found

    def runs(self) -> list[Run]:
        """Each run, in the order in which they began."""
        runs: dict[tuple[int, Tick, int, int], Run] = {}
        for one in self.events():
            key = (one.pid, one.tick, one.part, one.attempt)
            if one.what == "began":
                assert key not in runs, f"{one} began twice"
                runs[key] = Run(one, None)
            else:
                runs[key] = runs[key]._replace(end=one)
        return list(runs.values())

    def done(self) -> Counter[tuple[Tick, int]]:
        """How often each unit was done."""
        return Counter((one.tick, one.part) for one in self.events() if one.what == "done")

    def skipped(self) -> dict[tuple[Tick, int | None], set[str]]:
        """What was told to be left out, by first tick and part, and why."""
        found: dict[tuple[Tick, int | None], set[str]] = {}
        for why, first, last, part in _SKIPPED.findall(self.logs()):
            assert first == last, "no gap is long enough to be told as one"
            key = Tick.parse(first), None if part == "None" else int(part)
            found.setdefault(key, set()).add(why)
        return found
