"""Plays cells side by side, each in a process of its own with servers of its own.

Owns these processes: however it ends, none of them is left. A run that broke no rule is removed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from tests.lab.matrix.cells import Cell, Plan
from tests.lab.matrix.results import Outcome, Results, failed, outcome_from

__all__ = ["Lanes"]

_MEMORY = Path("/dev/shm")  # noqa: S108 (each cell makes a folder of its own in it, mode 0700)
_BASE_S, _ROUND_S = 180.0, 90.0
_HEAL_S = 60.0


class Lanes:
    """So many at once. `say` is told of each that is over, from whichever thread."""

    def __init__(self, directory: Path, results: Results, say: Callable[[Outcome], None]) -> None:
        self._runs = directory / "runs"
        self._results = results
        self._say = say
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._running: set[subprocess.Popen[str]] = set()

    def play(self, cells: Sequence[Cell], plan: Plan, *, lanes: int) -> None:
        """All of them. An interruption stops and heals those that are being played."""
        with ThreadPoolExecutor(lanes) as pool:
            waiting = [pool.submit(self._one, cell, plan) for cell in cells]
            try:
                for one in waiting:
                    one.result()
            finally:
                self._over.set()
                for one in waiting:
                    one.cancel()
                with self._lock:
                    for process in self._running:
                        process.terminate()

    def _one(self, cell: Cell, plan: Plan) -> None:
        if self._over.is_set():
            return
        events = self._runs / cell.name.replace(" / ", "--").replace(", ", "-").replace(" ", "-")
        shutil.rmtree(events, ignore_errors=True)
        events.mkdir(parents=True)
        outcome = self._played(cell, plan, events)
        if outcome is None:
            return
        if outcome.state == "kept":
            shutil.rmtree(events, ignore_errors=True)
        with self._lock:
            self._results.add(outcome)
            self._say(outcome)

    def _played(self, cell: Cell, plan: Plan, events: Path) -> Outcome | None:
        """None: it was interrupted."""
        asked = {"cell": cell.name, "plan": asdict(plan), "events": str(events)}
        limit_s = _BASE_S + _ROUND_S * plan.rounds
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.lab.matrix.playing"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(errors := (events / "stderr.txt").open("w+")),
            text=True,
            env=_environment(),
        )
        with errors, process, self._among_running(process):
            try:
                told, _ = process.communicate(json.dumps(asked), timeout=limit_s)
            except subprocess.TimeoutExpired:
                _stop(process)
                return failed(cell, plan, f"not over after {limit_s:g} s")
            if self._over.is_set() and process.returncode != 0:
                return None
            if process.returncode != 0:
                return failed(cell, plan, f"exit code {process.returncode}: see {errors.name}")
        return outcome_from(json.loads(told))

    @contextmanager
    def _among_running(self, process: subprocess.Popen[str]) -> Iterator[None]:
        with self._lock:
            self._running.add(process)
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(process)


def _stop(process: subprocess.Popen[str]) -> None:
    """Let it heal and stop what it started; whoever takes too long is killed."""
    process.terminate()
    try:
        process.wait(_HEAL_S)
    except subprocess.TimeoutExpired:
        process.kill()


def _environment() -> dict[str, str]:
    """In memory where there is some, as the tests are: a slow disk would be a fault of its own."""
    usable = os.access(_MEMORY, os.W_OK)
    return {**os.environ, **({"TMPDIR": str(_MEMORY)} if usable else {})}
