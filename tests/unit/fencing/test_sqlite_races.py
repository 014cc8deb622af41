"""SqlFence on SQLite between real processes and threads: the order of acts never goes back."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier, Thread

import pytest

from coord.errors import Fenced
from coord.fencing import SqlFence
from tests.unit.fencing.terms import term

ROOT = Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "application.db"
    with sqlite3.connect(path) as setup:
        setup.execute("CREATE TABLE journal (seq INTEGER PRIMARY KEY, token INTEGER)")
    setup.close()
    return path


def tokens(path: Path) -> list[int]:
    connection = sqlite3.connect(path)
    try:
        return [row[0] for row in connection.execute("SELECT token FROM journal ORDER BY seq")]
    finally:
        connection.close()


@contextmanager
def leader(path: Path, token: int) -> Iterator[subprocess.Popen[str]]:
    """A racer that has acted at least once."""
    command = [sys.executable, "-m", "tests.unit.fencing.racer", str(path), str(token)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "acted\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def ending(process: subprocess.Popen[str]) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    return process.stdout.readline().strip()


def test_of_two_processes_that_act_at_once_the_older_stops_at_the_newer_one_s_first_act(
    path: Path,
) -> None:
    with leader(path, 10) as old, leader(path, 20) as new:
        assert old.stdout is not None
        assert old.stdout.readline() == "fenced\n"
        assert ending(new) == "ended"
    order = tokens(path)
    assert order == sorted(order)
    assert set(order) == {10, 20}


def test_a_process_stopped_and_resumed_writes_nothing_after_its_successor(path: Path) -> None:
    """The pause may fall anywhere: between check and act, or inside the transaction."""
    for round_number in range(5):
        old_token, new_token = 10 * round_number + 1, 10 * round_number + 2
        with leader(path, old_token) as old:
            os.kill(old.pid, signal.SIGSTOP)
            successor = sqlite3.connect(path, timeout=0.2)
            acted = _acts(successor, new_token)
            os.kill(old.pid, signal.SIGCONT)
            if not acted:  # it was stopped inside its transaction: the successor has to wait
                successor.execute("PRAGMA busy_timeout=30000")
                assert _acts(successor, new_token)
            assert old.stdout is not None
            assert old.stdout.readline() == "fenced\n"
            successor.close()
    order = tokens(path)
    assert order == sorted(order)
    assert set(order) >= {1, 2, 11, 12, 21, 22, 31, 32, 41, 42}


def _acts(connection: sqlite3.Connection, token: int) -> bool:
    try:
        with SqlFence(term(token), connection) as cursor:
            cursor.execute("INSERT INTO journal (token) VALUES (?)", (token,))
    except sqlite3.OperationalError:
        return False
    return True


def test_first_users_that_arrive_together_all_act(path: Path) -> None:
    crowd = 6
    barrier = Barrier(crowd)
    errors: list[BaseException] = []

    def first_act(shard: int) -> None:
        connection = sqlite3.connect(path, timeout=30)
        try:
            barrier.wait()
            with SqlFence(term(shard + 1, shard=shard), connection) as cursor:
                cursor.execute("INSERT INTO journal (token) VALUES (?)", (shard + 1,))
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            errors.append(error)
        finally:
            connection.close()

    threads = [Thread(target=first_act, args=(shard,)) for shard in range(crowd)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(tokens(path)) == [1, 2, 3, 4, 5, 6]


def test_two_generations_that_race_over_other_shards_never_interleave(path: Path) -> None:
    """Threads of generation 1 (shards 0–2) and of generation 2 (shards 3–5) act at once."""
    barrier = Barrier(6)
    refused: list[int] = []

    def lead(generation: int, shard: int) -> None:
        connection = sqlite3.connect(path, timeout=30)
        holder = term(generation * 100 + shard, generation=generation, shard=shard)
        barrier.wait()
        try:
            for _ in range(30):
                with SqlFence(holder, connection) as cursor:
                    cursor.execute("INSERT INTO journal (token) VALUES (?)", (generation,))
        except Fenced:
            refused.append(generation)
        finally:
            connection.close()

    threads = [Thread(target=lead, args=(1 + shard // 3, shard)) for shard in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    order = tokens(path)
    assert order == sorted(order)
    assert order.count(2) == 90
    assert set(refused) <= {1}
