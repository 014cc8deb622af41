"""One leader in a synchronous daemon: of all processes that run this, one deletes expired rows.

    python examples/single_leader.py   # in two terminals; then Ctrl-C or kill -9 the one that leads

This form is for a daemon that owns its main loop: `terms()` yields one tenure after another. If
your program has no loop of its own, `fleet.serve(role, work)` is shorter (see co_leaders.py).

Both files are made in the current directory: `fleet.db` holds who leads, `app.db` is the resource.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
from collections.abc import Iterator
from types import FrameType

from coord import Coordinator, Fenced, LeadershipLost, SqlFence, Term

ROWS = 60  # rows that this process adds at its start; one of them expires each second


def say(text: str) -> None:
    """Print a line with the process id, at once."""
    print(f"[{os.getpid()}] {text}", flush=True)


@contextlib.contextmanager
def application_database() -> Iterator[sqlite3.Connection]:
    """The resource that is kept clean: sessions of some application, a minute's worth of them."""
    with contextlib.closing(sqlite3.connect("app.db", timeout=10)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS login (name TEXT, expires_at TEXT)")
        with connection:
            connection.executemany(
                "INSERT INTO login VALUES (?, datetime('now', ?))",
                ((f"user-{n}", f"+{n} seconds") for n in range(ROWS)),
            )
        yield connection


def delete_expired(term: Term, database: sqlite3.Connection) -> None:
    """Work until the term ends. Whatever is not committed by then is rolled back or refused."""
    while term.wait(0.5):  # False as soon as the term ends, or is asked to
        with SqlFence(term, database) as cursor:  # one transaction, refused if a newer leader acted
            cursor.execute("DELETE FROM login WHERE expires_at < datetime('now')")
            deleted = cursor.rowcount
        term.progress()  # something got done: said where it was committed
        say(f"token {term.token}: deleted {deleted} expired rows")


def main() -> None:
    """Stand for election until SIGINT or SIGTERM."""
    with application_database() as database, Coordinator("sqlite:///fleet.db", ttl_s=3) as fleet:

        def stop(_number: int, _frame: FrameType | None) -> None:
            fleet.stop()  # safe in a signal handler; the loop below ends in order

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        say("a candidate")
        for term in fleet.terms("reaper"):
            say(f"leads with token {term.token}")
            try:
                delete_expired(term, database)
            except (LeadershipLost, Fenced) as lost:  # nothing was written
                say(f"lost it in the middle of an act: {lost}")
            say(f"led; why it ended: {term.why or 'its work returned'}")
    say("stopped")


if __name__ == "__main__":
    main()
