"""A process that runs one scheduled task in the mode that it is told: the modes' test subject.

    python -m tests.integration.workers.housekeeper MODE NAME FOLDER

Each run appends one line to FOLDER/acts: a write of that size to a file that is open for appending
is one step. SIGTERM ends it in order.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from coord import Coordinator, Role, Timing
from coord.tasks import Job, task
from coord.tasks.queue.worker import Worker

PARTS = 4
EVERY_S = 0.25
ROLES = {
    "single": Role("single"),
    "localized": Role("localized", shards=2),
    "co-leaders": Role("co-leaders", seats=2),
}


def sweep_into(path: str, *, once: bool = True, takes_s: float = 0.0) -> Callable[[Job], None]:
    """The task, writing its acts down at `path`."""
    acts = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    @task(every=EVERY_S, parts=PARTS, missed="catch-up", window="120s", overlap="queue", once=once)
    def sweep(job: Job) -> None:
        time.sleep(takes_s)
        line = f"{job.tick} {job.shard} {job.attempt} {job.role or '-'} {os.getpid()}\n"
        os.write(acts, line.encode())

    return sweep


def main(mode: str, name: str, folder: str) -> None:
    """Serve until SIGTERM."""
    sweep = sweep_into(f"{folder}/acts")
    ledger = f"sqlite:///{folder}/ledger.db"
    if mode == "queue":
        url = f"sqlite:///{folder}/queue.db"
        worker = Worker(url, tasks=[sweep], ledger=ledger, visibility_s=5.0, wait_s=0.5)
        worker.start()
        sys.stdout.write(f"{os.getpid()}\n")
        sys.stdout.flush()
        worker.run()
        return
    timing = Timing.of(1.0, settle_s=0.1)
    url = f"sqlite:///{folder}/store.db"
    with Coordinator(url, member=name, timing=timing, ledger=ledger) as fleet:
        fleet.serve(ROLES[mode], sweep)
        sys.stdout.write(f"{os.getpid()}\n")
        sys.stdout.flush()
        fleet.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
