"""A database file, and processes on it that are stopped whatever happens."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from coord.model import RoleRecord, Shape
from coord_sqlite import SqliteStore

ROOT = Path(__file__).resolve().parents[3]


class Child:
    """A member in a process of its own; `ask` sends it one command."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.session = str(self._answer())

    @property
    def pid(self) -> int:
        return self.process.pid

    def ask(self, command: str, *arguments: object) -> object:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([command, *arguments]) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> object:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def kill(self) -> None:
        """SIGKILL, without reaping: the process stays a zombie until `stop`."""
        self.process.kill()

    def stop(self) -> None:
        """Make sure that nothing is left of it."""
        self.process.kill()
        self.process.wait(timeout=10)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


Start = Callable[..., Child]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a member process on a file: `start(path, name, ttl_s=…, prefix=[…])`."""
    children: list[Child] = []

    def begin(path: Path, name: str, *, ttl_s: float = 30.0, prefix: tuple[str, ...] = ()) -> Child:
        module = "tests.integration.sqlite.member"
        child = Child([*prefix, sys.executable, "-m", module, str(path), name, str(ttl_s)])
        children.append(child)
        return child

    yield begin
    for child in children:
        child.stop()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with the role "r" of 200 shards in group "g"."""
    file = tmp_path / "coord.db"
    with closing(SqliteStore(file)) as store:
        store.put_role("g", RoleRecord(name="r", shape=Shape(200, 1)))
    return file


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    """A store of the test's own process on that file."""
    with closing(SqliteStore(path, timeout_s=2.0)) as opened:
        yield opened
