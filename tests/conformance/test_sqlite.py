"""The SQLite store keeps every promise, on a real file, in real and in virtual time."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from coord.clock import SYSTEM_CLOCK, Clock
from coord.model import RoleRecord, Shape
from coord.testing.clock import ManualClock
from coord.testing.conformance import CHECKS, Check, Gate, Harness, gate_over
from coord_sqlite import SqliteStore
from tests.conformance.harnesses import leftovers


class _File:
    """One database file and the clock that all handles on it share."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self.clock = clock
        with closing(self.open()) as store:  # only writing makes a file; reading is refused
            store.put_role("first", RoleRecord(name="first", shape=Shape(1, 1)))

    def open(self) -> SqliteStore:
        return SqliteStore(self.path, clock=self.clock, timeout_s=5.0)

    def gate(self) -> Gate:
        return gate_over(self.open(), clock=self.clock)

    def forget(self, group: str) -> None:
        """What an operator would type into the sqlite3 shell."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            for table in ("sessions", "claims", "roles", "groups"):
                connection.execute(
                    f"DELETE FROM {table} WHERE gid=(SELECT gid FROM groups WHERE name=?)",  # noqa: S608
                    (group,),
                )

    def leftovers(self) -> Mapping[str, int]:
        return {**leftovers(), "files": sum(1 for _ in self.path.parent.iterdir())}

    def harness(self, **settings: object) -> Harness:
        hooks: dict[str, object] = {
            "open": self.open,
            "clock": self.clock,
            "gate": self.gate,
            "reopen": lambda: None,
            "forget": self.forget,
            "leftovers": self.leftovers,
            "timeout_s": 5.0,
        }
        return Harness(**{**hooks, **settings})  # type: ignore[arg-type]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_sqlite_keeps_the_promise(check: Check, tmp_path: Path) -> None:
    file = _File(tmp_path / "coord.db", SYSTEM_CLOCK)
    check.run(file.harness(sleep=time.sleep, ttl_s=1.0))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_sqlite_keeps_the_promise_on_a_clock_of_the_callers(check: Check, tmp_path: Path) -> None:
    clock = ManualClock()
    file = _File(tmp_path / "coord.db", clock)

    def sleep(seconds: float) -> None:
        clock.advance(seconds)
        time.sleep(min(seconds, 0.05))  # watches are polled in real time

    check.run(file.harness(sleep=sleep, ttl_s=2.0))
