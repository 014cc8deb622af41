"""The embedded queue between processes, of which some are killed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from coord.tasks.queue.spi import Outgoing
from coord_sqlite.queue import SqliteQueue
from tests.integration.fleet import until

Child = subprocess.Popen[str]


class _Children:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._all: list[Child] = []

    def begin(self, verb: str, visibility_s: float) -> Child:
        command = [sys.executable, "-m", "tests.integration.sqlite.queue_child"]
        child = subprocess.Popen(
            [*command, str(self.path), verb, str(visibility_s)], stdout=subprocess.PIPE, text=True
        )
        self._all.append(child)
        return child

    def end(self) -> None:
        for child in self._all:
            child.kill()
            child.communicate(timeout=30)


@pytest.fixture
def children(tmp_path: Path) -> Iterator[_Children]:
    found = _Children(tmp_path / "q.db")
    yield found
    found.end()


@pytest.fixture
def queue(children: _Children) -> Iterator[SqliteQueue]:
    with closing(SqliteQueue(children.path, max_receives=5, timeout_s=20.0)) as found:
        yield found


def _send(queue: SqliteQueue, number: int) -> set[str]:
    ids: set[str] = set()
    for start in range(0, number, 10):
        batch = [Outgoing(body=f"{n}") for n in range(start, min(start + 10, number))]
        ids |= {str(one) for one in queue.send(batch)}
    return ids


def _said(child: Child) -> list[list[str]]:
    """Its whole lines: a kill may cut the last one, and what it said of is then not yet done."""
    assert child.stdout is not None
    return [line.split() for line in child.stdout if line.endswith("\n")]


def test_what_a_killed_process_held_comes_back_when_its_time_is_over(
    children: _Children, queue: SqliteQueue
) -> None:
    """Killed between receiving and deleting; not before its time, since a pause looks the same."""
    (number,) = _send(queue, 1)
    child = children.begin("hold", 3.0)
    assert child.stdout is not None
    assert child.stdout.readline().split() == ["had", number]
    had_s = time.monotonic()
    child.kill()
    assert queue.receive(1, wait_s=0.0, visibility_s=30.0) == []
    (found,) = queue.receive(1, wait_s=20.0, visibility_s=30.0)
    assert found.id == number
    assert found.received == 2
    # It was answered before we read that it had it: by how much, the machine decides.
    assert time.monotonic() - had_s >= 2.0
    assert queue.delete([found.receipt]) == [None]


def test_processes_that_receive_at_once_never_share_a_message(
    children: _Children, queue: SqliteQueue
) -> None:
    ids = _send(queue, 300)
    drains = [children.begin("drain", 60.0) for _ in range(3)]
    said = [_said(child) for child in drains]
    for what in ("had", "done"):
        named = [line[1] for lines in said for line in lines if line[0] == what]
        assert sorted(named) == sorted(ids), what
    assert queue.depth() == (0, 0, 0, 0)


def test_nothing_is_lost_and_nothing_done_twice_when_processes_are_killed(
    children: _Children, queue: SqliteQueue
) -> None:
    ids = _send(queue, 300)
    doomed = [children.begin("drain", 1.0) for _ in range(2)]
    until(lambda: queue.depth().undone < 250, within_s=60)
    for child in doomed:
        child.kill()
    before = [line for child in doomed for line in _said(child)]
    after = _said(children.begin("drain", 30.0))
    done = [line[1] for line in [*before, *after] if line[0] == "done"]
    had = {line[1] for line in [*before, *after] if line[0] == "had"}
    assert had == ids
    assert len(done) == len(set(done)), "a message was deleted twice"
    assert len(done) >= len(ids) - 6, "at most a batch of each was deleted and not told of"
    assert queue.depth() == (0, 0, 0, 0)
