"""A process that runs one scheduled task slowly, as its settings say: overlaps and reshapes.

    python -m tests.integration.workers.ticker SETTINGS

SETTINGS is JSON: mode, name, folder, and what else `Settings` has. Each run appends to
FOLDER/acts what happens to it, one line each: it began, was told to stop, is done. A part waits
for the file FOLDER/held-PART to go. SIGTERM ends the process in order.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from coord import Coordinator, Role, Timing
from coord.tasks import Job, task
from coord.tasks.queue.worker import Worker

__all__ = ["Settings"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a process is told."""

    mode: str
    name: str
    folder: str
    every_s: float = 1.0
    takes_s: float = 0.0
    overlap: str = "skip"
    missed: str = "once"
    parts: int | None = None
    shards: int = 2
    ttl_s: float = 2.0

    @property
    def role(self) -> Role:
        """One role a mode; those of a localized one differ in their shards only."""
        if self.mode == "localized":
            return Role("localized", shards=self.shards)
        return Role(self.mode, seats=2 if self.mode == "co-leaders" else 1)


def _ticker(settings: Settings) -> Callable[[Job], None]:
    folder = Path(settings.folder)
    acts = os.open(folder / "acts", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(what: str, job: Job) -> None:
        line = f"{what} {time.monotonic()} {job.tick} {job.shard} {job.parts} {job.attempt}"
        os.write(acts, f"{line} {os.getpid()}\n".encode())

    @task(
        every=settings.every_s,
        parts=settings.parts,
        overlap=settings.overlap,
        missed=settings.missed,
        window="10m",
    )
    def sweep(job: Job) -> None:
        note("began", job)
        end_s = time.monotonic() + settings.takes_s
        held = folder / f"held-{job.shard}"
        while (left_s := end_s - time.monotonic()) > 0 or held.exists():
            if not job.wait(min(0.05, max(left_s, 0.01))):
                note("told", job)
                return
        note("done", job)

    return sweep


def main(settings: Settings) -> None:
    """Serve until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sweep = _ticker(settings)
    folder = settings.folder
    ledger = f"sqlite:///{folder}/ledger.db"
    if settings.mode == "queue":
        url = f"sqlite:///{folder}/queue.db"
        worker = Worker(
            url, tasks=[sweep], ledger=ledger, visibility_s=2.5 * settings.ttl_s, wait_s=0.5
        )
        worker.start()
        _say_pid()
        worker.run()
        return
    timing = Timing.of(settings.ttl_s, settle_s=0.2)
    url = f"sqlite:///{folder}/store.db"
    with Coordinator(url, member=settings.name, timing=timing, ledger=ledger) as fleet:
        fleet.serve(settings.role, sweep)
        _say_pid()
        fleet.run()


def _say_pid() -> None:
    sys.stdout.write(f"{os.getpid()}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Settings(**json.loads(sys.argv[1])))
