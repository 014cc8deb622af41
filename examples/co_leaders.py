"""Co-leaders: two members do the same work side by side, so that it never waits for an election.

    python examples/co_leaders.py           # in two or three terminals; then kill -9 any of them

Every second a configuration has to be refreshed. Two seats lead the one shard, so each refresh is
done twice, and the second time must change nothing: here the row of that second is written once.
Kill a leader, and no refresh is missed; a third process, if there is one, takes the free seat.

`SqlFence` refuses a leader that has been replaced *in its own seat*. It does not keep the two seats
apart: that is the work's own business, and the reason why it has to be idempotent.

Both files are made in the current directory: `fleet.db` holds who leads, `app.db` is the resource.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3

from coord import Coordinator, Role, SqlFence, Term

REFRESH = Role("refresh", seats=2)


def say(text: str) -> None:
    """Print a line with the process id, at once."""
    print(f"[{os.getpid()}] {text}", flush=True)


def refresh(term: Term) -> None:
    """Called on a thread of its own for each term; returns when the term ends.

    LeadershipLost and Fenced may pass through: whoever called knows what they mean.
    """
    say(f"took seat {term.seat} with token {term.token}")
    with contextlib.closing(sqlite3.connect("app.db", timeout=10)) as database:
        database.execute(
            "CREATE TABLE IF NOT EXISTS refresh (second TEXT PRIMARY KEY, seat INTEGER)"
        )
        while term.wait(0.4):
            with SqlFence(term, database) as cursor:
                cursor.execute(  # idempotent: the second leader to come finds it done
                    "INSERT OR IGNORE INTO refresh VALUES (datetime('now'), ?)", (term.seat,)
                )
                first = cursor.rowcount == 1
            term.progress()
            if first:
                say(f"seat {term.seat}: refreshed the configuration")
    say(f"left seat {term.seat}: {term.why}")


def main() -> None:
    """Lead a seat, or stand by for one, until SIGINT or SIGTERM."""
    with Coordinator("sqlite:///fleet.db", ttl_s=3) as fleet:
        fleet.serve(REFRESH, refresh)
        say("a candidate")
        fleet.run()
    say("stopped")


if __name__ == "__main__":
    main()
