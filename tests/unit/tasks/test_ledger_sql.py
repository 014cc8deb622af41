"""`SqlOnce`: effect and record in one transaction, on SQLite and as other drivers are told."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal

import pytest

from coord.errors import ConfigError, PayloadMismatch, UsageError
from coord.tasks.ledger.sql import SqlOnce
from tests.unit.fencing.drivers import DRIVERS, RecordingCursor, driver


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "app.db"
    with closing(sqlite3.connect(found)) as connection, connection:
        connection.execute("CREATE TABLE charges (amount INTEGER)")
    return found


@pytest.fixture(params=["autocommit", "deferred"])
def connection(request: pytest.FixtureRequest, path: Path) -> Iterator[sqlite3.Connection]:
    level: Literal["DEFERRED"] | None = None if request.param == "autocommit" else "DEFERRED"
    with closing(sqlite3.connect(path, timeout=30, isolation_level=level)) as found:
        yield found


def _charge(cursor: sqlite3.Cursor) -> dict[str, int]:
    cursor.execute("INSERT INTO charges VALUES (3)")
    return {"amount": 3}


def _charges(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM charges").fetchall()
    return int(count)


def test_the_effect_is_there_once_and_its_result_is_given_to_all(
    connection: sqlite3.Connection, path: Path
) -> None:
    for _ in range(3):
        assert SqlOnce(connection).run("invoice/17", _charge) == {"amount": 3}
    assert _charges(path) == 1
    assert not connection.in_transaction
    assert SqlOnce(connection).run("invoice/18", _charge) == {"amount": 3}
    assert _charges(path) == 2


def test_an_effect_whose_work_fails_is_not_there(
    connection: sqlite3.Connection, path: Path
) -> None:
    def fails(cursor: sqlite3.Cursor) -> None:
        _charge(cursor)
        raise ValueError("late")

    once = SqlOnce(connection)
    with pytest.raises(ValueError, match="late"):
        once.run("k", fails)
    with pytest.raises(UsageError, match="no JSON"):
        once.run("k", lambda cursor: (_charge(cursor), object()))
    assert _charges(path) == 0
    assert once.run("k", _charge) == {"amount": 3}
    assert _charges(path) == 1


def test_of_many_at_once_one_does_it(path: Path) -> None:
    results: list[object] = []

    def work() -> None:
        with closing(sqlite3.connect(path, timeout=60)) as mine:
            results.extend(SqlOnce(mine).run(f"k{n}", _charge) for n in range(10))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [{"amount": 3}] * 40
    assert _charges(path) == 10


def test_another_payload_is_refused(connection: sqlite3.Connection, path: Path) -> None:
    once = SqlOnce(connection)
    once.run("k", _charge, payload={"a": 1})
    with pytest.raises(PayloadMismatch):
        once.run("k", _charge, payload={"a": 2})
    assert once.run("k", _charge, payload={"a": 1}) == {"amount": 3}
    assert _charges(path) == 1


def test_inside_a_transaction_of_the_callers_it_ends_with_that(
    connection: sqlite3.Connection, path: Path
) -> None:
    once = SqlOnce(connection)
    SqlOnce.create_table(connection)
    for end, count in ((connection.rollback, 0), (connection.commit, 1), (connection.commit, 1)):
        cursor = connection.cursor()
        cursor.execute("BEGIN")
        assert once.run_in(cursor, "k", _charge) == {"amount": 3}
        with pytest.raises(UsageError, match=r"SqlOnce\.run_in"):
            once.run("other", _charge)
        end()
        assert _charges(path) == count


def test_what_was_committed_without_a_result_counts_as_not_done(
    connection: sqlite3.Connection, path: Path
) -> None:
    def fails(_cursor: sqlite3.Cursor) -> None:
        raise ValueError("swallowed")

    once = SqlOnce(connection)
    SqlOnce.create_table(connection)
    cursor = connection.cursor()
    cursor.execute("BEGIN")
    with pytest.raises(ValueError, match="swallowed"):
        once.run_in(cursor, "k", fails, payload=1)
    connection.commit()
    assert once.run("k", _charge, payload=2) == {"amount": 3}
    assert _charges(path) == 1


def test_what_is_old_is_forgotten_only_when_asked(
    connection: sqlite3.Connection, path: Path
) -> None:
    once = SqlOnce(connection)
    once.run("k", _charge)
    once.sweep(older_than_s=60)
    once.run("k", _charge)
    assert _charges(path) == 1
    once.sweep(older_than_s=-60)
    once.run("k", _charge)
    assert _charges(path) == 2


def test_what_cannot_be_is_refused(connection: sqlite3.Connection) -> None:
    with pytest.raises(ConfigError, match="ledger table"):
        SqlOnce(connection, table="a b")
    with pytest.raises(ConfigError, match="SqlOnce needs"):
        SqlOnce(object())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="key"):
        SqlOnce(connection).run("", _charge)


@pytest.mark.parametrize(
    ("dialect", "words"),
    [
        ("sqlite", ["work TEXT NOT NULL PRIMARY KEY", "WITHOUT ROWID"]),
        ("postgresql", ["work VARCHAR(512) NOT NULL PRIMARY KEY"]),
        ("mysql", ["work VARBINARY(512) NOT NULL PRIMARY KEY", "ENGINE=InnoDB", "LONGTEXT"]),
    ],
)
def test_each_database_is_told_in_its_own_words(dialect: str, words: list[str]) -> None:
    text = SqlOnce.ddl(dialect, table="app.once")
    assert text.startswith("CREATE TABLE IF NOT EXISTS app.once (")
    assert all(word in text for word in words), text


@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize("name", DRIVERS)
def test_each_driver_is_driven_in_its_own_manner(path: Path, name: str, autocommit: bool) -> None:
    """Imitated drivers: placeholders, transactions, autocommit modes, how a table is missed."""
    connection = driver(name, path, autocommit=autocommit)
    mysql = "my" in name.lower() or name == "mariadb"

    def charge(cursor: RecordingCursor) -> dict[str, int]:
        cursor.execute("INSERT INTO charges VALUES (3)")
        return {"amount": 3}

    once = SqlOnce(connection)
    if mysql:
        with pytest.raises(UsageError, match="create_table"):
            once.run("k", charge)
        SqlOnce.create_table(connection)
    connection.log.clear()
    for _ in range(2):
        assert once.run("k", charge, payload=1) == {"amount": 3}
        assert not connection.open
    assert _charges(path) == 1
    read = next(text for text in connection.log if text.startswith("SELECT run"))
    assert read.endswith(" LOCK IN SHARE MODE" if mysql else " FOR SHARE")
    assert [text for text in connection.log if text in {"COMMIT", "ROLLBACK"}][-2:] == [
        "COMMIT"
    ] * 2
    connection.close()
