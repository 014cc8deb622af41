"""A small daemon as its users write it: one part leads, one part works off a queue.

Its chaos tests are beside it; run them with

    pytest --chaos examples/chaos

Of the lab it knows nothing. It reads its settings from the environment, and of what the lab reads,
`COORD_EVENTS` is coord's to write, except for one line: what it does to its own resource only the
daemon can tell (`fleet.events.acting`).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from functools import partial

from coord import Coordinator, Job, SqlFence, SqlOnce, Term, Worker, task

STORE = os.environ["COORD_STORE"]
MEMBER = os.environ["COORD_MEMBER"]
TTL_S = float(os.environ["COORD_TTL"].removesuffix("s"))
QUEUE = os.environ.get("COORD_QUEUE")
DATABASE = os.environ["DATABASE"]


def opened() -> contextlib.closing[sqlite3.Connection]:
    """The resource: an application's database, shared by all members."""
    connection = sqlite3.connect(DATABASE, timeout=10)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE IF NOT EXISTS sweep (token INTEGER, member TEXT)")
    connection.execute("CREATE TABLE IF NOT EXISTS thumbnail (picture TEXT)")
    return contextlib.closing(connection)


def sweep(fleet: Coordinator, term: Term) -> None:
    """The leader's part. Between what it reads and what it writes, time passes, as it always does:
    a leader that is stopped right there wakes up with a decision that is old.
    """
    with opened() as connection:
        while term.wait(0.02):
            with fleet.events.acting(term, "sweep", fenced=True):
                term.check()
                time.sleep(0.1)  # it reads, and thinks
                with SqlFence(term, connection) as cursor:
                    cursor.execute("INSERT INTO sweep VALUES (?, ?)", (term.token, MEMBER))
            term.progress()


@task("resize")
def resize(job: Job, picture: str) -> None:
    """The queue's part: any member, any number of times, one thumbnail."""
    job.wait(0.2)
    job.check()
    with opened() as connection:
        SqlOnce(connection).run(f"thumbnail/{picture}", partial(keep, picture))


def keep(picture: str, cursor: sqlite3.Cursor) -> None:
    """The effect, in one transaction with the note that it is done."""
    cursor.execute("INSERT INTO thumbnail VALUES (?)", (picture,))


def main() -> None:
    """Both parts until SIGTERM."""
    with Coordinator(STORE, member=MEMBER, ttl_s=TTL_S, start_timeout_s=20) as fleet:
        fleet.serve("sweeper", partial(sweep, fleet))
        if QUEUE is None:
            fleet.run()
        else:
            Worker(QUEUE, tasks=[resize], visibility_s=2, wait_s=1, drain_s=2).run()


if __name__ == "__main__":
    main()
