"""What SQLite's errors become, and what is known of their effect."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from coord.errors import (
    Certainty,
    CoordError,
    InternalError,
    StoreError,
    StoreRefused,
    StoreUnavailable,
)
from coord_sqlite.failures import is_busy, translated
from coord_sqlite.link import Link


def _error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("what SQLite says")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        (sqlite3.SQLITE_FULL, StoreRefused, "full"),
        (sqlite3.SQLITE_READONLY_DIRECTORY, StoreRefused, "opened or written"),
        (sqlite3.SQLITE_CANTOPEN, StoreRefused, "opened or written"),
        (sqlite3.SQLITE_NOTADB, StoreRefused, "not a SQLite database"),
        (sqlite3.SQLITE_CORRUPT_VTAB, StoreRefused, "damaged"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, StoreUnavailable, "did not answer"),
        (sqlite3.SQLITE_IOERR_FSYNC, StoreUnavailable, "did not answer"),
        (sqlite3.SQLITE_MISUSE, InternalError, "OperationalError"),
    ],
)
def test_each_error_names_cause_and_cure(
    code: int, kind: type[CoordError], says: str, tmp_path: Path
) -> None:
    path = str(tmp_path / "x.db")
    for certainty in Certainty:
        error = translated(_error(code), path, certainty)
        assert type(error) is kind
        assert says in error.cause
        assert path in error.cause
        if isinstance(error, StoreError):
            assert error.certainty is certainty
            assert error.cure


@pytest.mark.parametrize(
    ("code", "busy"),
    [
        (sqlite3.SQLITE_BUSY, True),
        (sqlite3.SQLITE_BUSY_RECOVERY, True),
        (sqlite3.SQLITE_LOCKED, True),
        (sqlite3.SQLITE_PROTOCOL, True),
        (sqlite3.SQLITE_FULL, False),
        (sqlite3.SQLITE_IOERR, False),
    ],
)
def test_only_locks_are_worth_another_try(code: int, busy: bool) -> None:
    assert is_busy(_error(code)) is busy


@pytest.fixture
def link(tmp_path: Path) -> Iterator[Link]:
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        connection.execute("CREATE TABLE t (a)")
    with closing(Link(str(tmp_path / "x.db"), timeout_s=0.2, durable=True)) as opened:
        yield opened


def _rows(link: Link) -> int:
    ((count,),) = link.read("SELECT count(*) FROM t")
    return int(count)


def test_work_that_fails_leaves_nothing_behind(link: Link) -> None:
    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (1)")
        connection.execute("INSERT INTO missing VALUES (1)")

    with pytest.raises(InternalError, match="missing"):
        link.write(work)
    assert _rows(link) == 0


def test_an_interrupted_write_leaves_neither_rows_nor_a_lock(link: Link) -> None:
    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (1)")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        link.write(work)
    with closing(Link(link.path, timeout_s=0.2, durable=True)) as other:
        other.write(lambda connection: connection.execute("INSERT INTO t VALUES (2)"))
    assert _rows(link) == 1


def test_a_write_that_stays_locked_out_was_certainly_not_applied(link: Link) -> None:
    with closing(sqlite3.connect(link.path, isolation_level=None)) as rival:
        rival.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="stayed locked for") as caught:
            link.write(lambda connection: connection.execute("INSERT INTO t VALUES (1)"))
        assert caught.value.certainty is Certainty.NOT_APPLIED
        with pytest.raises(StoreUnavailable) as caught:
            link.update("INSERT INTO t VALUES (?)", (1,))
        assert caught.value.certainty is Certainty.NOT_APPLIED
        assert _rows(link) == 0
    assert link.update("INSERT INTO t VALUES (?)", (1,)) == 1


def test_work_that_changes_nothing_wakes_nobody(link: Link) -> None:
    with closing(Link(link.path, timeout_s=0.2, durable=False)) as watcher:
        before = watcher.read("PRAGMA data_version")
        link.write(lambda connection: connection.execute("UPDATE t SET a=1 WHERE a=7"))
        assert watcher.read("PRAGMA data_version") == before
        link.write(lambda connection: connection.execute("INSERT INTO t VALUES (7)"))
        assert watcher.read("PRAGMA data_version") != before


def test_a_closed_link_says_so(link: Link) -> None:
    link.close()
    with pytest.raises(StoreRefused, match="closed"):
        link.read("SELECT 1")
