"""SqlFence on real SQLite files: what is admitted, what is refused, and what is left behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from coord.errors import ConfigError, Fenced, InternalError, LeadershipLost, UsageError
from coord.fencing import SqlFence
from tests.unit.fencing.terms import FakeTerm, term

Level = Literal["DEFERRED", "IMMEDIATE", "EXCLUSIVE"] | None
Open = Callable[..., sqlite3.Connection]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Open]:
    """Opens connections to one database file with a table `journal` that every act appends to."""
    path = tmp_path / "application.db"
    opened: list[sqlite3.Connection] = []

    def connect(
        factory: type[sqlite3.Connection] = sqlite3.Connection, isolation_level: Level = "DEFERRED"
    ) -> sqlite3.Connection:
        connection: sqlite3.Connection = sqlite3.connect(
            path, timeout=0, factory=factory, isolation_level=isolation_level
        )
        opened.append(connection)
        return connection

    with connect() as setup:
        setup.execute("CREATE TABLE journal (seq INTEGER PRIMARY KEY, word TEXT)")
    yield connect
    for connection in opened:
        connection.close()


def act(
    connection: sqlite3.Connection, holder: FakeTerm, word: str, table: str = "coord_fence"
) -> None:
    with SqlFence(holder, connection, table=table) as cursor:
        cursor.execute("INSERT INTO journal (word) VALUES (?)", (word,))


def act_and_raise(connection: sqlite3.Connection, holder: FakeTerm) -> None:
    with SqlFence(holder, connection) as cursor:
        cursor.execute("INSERT INTO journal (word) VALUES ('dropped')")
        raise ZeroDivisionError


def words(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT word FROM journal ORDER BY seq")]


def register(connection: sqlite3.Connection, table: str = "coord_fence") -> list[tuple[Any, ...]]:
    query = f"SELECT role, shard, seat, generation, token FROM {table} ORDER BY role, shard, seat"  # noqa: S608
    return list(connection.execute(query))


def test_an_act_is_committed_and_remembered(database: Open) -> None:
    connection = database()
    act(connection, term(7), "first")
    assert not connection.in_transaction
    assert words(database()) == ["first"]
    assert register(database()) == [("reaper", -1, -1, 1, 0), ("reaper", 0, 0, 1, 7)]


def test_an_older_token_is_refused_after_a_newer_one_has_acted(database: Open) -> None:
    old, new = database(), database()
    act(old, term(7), "old")
    act(new, term(9), "new")
    with pytest.raises(Fenced, match="token 9 has acted already"):
        act(old, term(7), "stale")
    assert words(old) == ["old", "new"]
    assert not old.in_transaction


def test_the_same_token_acts_again_and_again(database: Open) -> None:
    connection = database()
    for word in "abc":
        act(connection, term(7), word)
    assert words(connection) == ["a", "b", "c"]


def test_a_newer_generation_closes_every_shard_of_the_older(database: Open) -> None:
    """The reshape 12 → 24: row 17 belongs to shard 5, then to shard 17. Neither may slip in."""
    connection = database()
    act(connection, term(40, shard=5), "row 17 by shard 5 of 12")
    act(connection, term(90, generation=2, shard=17), "row 17 by shard 17 of 24")
    with pytest.raises(Fenced, match="generation 2 of role 'reaper' has acted already"):
        act(connection, term(40, shard=5), "row 17 again by shard 5 of 12")
    with pytest.raises(Fenced, match="generation 2"):
        act(connection, term(41, shard=6), "a shard of 12 that has never acted")
    with pytest.raises(Fenced, match="generation 2"):
        act(connection, term(10**9, shard=5), "a larger token of the older generation")
    assert words(connection) == ["row 17 by shard 5 of 12", "row 17 by shard 17 of 24"]


def test_shards_of_a_newer_generation_start_with_any_token(database: Open) -> None:
    connection = database()
    act(connection, term(90, shard=1), "old shard 1")
    act(connection, term(50, generation=2, shard=0), "new shard 0")
    act(connection, term(60, generation=2, shard=1), "new shard 1")
    assert register(connection) == [
        ("reaper", -1, -1, 2, 0),
        ("reaper", 0, 0, 2, 50),
        ("reaper", 1, 0, 2, 60),
    ]


@pytest.mark.parametrize(
    "beside",
    [
        pytest.param(term(3, shard=1), id="shard"),
        pytest.param(term(3, seat=1), id="seat"),
        pytest.param(term(3, role="mover"), id="role"),
    ],
)
def test_tokens_of_another_scope_do_not_matter(database: Open, beside: FakeTerm) -> None:
    connection = database()
    act(connection, term(9), "nine")
    act(connection, beside, "three")
    assert words(connection) == ["nine", "three"]


def test_each_table_is_a_register_of_its_own(database: Open) -> None:
    connection = database()
    act(connection, term(9), "nine")
    act(connection, term(3), "three", table="other_fence")
    assert [row[4] for row in register(connection, "other_fence")] == [0, 3]


def test_what_the_block_raises_is_raised_and_nothing_is_left(database: Open) -> None:
    connection = database()
    act(connection, term(7), "kept")
    with pytest.raises(ZeroDivisionError):
        act_and_raise(connection, term(9))
    assert words(connection) == ["kept"]
    assert register(connection)[1] == ("reaper", 0, 0, 1, 7)
    assert not connection.in_transaction


def test_a_term_that_is_over_never_begins(database: Open) -> None:
    connection = database()
    with pytest.raises(LeadershipLost):
        act(connection, term(7, lives=0), "never")
    assert words(connection) == []
    assert not connection.in_transaction


def test_a_term_that_ended_while_waiting_for_the_lock_writes_nothing(database: Open) -> None:
    connection = database()
    with pytest.raises(LeadershipLost):
        act(connection, term(7, lives=1), "never")
    assert words(connection) == []
    assert not connection.in_transaction


def test_a_term_that_ended_during_the_work_commits_nothing(database: Open) -> None:
    connection = database()
    with pytest.raises(LeadershipLost):
        act(connection, term(7, lives=2), "undone")
    assert words(connection) == []
    assert not connection.in_transaction


@pytest.mark.parametrize("level", [None, "DEFERRED", "IMMEDIATE", "EXCLUSIVE"])
def test_every_isolation_level_is_fenced_alike(database: Open, level: Level) -> None:
    connection = database(isolation_level=level)
    act(connection, term(7), "first")
    act(connection, term(9), "second")
    with pytest.raises(Fenced):
        act(connection, term(7), "stale")
    assert words(database()) == ["first", "second"]


class ModernConnection(sqlite3.Connection):
    """The `autocommit=False` mode of Python 3.12: a deferred transaction is always open."""

    autocommit = False

    def commit(self) -> None:
        self.execute("COMMIT")
        self.execute("BEGIN DEFERRED")

    def rollback(self) -> None:
        self.execute("ROLLBACK")
        self.execute("BEGIN DEFERRED")


@pytest.fixture
def modern(database: Open) -> sqlite3.Connection:
    connection = database(factory=ModernConnection, isolation_level=None)
    connection.execute("BEGIN DEFERRED")
    return connection


def test_a_connection_that_is_always_in_a_transaction_is_fenced(
    database: Open, modern: sqlite3.Connection
) -> None:
    modern.execute("INSERT INTO journal (word) VALUES ('pending')")
    act(modern, term(7), "first")
    assert words(database()) == ["pending", "first"]
    act(database(), term(9), "newer")
    with pytest.raises(Fenced):
        act(modern, term(7), "stale")
    assert words(database()) == ["pending", "first", "newer"]


def test_a_connection_that_is_always_in_a_transaction_locks_before_it_compares(
    database: Open, modern: sqlite3.Connection
) -> None:
    act(modern, term(7), "first")
    with SqlFence(term(7), modern), pytest.raises(sqlite3.OperationalError, match="locked"):
        act(database(), term(9), "in between")


class AutocommitConnection(sqlite3.Connection):
    """The `autocommit=True` mode of Python 3.12: its commit and rollback do nothing."""

    autocommit = True

    def commit(self) -> None:
        pass

    def rollback(self) -> None:
        pass


def test_a_connection_in_autocommit_mode_is_fenced(database: Open) -> None:
    connection = database(factory=AutocommitConnection, isolation_level=None)
    act(connection, term(7), "first")
    with pytest.raises(ZeroDivisionError):
        act_and_raise(connection, term(7))
    assert words(database()) == ["first"]


def test_a_caller_s_open_transaction_is_not_committed_behind_its_back(database: Open) -> None:
    connection = database()
    connection.execute("INSERT INTO journal (word) VALUES ('unfinished')")
    with pytest.raises(UsageError, match="inside a transaction already"):
        act(connection, term(7), "act")
    connection.rollback()
    assert words(connection) == []


def test_admit_fences_a_transaction_that_the_caller_owns(database: Open) -> None:
    connection = database()
    connection.execute("BEGIN")
    cursor = connection.cursor()
    for holder in (term(7, shard=0), term(8, shard=1)):
        SqlFence(holder, connection).admit(cursor)
    connection.commit()
    connection.execute("BEGIN")
    with pytest.raises(Fenced):
        SqlFence(term(6, shard=1), connection).admit(cursor)
    connection.rollback()


def test_admit_in_a_transaction_that_read_too_early_cannot_be_fooled(database: Open) -> None:
    """Its snapshot is older than the newer act: SQLite refuses the lock, so nothing is compared."""
    old, new = database(isolation_level=None), database()
    old.execute("PRAGMA journal_mode=WAL")
    act(old, term(7), "old")
    old.execute("BEGIN DEFERRED")
    assert words(old) == ["old"]
    act(new, term(9), "new")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        SqlFence(term(7), old).admit(old.cursor())
    old.rollback()
    assert words(old) == ["old", "new"]


@pytest.mark.parametrize("how", ["commit", "rollback", "executescript"])
def test_a_block_that_ends_the_transaction_is_told(database: Open, how: str) -> None:
    connection = database()

    def end() -> None:
        if how == "executescript":
            connection.executescript("SELECT 1")
        else:
            getattr(connection, how)()

    with (
        pytest.raises(UsageError, match="ended inside the block"),
        SqlFence(term(7), connection),
    ):
        end()
    assert not connection.in_transaction


def test_a_fence_serves_one_block_at_a_time_and_many_in_turn(database: Open) -> None:
    connection = database()
    fence = SqlFence(term(7), connection)
    with fence as cursor, pytest.raises(UsageError, match="in use"):
        fence.__enter__()
    with fence as cursor:
        cursor.execute("INSERT INTO journal (word) VALUES ('second block')")
    assert words(connection) == ["second block"]


@pytest.mark.parametrize("factory", [sqlite3.Row, dict])
def test_the_caller_s_row_factory_does_not_matter(database: Open, factory: type) -> None:
    connection = database()
    connection.row_factory = (
        sqlite3.Row
        if factory is sqlite3.Row
        else lambda cursor, row: dict(zip((d[0] for d in cursor.description), row, strict=True))
    )
    act(connection, term(9), "nine")
    with pytest.raises(Fenced):
        act(connection, term(7), "stale")


def test_the_usual_act_costs_two_statements_more(database: Open) -> None:
    connection = database()
    act(connection, term(7), "first of the tenure")
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    act(connection, term(7), "another")
    connection.set_trace_callback(None)
    verbs = [statement.split()[0] for statement in statements]
    assert verbs == ["BEGIN", "UPDATE", "SELECT", "INSERT", "COMMIT"]


def test_a_register_that_forgets_what_is_written_is_reported(database: Open) -> None:
    connection = database()
    SqlFence.create_table(connection)
    connection.execute(
        "CREATE TRIGGER tidy AFTER INSERT ON coord_fence BEGIN DELETE FROM coord_fence; END"
    )
    with pytest.raises(InternalError, match="does not keep the stamp"):
        act(connection, term(7), "never")
    assert words(connection) == []


@pytest.mark.parametrize("name", ["", "a b", "x;drop table journal", 'q"uote', "1st", "a.b.c", "é"])
def test_a_table_name_that_needs_quoting_is_refused(database: Open, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot name a fence table"):
        SqlFence(term(7), database(), table=name)


def test_a_table_in_a_named_schema_works(database: Open) -> None:
    connection = database()
    act(connection, term(7), "first", table="main.my_fence")
    act(connection, term(8), "second", table="main.my_fence")
    assert [row[4] for row in register(connection, "my_fence")] == [0, 8]


def test_create_table_may_be_repeated(database: Open) -> None:
    connection = database()
    SqlFence.create_table(connection)
    act(connection, term(7), "first")
    SqlFence.create_table(connection)
    assert len(register(connection)) == 2


def test_a_fence_that_was_not_entered_cannot_be_left(database: Open) -> None:
    with pytest.raises(UsageError, match="not entered"):
        SqlFence(term(7), database()).__exit__(None, None, None)


def test_a_locked_database_is_the_driver_s_error_and_leaves_nothing_open(database: Open) -> None:
    connection, other = database(), database(isolation_level=None)
    act(connection, term(7), "first")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        act(connection, term(7), "blocked")
    other.execute("ROLLBACK")
    assert not connection.in_transaction
    act(connection, term(7), "again")
    assert words(connection) == ["first", "again"]
