"""A schedule: one task that is due every second, run by whoever leads.

    python examples/schedule.py          # in two terminals; then kill -9 the one that sweeps
    python examples/schedule.py co       # the same task under two co-leaders
    python examples/schedule.py queue    # the same task without any leader

Each tick is swept once, whoever is killed and whatever mode the processes run in: mix them. What
has been done is written down in `ledger.db`, tick by tick, and all modes look there.

Ticks that were missed while nobody ran are caught up with, those of the last ten seconds.
"""

from __future__ import annotations

import os
import sys

from coord import Coordinator, Job, Role, Worker, task

LEDGER = "sqlite:///ledger.db"


def say(text: str) -> None:
    """Print a line with the process id, at once."""
    print(f"[{os.getpid()}] {text}", flush=True)


@task(every="1s", missed="catch-up", window="10s", timeout="5s")
def sweep(job: Job) -> None:
    """Called once for each tick, on a thread of its own."""
    job.check()  # raises once somebody else may be at it
    say(f"swept {job.tick} (attempt {job.attempt}, token {job.token})")


def main(mode: str) -> None:
    """Serve the task until SIGINT or SIGTERM."""
    if mode == "queue":
        Worker("sqlite:///queue.db", tasks=[sweep], ledger=LEDGER, wait_s=1.0).run()
    else:
        role = Role("sweep-together", seats=2) if mode == "co" else Role("sweep")
        with Coordinator("sqlite:///fleet.db", ttl_s=3, ledger=LEDGER) as fleet:
            fleet.serve(role, sweep)
            say(f"a candidate for {role.name}")
            fleet.run()
    say("stopped")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "single")
