"""SqlFence's statements and their order for PostgreSQL and MySQL, driver by driver."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coord.errors import ConfigError, Fenced, LeadershipLost, UsageError
from coord.fencing import SqlFence
from coord.fencing.dialects import MYSQL, POSTGRESQL
from tests.unit.fencing.drivers import DRIVERS, RecordingConnection, driver
from tests.unit.fencing.terms import FakeTerm, term

POSTGRESQL_DRIVERS = ["psycopg", "psycopg2", "pg8000"]
MYSQL_DRIVERS = ["pymysql", "MySQLdb", "mysql.connector", "mariadb"]
ROW = "role = %s AND shard = %s AND seat = %s"
READ = f"SELECT generation, token FROM coord_fence WHERE {ROW}"  # noqa: S608
ADVANCE = f"UPDATE coord_fence SET token = %s WHERE {ROW} AND generation = %s AND token < %s"  # noqa: S608
RAISE = "UPDATE coord_fence SET generation = %s, token = 0 WHERE role = %s AND generation < %s"
COLUMNS = "(role, shard, seat, generation, token) VALUES (%s, %s, %s, %s, 0)"

Connect = Callable[..., RecordingConnection]


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Connect]:
    """Opens connections of any driver to one database that has the table already."""
    path = tmp_path / "backing.db"
    setup = sqlite3.connect(path)
    SqlFence.create_table(setup)
    setup.execute("CREATE TABLE journal (word TEXT)")
    setup.close()
    opened: list[RecordingConnection] = []

    def one(name: str, *, autocommit: bool = False) -> RecordingConnection:
        opened.append(driver(name, path, autocommit=autocommit))
        return opened[-1]

    yield one
    for connection in opened:
        connection.close()


def act(connection: RecordingConnection, holder: FakeTerm, word: str = "act") -> None:
    with SqlFence(holder, connection) as cursor:
        cursor.execute(f"INSERT INTO journal (word) VALUES ({connection.placeholder})", (word,))  # noqa: S608


def words(connection: RecordingConnection) -> list[str]:
    return [row[0] for row in connection.backing.execute("SELECT word FROM journal")]


def drop_table(connection: RecordingConnection) -> None:
    connection.backing.execute("DROP TABLE coord_fence")


@pytest.mark.parametrize(
    ("name", "read", "ensure"),
    [
        pytest.param(
            "psycopg",
            f"{READ} FOR SHARE",
            f"INSERT INTO coord_fence AS f {COLUMNS} "
            "ON CONFLICT (role, shard, seat) DO UPDATE SET token = f.token",
            id="postgresql",
        ),
        pytest.param(
            "pymysql",
            f"{READ} LOCK IN SHARE MODE",
            f"INSERT INTO coord_fence {COLUMNS} ON DUPLICATE KEY UPDATE token = token",
            id="mysql",
        ),
    ],
)
def test_the_first_act_moves_the_register_in_transactions_of_its_own(
    connect: Connect, name: str, read: str, ensure: str
) -> None:
    connection = connect(name)
    act(connection, term(7))
    journal = "INSERT INTO journal (word) VALUES (%s)"
    assert connection.log == [
        *(read, "ROLLBACK"),  # nothing there: let go of what the look has locked
        *(ensure, read, RAISE, ensure, "COMMIT"),  # the gate, its generation, our row
        *(read, "ROLLBACK"),  # an older token
        *(ADVANCE, "COMMIT"),
        *(read, journal, "COMMIT"),  # the work, with our row locked
    ]


@pytest.mark.parametrize("name", DRIVERS)
def test_the_usual_act_costs_one_statement_more(connect: Connect, name: str) -> None:
    connection = connect(name)
    act(connection, term(7))
    connection.log.clear()
    act(connection, term(7))
    assert [statement.split()[0] for statement in connection.log] == ["SELECT", "INSERT", "COMMIT"]


def test_a_new_tenure_takes_no_lock_that_other_shards_need(connect: Connect) -> None:
    connection = connect("psycopg")
    act(connection, term(7))
    connection.log.clear()
    act(connection, term(8))
    assert connection.log[2:4] == [ADVANCE, "COMMIT"]
    assert not any("INSERT INTO coord_fence" in statement for statement in connection.log)


@pytest.mark.parametrize("autocommit", [False, True])
@pytest.mark.parametrize("name", DRIVERS)
def test_every_driver_in_either_mode_refuses_the_older(
    connect: Connect, name: str, autocommit: bool
) -> None:
    old, new = connect(name, autocommit=autocommit), connect(name, autocommit=autocommit)
    act(old, term(7), "old")
    act(new, term(9), "new")
    with pytest.raises(Fenced):
        act(old, term(7), "stale")
    act(new, term(3, generation=2, shard=4), "newer generation")
    with pytest.raises(Fenced):
        act(new, term(9), "stale")
    assert words(old) == ["old", "new", "newer generation"]
    assert not old.open
    assert not new.open


@pytest.mark.parametrize("name", ["psycopg", "pymysql"])
def test_in_autocommit_mode_the_transaction_is_spelled_out(connect: Connect, name: str) -> None:
    connection = connect(name, autocommit=True)
    act(connection, term(7))
    connection.log.clear()
    act(connection, term(7))
    assert connection.log[0] in {"BEGIN", "START TRANSACTION"}
    assert connection.log[-1] == "COMMIT"


@pytest.mark.parametrize("name", DRIVERS)
def test_a_term_that_ended_during_the_work_is_rolled_back(connect: Connect, name: str) -> None:
    connection = connect(name)
    act(connection, term(7))
    with pytest.raises(LeadershipLost):
        act(connection, term(7, lives=2), "undone")
    assert words(connection) == ["act"]
    assert connection.log[-1] == "ROLLBACK"


@pytest.mark.parametrize("name", ["psycopg", "psycopg2", "pymysql", "mysql.connector", "mariadb"])
def test_a_transaction_that_the_driver_shows_is_not_committed_for_its_owner(
    connect: Connect, name: str
) -> None:
    connection = connect(name)
    connection.cursor().execute("INSERT INTO journal (word) VALUES ('unfinished')")
    with pytest.raises(UsageError, match="inside a transaction already"):
        act(connection, term(7))
    connection.rollback()
    assert words(connection) == []


@pytest.mark.parametrize("name", POSTGRESQL_DRIVERS)
def test_postgresql_makes_the_table_on_first_use(connect: Connect, name: str) -> None:
    connection = connect(name)
    drop_table(connection)
    act(connection, term(7))
    assert words(connection) == ["act"]
    position = connection.log.index(POSTGRESQL.statements("coord_fence").create)
    assert connection.log[position - 1 : position + 2][::2] == ["ROLLBACK", "COMMIT"]


@pytest.mark.parametrize("name", MYSQL_DRIVERS)
def test_mysql_asks_for_the_table_and_names_the_cure(connect: Connect, name: str) -> None:
    connection = connect(name)
    drop_table(connection)
    with pytest.raises(UsageError, match="there is no fence table coord_fence") as caught:
        act(connection, term(7))
    assert "create_table" in caught.value.cure
    assert words(connection) == []
    SqlFence.create_table(connection)
    act(connection, term(7))
    assert words(connection) == ["act"]


def test_a_table_that_may_not_be_created_is_reported_with_its_cure(connect: Connect) -> None:
    connection = connect("psycopg")
    drop_table(connection)
    refuse(connection, "CREATE TABLE", times=2)
    with pytest.raises(UsageError, match="there is no fence table") as caught:
        act(connection, term(7))
    assert caught.value.__cause__ is not None
    assert not connection.open


@pytest.mark.parametrize("explicitly", [True, False])
def test_two_that_create_the_table_at_once_both_find_it(connect: Connect, explicitly: bool) -> None:
    connection = connect("psycopg")
    drop_table(connection)
    refuse(connection, "CREATE TABLE", times=1)
    if explicitly:
        SqlFence.create_table(connection)
    act(connection, term(7))
    assert words(connection) == ["act"]


def refuse(connection: RecordingConnection, start: str, *, times: int) -> None:
    """Make the first statements that start so fail."""
    run = connection.run
    left = [times]

    def refusing(cursor: sqlite3.Cursor, operation: str, parameters: Any) -> None:  # noqa: ANN401
        if operation.startswith(start) and left[0]:
            left[0] -= 1
            raise RuntimeError("refused")
        run(cursor, operation, parameters)

    connection.run = refusing  # type: ignore[method-assign]


@pytest.mark.parametrize("name", ["psycopg", "pymysql"])
def test_admit_moves_the_register_inside_the_caller_s_transaction(
    connect: Connect, name: str
) -> None:
    connection = connect(name)
    SqlFence(term(7), connection).admit(connection.cursor())
    assert connection.open
    assert not {"COMMIT", "ROLLBACK"} & set(connection.log)


def test_admit_without_a_table_names_the_cure(connect: Connect) -> None:
    connection = connect("psycopg")
    drop_table(connection)
    with pytest.raises(UsageError, match="there is no fence table"):
        SqlFence(term(7), connection).admit(connection.cursor())


def test_a_lost_connection_does_not_hide_why_the_block_failed(connect: Connect) -> None:
    connection = connect("psycopg")

    def lost() -> None:
        raise ConnectionError("server closed the connection")

    connection.rollback = lost  # type: ignore[method-assign]
    fence = SqlFence(term(7), connection)
    act(connect("psycopg"), term(7))
    with pytest.raises(ZeroDivisionError) as caught, fence:
        raise ZeroDivisionError
    assert "the rollback failed" in caught.value.__notes__[0]


class AsyncConnection:
    """As asyncpg's and psycopg's asynchronous connections: the answers are awaited."""

    def cursor(self) -> object:
        return object()

    async def commit(self) -> None:
        """Never reached."""

    async def rollback(self) -> None:
        """Never reached."""


class Wrapped:
    """A pool's or framework's connection: DB-API, of a class that no driver made."""

    def __init__(self, inner: RecordingConnection) -> None:
        self.cursor = inner.cursor
        self.commit = inner.commit
        self.rollback = inner.rollback


@pytest.mark.parametrize("connection", [AsyncConnection(), object()], ids=["async", "not-dbapi"])
def test_what_is_not_a_db_api_connection_is_refused(connection: Any) -> None:  # noqa: ANN401
    with pytest.raises(ConfigError, match="is not a DB-API connection") as caught:
        SqlFence(term(7), connection)
    assert "psycopg" in caught.value.cure


def test_a_wrapper_needs_to_be_told_the_dialect(connect: Connect) -> None:
    wrapped = Wrapped(connect("psycopg"))
    with pytest.raises(ConfigError, match="does not know the driver") as caught:
        SqlFence(term(7), wrapped)
    assert "dialect=" in caught.value.cure
    with SqlFence(term(7), wrapped, dialect="postgresql") as cursor:
        cursor.execute("INSERT INTO journal (word) VALUES ('wrapped')")


def test_a_dialect_with_another_placeholder_can_be_handed_over(connect: Connect) -> None:
    wrapped = Wrapped(connect("mariadb"))
    with SqlFence(term(7), wrapped, dialect=MYSQL.with_placeholder("?")) as cursor:
        cursor.execute("INSERT INTO journal (word) VALUES (?)", ("wrapped",))


def test_unknown_dialects_and_placeholders_are_refused(connect: Connect) -> None:
    with pytest.raises(ConfigError, match="no dialect 'oracle'"):
        SqlFence(term(7), connect("psycopg"), dialect="oracle")
    with pytest.raises(ConfigError, match="not a placeholder"):
        MYSQL.with_placeholder(":1")


def test_the_table_s_statement_is_there_for_migrations() -> None:
    assert SqlFence.ddl("mysql") == (
        "CREATE TABLE IF NOT EXISTS coord_fence ("
        "role VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, "
        "shard INTEGER NOT NULL, seat INTEGER NOT NULL, generation BIGINT NOT NULL, "
        "token BIGINT NOT NULL, PRIMARY KEY (role, shard, seat)) ENGINE=InnoDB"
    )
    assert SqlFence.ddl("postgresql", table="app.fence").startswith(
        "CREATE TABLE IF NOT EXISTS app.fence (role VARCHAR(128) NOT NULL, "
    )
