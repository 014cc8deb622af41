"""A member that does real work in a process of its own: what the tests kill, stop and wedge.

It uses public names only and knows nothing of faults, except that its work wedges while a file says
so: a bug that the test switches on. Each act is written to the application's database three times:

* `plain`: whatever comes is taken, as most resources do;
* `late`: through `SqlFence`, but as if `check()` had been made just before it: the pause that no
  check survives. Here the token alone has to refuse;
* `fenced`: through `SqlFence` as everybody uses it.

A row says when `check()` last succeeded before it. Run as
`python -m tests.integration.workers.worker JSON`.
"""

from __future__ import annotations

import json
import logging
import mmap
import os
import sqlite3
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from coord import CoordError, Coordinator, Fenced, LeadershipLost, Role, SqlFence, Term, Timing

RESTING, IN_WINDOW, IN_DATABASE = 0, 1, 2
STATES = 64


def now() -> float:
    """The boot clock, which all processes of one machine share."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Passed:
    """A term whose check has just been made: what a worker holds that is stopped right after it."""

    def __init__(self, term: Term) -> None:
        self.key = term.key
        self.token = term.token

    def check(self) -> None:
        """Made already."""


class Journal:
    """The application's database, as one thread of work sees it."""

    def __init__(self, path: str, member: str, term: Term) -> None:
        self.connection = sqlite3.connect(path, timeout=20.0, isolation_level=None)
        self.connection.execute("PRAGMA synchronous=OFF")
        self._member = member
        self._term = term

    def close(self) -> None:
        self.connection.close()

    def act(self, table: str, checked: float, row: int) -> None:
        """One effect on one row of the resource."""
        self._insert(table, now(), checked, self._member, *self._term.key, self._term.token, row)

    def mark(self, what: str, detail: str = "") -> None:
        """Something worth knowing of this term."""
        term = self._term
        self._insert("marks", now(), what, self._member, *term.key, term.token, detail)

    def _insert(self, table: str, *values: object) -> None:
        marks = ", ".join("?" * len(values))
        self.connection.execute(f"INSERT INTO {table} VALUES ({marks})", values)  # noqa: S608


class Work:
    """The work of one role."""

    def __init__(
        self, settings: SimpleNamespace, role: Role, *, every_s: float, window_s: float, rows: int
    ) -> None:
        self._app = settings.app
        self._member = settings.member
        self._role = role
        self._every_s = every_s
        self._window_s = window_s
        self._rows = rows
        self._wedge = Path(settings.folder) / f"wedge-{settings.member}-{role.name}"
        self._states = Path(settings.folder) / f"states-{settings.member}"
        self._state: memoryview | mmap.mmap = memoryview(bytearray(STATES))
        self._place = 0

    def show_state(self, place: int) -> None:
        """From now on a test can see where each thread is: a byte each, by role and shard."""
        self._place = place
        with self._states.open("r+b") as file:
            self._state = mmap.mmap(file.fileno(), STATES)

    def __call__(self, term: Term) -> None:
        """Act until the term ends; leave marks of its beginning, its end and its refusals."""
        with closing(Journal(self._app, self._member, term)) as journal:
            journal.mark("began")
            try:
                while term.wait(self._every_s):
                    self._round(term, journal)
                    term.progress()
            except LeadershipLost as lost:
                journal.mark("lost", str(lost))
            finally:
                self._state[self._place + term.shard] = RESTING
                journal.mark("ended")

    def _round(self, term: Term, journal: Journal) -> None:
        while self._wedge.exists():
            time.sleep(0.01)
        checked = now()
        term.check()
        deadline = term.deadline_s  # only ever moves on, until the term is over
        if checked >= deadline > float("-inf"):
            journal.mark("check-after-deadline", f"{checked} {deadline}")
        self._state[self._place + term.shard] = IN_WINDOW
        time.sleep(self._window_s)  # whatever comes between a check and an act
        self._state[self._place + term.shard] = IN_DATABASE
        for row in self._mine(term):
            self._act(term, journal, checked, row)
        self._state[self._place + term.shard] = RESTING

    def _mine(self, term: Term) -> range:
        return range(term.shard, self._rows, self._role.shards)

    def _act(self, term: Term, journal: Journal, checked: float, row: int) -> None:
        journal.act("plain", checked, row)
        try:
            with SqlFence(Passed(term), journal.connection, table="late_fence"):
                journal.act("late", checked, row)
        except Fenced as fenced:
            journal.mark("refused", str(fenced))
        with SqlFence(term, journal.connection):
            journal.act("fenced", checked, row)


def spin() -> None:
    """A Python thread that never rests."""
    number = 0
    while True:
        number += 1


def serve(fleet: Coordinator, settings: SimpleNamespace) -> None:
    for place, (role, work) in enumerate(settings.roles):
        declared = Role(**role)
        serving = Work(settings, declared, **{"window_s": 0.0, "rows": declared.shards, **work})
        if settings.show_states:
            serving.show_state(place)
        fleet.serve(declared, serving)


def main() -> None:
    settings: Any = SimpleNamespace(**json.loads(sys.argv[1]))
    logging.basicConfig(level=logging.INFO, format="%(created).3f %(levelname)s %(message)s")
    if settings.hog:
        threading.Thread(target=spin, daemon=True).start()
    timing = Timing.of(**settings.timing)
    try:
        with Coordinator(settings.url, member=settings.member, timing=timing) as fleet:
            serve(fleet, settings)
            print(os.readlink("/proc/self"), flush=True)  # noqa: PTH115, T201 (its pid, out there)
            fleet.run()
    except CoordError as error:
        print(f"{type(error).__name__}: {error}", flush=True)  # noqa: T201 (to the test)
        sys.exit(1)


if __name__ == "__main__":
    main()
