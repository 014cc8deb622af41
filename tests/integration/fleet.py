"""A fleet of worker processes on one store, and what their journal tells afterwards.

The store is whatever a URL names: a SQLite file of the test's own, or a server that runs already.
The journal is always a SQLite file. Every process is stopped by its pid in the end, whatever
happens.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from coord.model import View
from coord.registry import open_store
from coord.spi import OpenedStore, Store
from tests.integration.workers.worker import STATES, now

__all__ = ["Act", "Fleet", "Mark", "Process", "elsewhere", "now", "until"]

ROOT = Path(__file__).resolve().parents[2]
BOUND_S = 30.0
GROUP = "g"
_ACTS = "at REAL, checked REAL, member, role, generation, shard, seat, token, row"
_MARKS = "at REAL, what, member, role, generation, shard, seat, token, detail"

_NAMESPACES = (
    ("unshare", "--pid", "--fork"),
    ("unshare", "--user", "--map-root-user", "--pid", "--fork"),
)


class Act(NamedTuple):
    """One effect, as the resource took it: `at` when, `checked` when `check` last succeeded."""

    at: float
    checked: float
    member: str
    role: str
    generation: int
    shard: int
    seat: int
    token: int
    row: int

    @property
    def scope(self) -> tuple[str, int, int]:
        return (self.role, self.shard, self.seat)


class Mark(NamedTuple):
    """Something a worker noted of a term."""

    at: float
    what: str
    member: str
    role: str
    generation: int
    shard: int
    seat: int
    token: int
    detail: str

    @property
    def scope(self) -> tuple[str, int, int]:
        return (self.role, self.shard, self.seat)


def until(condition: Callable[[], Any], *, within_s: float = BOUND_S, every_s: float = 0.01) -> Any:  # noqa: ANN401
    """Wait until the condition is true, and return what it gave."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"it did not happen within {within_s:g} s"
        time.sleep(every_s)
    return found


def elsewhere() -> tuple[str, ...]:
    """How to start a process whose end nobody out here can prove: in a pid namespace of its own."""
    for prefix in _NAMESPACES:
        try:
            outcome = subprocess.run(
                [*prefix, sys.executable, "-c", ""], capture_output=True, timeout=30, check=False
            )
        except FileNotFoundError:
            continue
        if outcome.returncode == 0:
            return prefix
    return ()


class Process:
    """One worker: its pid is that of the Python process, whatever namespace it lives in."""

    def __init__(self, member: str, command: list[str], log: Path) -> None:
        self.member = member
        self.log = log
        with log.open("wb") as stderr:
            self._popen = subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, text=True
            )
        self.pid = 0
        self._said = ""

    def await_live(self) -> Process:
        """It has a session."""
        assert self._popen.stdout is not None
        line = self._popen.stdout.readline().strip()
        assert line.isdigit(), f"{self.member}: {line!r}\n{self.log.read_text()}"
        self.pid = int(line)
        return self

    def said(self) -> str:
        """What it printed instead of its pid."""
        if not self._said:
            assert self._popen.stdout is not None
            self._said = self._popen.stdout.read()
        return self._said

    def kill(self) -> float:
        """SIGKILL; the moment just before."""
        at = now()
        os.kill(self.pid, signal.SIGKILL)
        return at

    def terminate(self) -> float:
        """SIGTERM; the moment just before."""
        at = now()
        os.kill(self.pid, signal.SIGTERM)
        return at

    def pause(self) -> None:
        """SIGSTOP, and wait until it has stopped with all its threads."""
        os.kill(self.pid, signal.SIGSTOP)
        until(lambda: all(state in "Tt" for state in self._states()), every_s=0.0005)

    def _states(self) -> Iterator[str]:
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            yield (task / "stat").read_text().rpartition(")")[2].split()[0]

    def resume(self) -> float:
        """SIGCONT; the moment just before."""
        at = now()
        os.kill(self.pid, signal.SIGCONT)
        return at

    def wait(self) -> int:
        """Its exit code."""
        return self._popen.wait(BOUND_S)

    def end(self) -> None:
        """Make sure that nothing is left of it."""
        if self._popen.poll() is None:
            for pid in {self.pid, self._popen.pid} - {0}:
                os.kill(pid, signal.SIGKILL)
        self._popen.wait(BOUND_S)
        if self._popen.stdout is not None:
            self._popen.stdout.close()


class Fleet:
    """Workers of one group, the resource they act on, and a store to look through."""

    def __init__(self, folder: Path, *, url: str = "") -> None:
        """`url`: the store's; a SQLite file in the folder where none is given."""
        self.folder = folder
        self.app = folder / "app.db"
        self.coord = folder / "coord.db"
        self.url = url or f"sqlite:///{self.coord}?group={GROUP}"
        self.processes: list[Process] = []
        self._journal = sqlite3.connect(self.app, timeout=20.0, isolation_level=None)
        self._journal.execute("PRAGMA journal_mode=WAL")
        for table in ("plain", "late", "fenced"):
            self._journal.execute(f"CREATE TABLE {table} ({_ACTS})")
        self._journal.execute(f"CREATE TABLE marks ({_MARKS})")
        self._opened: OpenedStore | None = None

    def begin(
        self,
        member: str,
        *roles: Mapping[str, Any],
        timing: Mapping[str, Any],
        hog: bool = False,
        show_states: bool = False,
        prefix: tuple[str, ...] = (),
    ) -> Process:
        """Start a worker; a role is `Role`'s settings and, under "work", those of the work."""
        settings = {
            "url": self.url,
            "app": str(self.app),
            "folder": str(self.folder),
            "member": member,
            "roles": [
                ({k: v for k, v in role.items() if k != "work"}, role["work"]) for role in roles
            ],
            "timing": timing,
            "hog": hog,
            "show_states": show_states,
        }
        if show_states:
            (self.folder / f"states-{member}").write_bytes(bytes(STATES))
        module = "tests.integration.workers.worker"
        command = [*prefix, sys.executable, "-m", module, json.dumps(settings)]
        log = self.folder / f"{len(self.processes)}-{member}.log"
        process = Process(member, command, log)
        self.processes.append(process)
        return process

    def start(self, member: str, *roles: Mapping[str, Any], **settings: Any) -> Process:  # noqa: ANN401
        """Start a worker and wait until it is live."""
        return self.begin(member, *roles, **settings).await_live()

    def close(self) -> None:
        for process in self.processes:
            process.end()
        if self._opened is not None:
            self._opened.store.close()
        self._journal.close()

    # --- what the store shows -----------------------------------------------------------------

    @property
    def opened(self) -> OpenedStore:
        """A store of the test's own, and the group that the URL names."""
        if self._opened is None:
            self._opened = open_store(self.url, timeout_s=5.0)
        return self._opened

    @property
    def store(self) -> Store:
        """A store of the test's own."""
        return self.opened.store

    def view(self) -> View:
        """The group now."""
        return self.store.view(self.opened.group)

    def holders(self, role: str) -> dict[tuple[int, int], str]:
        """Who holds each (shard, seat) of the role's present generation now."""
        view = self.view()
        record = view.roles.get(role)
        found = {}
        for key, claim in view.claims.items():
            member = view.members.get(claim.session or "")
            if record and member and key[:2] == (role, record.generation):
                found[key.shard, key.seat] = member.record.name
        return found

    def is_settled(self, role: str, members: int) -> bool:
        """Whether all seats are held and so many members serve the role."""
        view = self.view()
        record = view.roles.get(role)
        if record is None or len(self.holders(role)) < record.shape.shards * record.shape.seats:
            return False
        return sum(role in member.record.roles for member in view.members.values()) == members

    def is_shared(self, role: str, members: int) -> bool:
        """Whether it is settled and each of so many members holds a part of it."""
        return self.is_settled(role, members) and len(set(self.holders(role).values())) == members

    def is_even(self, role: str, members: int) -> bool:
        """Whether it is shared as evenly as can be: nothing moves from here on by itself."""
        held = Counter(self.holders(role).values()).values()
        return (
            self.is_settled(role, members) and len(held) == members and max(held) - min(held) <= 1
        )

    def writable(self) -> bool:
        """Whether nobody sits inside a write of the store (a process may be stopped there).

        Only an embedded store can be held by a process that was stopped; a server goes on.
        """
        if not self.coord.exists():
            return True
        with closing(sqlite3.connect(self.coord, timeout=0.2, isolation_level=None)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            other.execute("ROLLBACK")
            return True

    # --- what the journal tells ---------------------------------------------------------------

    def acts(self, table: str = "fenced", where: str = "1", *values: object) -> list[Act]:
        """Effects in the order in which the resource took them."""
        sql = f"SELECT * FROM {table} WHERE {where} ORDER BY rowid"  # noqa: S608 (our own text)
        return [Act(*row) for row in self._journal.execute(sql, values)]

    def marks(self, what: str, where: str = "1", *values: object) -> list[Mark]:
        """Marks of one kind, in order."""
        sql = f"SELECT * FROM marks WHERE what=? AND {where} ORDER BY rowid"  # noqa: S608
        return [Mark(*row) for row in self._journal.execute(sql, (what, *values))]

    def first_act(self, after: float, where: str = "1", *values: object) -> Act:
        """Wait for the first act after a moment."""
        sql = f"at > ? AND {where}"
        return until(lambda: self.acts("fenced", sql, after, *values), every_s=0.002)[0]  # type: ignore[no-any-return]

    def last_act(self, where: str = "1", *values: object) -> Act:
        """The latest act."""
        return self.acts("fenced", where, *values)[-1]

    def logged(self, text: str) -> list[str]:
        """The lines with this text in all logs."""
        lines = [
            line for process in self.processes for line in process.log.read_text().splitlines()
        ]
        return [line for line in lines if text in line]
