"""Processes that do one piece of work under `SqlOnce` and end without a word at any step.

usage: python -m tests.integration.sqlite.once_child DIRECTORY first|later

For each step there is, in a database of its own: a process that ends at that step (before or after
a statement reaches the database), then two that do not. A line of JSON each: the step, how the
first ended, the balance after it and in the end. `later`: another key was done there before.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from coord.tasks.ledger.sql import SqlOnce

DIED = 9
MOST_STEPS = 60


class _Doomed:
    left = 0

    @classmethod
    def step(cls) -> None:
        cls.left -= 1
        if cls.left == 0:
            os._exit(DIED)


class _Cursor(sqlite3.Cursor):
    def execute(self, sql: str, parameters: Any = (), /) -> _Cursor:  # noqa: ANN401
        _Doomed.step()
        super().execute(sql, parameters)
        _Doomed.step()
        return self


class _Connection(sqlite3.Connection):
    def cursor(self) -> _Cursor:  # type: ignore[override]
        return super().cursor(_Cursor)


def _charge(cursor: sqlite3.Cursor) -> str:
    cursor.execute("UPDATE balance SET amount = amount + 1")
    return "charged"


def _work(path: Path, key: str, step: int) -> None:
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, factory=_Connection)
    connection.execute("PRAGMA synchronous=OFF")
    _Doomed.left = step
    assert SqlOnce(connection).run(key, _charge) == "charged"
    connection.close()


def _process(path: Path, key: str, step: int = 0) -> int:
    """How a process ended that did the work."""
    child = os.fork()
    if not child:
        _work(path, key, step)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _balance(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        ((amount,),) = connection.execute("SELECT amount FROM balance").fetchall()
    return int(amount)


def main(directory: Path, *, later: bool) -> None:
    for step in range(1, MOST_STEPS):
        path = directory / f"{step}.db"
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TABLE balance (amount INTEGER)")
            connection.execute(f"INSERT INTO balance VALUES ({-1 if later else 0})")  # noqa: S608
        assert not later or _process(path, "before") == 0
        ended, between = _process(path, "k", step), _balance(path)
        assert [_process(path, "k") for _ in range(2)] == [0, 0]
        line = {"step": step, "ended": ended, "between": between, "after": _balance(path)}
        sys.stdout.write(json.dumps(line) + "\n")
        if ended == 0:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), later=sys.argv[2] == "later")
