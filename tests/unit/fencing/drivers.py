"""Connections that behave like PostgreSQL's and MySQL's drivers, and record what they are told.

Each driver's manners are its own: the placeholder it accepts, whether it begins by itself, where it
shows its autocommit mode and its open transaction, and how it says that a table is missing. Behind
them stands SQLite, so that statements have real effects; its locks are not those of the databases
imitated, which is why the order of statements is recorded and compared.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

__all__ = ["DRIVERS", "RecordingConnection", "RecordingCursor", "driver"]

_TO_SQLITE = (
    (" FOR SHARE", ""),
    (" LOCK IN SHARE MODE", ""),
    ("START TRANSACTION", "BEGIN"),
    (
        "ON DUPLICATE KEY UPDATE token = token",
        "ON CONFLICT (role, shard, seat) DO UPDATE SET token = coord_fence.token",
    ),
    ("ON DUPLICATE KEY UPDATE run = run", "ON CONFLICT (work) DO NOTHING"),
    (" CHARACTER SET ascii COLLATE ascii_bin", ""),
    (" ENGINE=InnoDB", ""),
)


class DriverError(Exception):
    """What a driver raises; each subclass carries the error's code in its own place."""


class RecordingCursor:
    def __init__(self, connection: RecordingConnection) -> None:
        self._connection = connection
        self._cursor = connection.backing.cursor()
        self.closed = False

    def execute(self, operation: str, parameters: Sequence[Any] = (), /) -> None:
        self._connection.run(self._cursor, operation, parameters)

    def fetchone(self) -> Any:  # noqa: ANN401 - as in every driver
        return self._cursor.fetchone()

    def close(self) -> None:
        self._cursor.close()
        self.closed = True


class RecordingConnection:
    """The manners that all drivers share. `log` holds statements, COMMIT and ROLLBACK in order."""

    placeholder: ClassVar[str] = "%s"
    implicit: bool = True  # begins before the first statement
    missing: ClassVar[dict[str, Any]] = {}

    def __init__(self, path: Path, *, autocommit: bool = False) -> None:
        self.backing = sqlite3.connect(path, isolation_level=None, timeout=5)
        self.log: list[str] = []
        self.implicit = not autocommit
        self.set_mode(autocommit=autocommit)

    def set_mode(self, *, autocommit: bool) -> None:
        """Show the mode where this driver shows it."""

    @property
    def open(self) -> bool:
        return self.backing.in_transaction

    def cursor(self) -> RecordingCursor:
        return RecordingCursor(self)

    def commit(self) -> None:
        self._end("COMMIT")

    def rollback(self) -> None:
        self._end("ROLLBACK")

    def close(self) -> None:
        self.backing.close()

    def run(self, cursor: sqlite3.Cursor, operation: str, parameters: Sequence[Any]) -> None:
        other = "%s" if self.placeholder == "?" else "?"
        if other in operation or operation.count(self.placeholder) != len(parameters):
            raise DriverError(f"{operation!r} does not take {parameters!r} here")
        if self.implicit and not self.open:
            self.backing.execute("BEGIN")
        self.log.append(operation)
        text = operation.replace("%s", "?")
        for theirs, ours in _TO_SQLITE:
            text = text.replace(theirs, ours)
        try:
            cursor.execute(text, parameters)
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            raise self.missing_table() from error

    def missing_table(self) -> DriverError:
        error = DriverError(*self.missing.get("args", ("no table",)))
        for name, value in self.missing.items():
            if name != "args":
                setattr(error, name, value)
        return error

    def _end(self, statement: str) -> None:
        if self.implicit:  # the autocommit mode of several drivers makes their methods do nothing
            self.log.append(statement)
            if self.open:
                self.backing.execute(statement)


class Psycopg(RecordingConnection):
    missing: ClassVar[dict[str, Any]] = {"sqlstate": "42P01"}

    def set_mode(self, *, autocommit: bool) -> None:
        self.autocommit = autocommit

    @property
    def info(self) -> SimpleNamespace:
        return SimpleNamespace(transaction_status=2 if self.open else 0)


class Psycopg2(Psycopg):
    missing: ClassVar[dict[str, Any]] = {"pgcode": "42P01"}


class Pg8000(RecordingConnection):
    missing: ClassVar[dict[str, Any]] = {"args": ({"S": "ERROR", "C": "42P01"},)}

    def set_mode(self, *, autocommit: bool) -> None:
        self.autocommit = autocommit


class MySQLdb(RecordingConnection):
    missing: ClassVar[dict[str, Any]] = {"args": (1146, "Table 'app.coord_fence' doesn't exist")}

    def autocommit(self, on: bool) -> None:
        self.implicit = not on

    def get_autocommit(self) -> bool:
        return not self.implicit


class PyMySQL(MySQLdb):
    @property
    def server_status(self) -> int:
        return 3 if self.open else 2


class MySQLConnector(RecordingConnection):
    missing: ClassVar[dict[str, Any]] = {"errno": 1146, "args": (1146, "1146 (42S02): no", "42S02")}

    def set_mode(self, *, autocommit: bool) -> None:
        self.autocommit = autocommit

    @property
    def in_transaction(self) -> bool:
        return self.open


class MariaDB(MySQLConnector):
    placeholder: ClassVar[str] = "?"


DRIVERS: dict[str, tuple[type[RecordingConnection], str]] = {
    "psycopg": (Psycopg, "psycopg"),
    "psycopg2": (Psycopg2, "psycopg2.extensions"),
    "pg8000": (Pg8000, "pg8000.dbapi"),
    "pymysql": (PyMySQL, "pymysql.connections"),
    "MySQLdb": (MySQLdb, "MySQLdb.connections"),
    "mysql.connector": (MySQLConnector, "mysql.connector.connection"),
    "mariadb": (MariaDB, "mariadb.connections"),
}


def driver(name: str, path: Path, *, autocommit: bool = False) -> RecordingConnection:
    """A connection of a class that says it is the driver's own."""
    manners, module = DRIVERS[name]
    own = type("Connection", (manners,), {"__module__": module})
    connection: RecordingConnection = own(path, autocommit=autocommit)
    return connection
