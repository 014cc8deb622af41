"""A leader process for the race tests: acts under one token until refused or told to end.

usage: python -m tests.unit.fencing.racer DATABASE TOKEN

Says "acted" after its first act, and the last line says how it ended. Ends when its standard
input is closed.
"""

from __future__ import annotations

import select
import sqlite3
import sys

from coord.errors import Fenced
from coord.fencing import SqlFence
from tests.unit.fencing.terms import term

_REST_S = 0.002  # leaves the lock alone for a moment: SQLite's waiting is not fair


def told_to_end() -> bool:
    readable, _, _ = select.select([sys.stdin], [], [], _REST_S)
    return bool(readable)


def say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def main(path: str, token: int) -> None:
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    acts = 0
    ending = "ended"
    while not told_to_end():
        try:
            with SqlFence(term(token), connection) as cursor:
                cursor.execute("INSERT INTO journal (token) VALUES (?)", (token,))
        except Fenced:
            ending = "fenced"
            break
        acts += 1
        if acts == 1:
            say("acted")
    connection.close()
    say(ending)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
