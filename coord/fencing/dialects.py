"""The SQL that `SqlFence` speaks, database by database, and how a connection is recognised.

Owns statement texts, lock clauses, table definitions and driver names. Runs nothing and decides
nothing.

The register is one table. A row (role, shard, seat) holds the last (generation, token) of that
scope; the row (role, −1, −1) holds the role's generation and is the *gate*: whoever raises the
generation or adds a scope holds it. All rows of a role carry the gate's generation, because raising
it raises them all in one statement. So an ordinary act needs to read only its own row.

Locks: an act holds its own row *shared* until it commits, so acts of one term may run beside each
other and acts of other shards are never in the way, while the successor, who must change that row,
waits until the act has committed or rolled back. SQLite has one writer at a time and needs no lock
clause.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from inspect import iscoroutinefunction
from typing import Any, NamedTuple

from coord.errors import ConfigError

__all__ = [
    "DIALECTS",
    "MYSQL",
    "POSTGRESQL",
    "SQLITE",
    "Dialect",
    "Statements",
    "checked_table",
    "dialect_named",
    "dialect_of",
]

_TABLE = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_]{0,62}\.)?[A-Za-z_][A-Za-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one kind of database is spoken to, through drivers with one kind of placeholder.

    `prepares_apart`: the register is moved in short transactions of their own before the caller's
    begins, because the row locks of doing so must not be held while user code runs.
    `creates_table`: the table may be made on first use, because DDL commits nothing else.
    """

    name: str
    placeholder: str
    begin: str
    share: str
    target: str
    keep: str
    role_type: str
    table_options: str
    prepares_apart: bool
    creates_table: bool
    missing_table: str

    def with_placeholder(self, placeholder: str) -> Dialect:
        """The same dialect for a driver that wants "?" or "%s". Raises ConfigError for others."""
        if placeholder not in {"?", "%s"}:
            raise ConfigError(
                f"{placeholder!r} is not a placeholder that SqlFence can use",
                cure='Use "?" (qmark) or "%s" (format, pyformat).',
            )
        return replace(self, placeholder=placeholder)

    def statements(self, table: str) -> Statements:
        """All statements for one table. Raises ConfigError for a name that needs quoting."""
        return _statements(self, table)

    def is_missing_table(self, error: Exception) -> bool:
        """Whether a driver's error says that the table of the statement does not exist."""
        return self.missing_table in _codes(error)


class Statements(NamedTuple):
    """The statements of one dialect for one table; positional parameters in the order shown."""

    create: str  # the table, unless it exists
    read: str  # role, shard, seat → generation, token; locks the row
    ensure: str  # role, shard, seat, generation: the row exists, and is ours until we commit
    advance: str  # token, role, shard, seat, generation, token: move to a newer token
    raise_role: str  # generation, role, generation: close the older generations of a role
    touch: str  # changes nothing, takes the write lock (SQLite)


SQLITE = Dialect(
    name="sqlite",
    placeholder="?",
    begin="BEGIN IMMEDIATE",
    share="",
    target="{table} AS f",
    keep="ON CONFLICT (role, shard, seat) DO UPDATE SET token = f.token",
    role_type="TEXT",
    table_options=" WITHOUT ROWID",
    prepares_apart=False,
    creates_table=True,
    missing_table="no such table",
)
POSTGRESQL = Dialect(
    name="postgresql",
    placeholder="%s",
    begin="BEGIN",
    share=" FOR SHARE",
    target="{table} AS f",
    keep="ON CONFLICT (role, shard, seat) DO UPDATE SET token = f.token",
    role_type="VARCHAR(128)",
    table_options="",
    prepares_apart=True,
    creates_table=True,
    missing_table="42P01",
)
# LOCK IN SHARE MODE: MySQL 5.7 to 9 and MariaDB know it, FOR SHARE only MySQL 8 and later. ON
# DUPLICATE KEY takes an exclusive lock on the row that is there; INSERT IGNORE takes a shared one,
# and two that hold it and go on to change the row would deadlock. ascii_bin: names differ by case.
MYSQL = Dialect(
    name="mysql",
    placeholder="%s",
    begin="START TRANSACTION",
    share=" LOCK IN SHARE MODE",
    target="{table}",
    keep="ON DUPLICATE KEY UPDATE token = token",
    role_type="VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin",
    table_options=" ENGINE=InnoDB",
    prepares_apart=True,
    creates_table=False,
    missing_table="1146",
)

DIALECTS: Mapping[str, Dialect] = {d.name: d for d in (SQLITE, POSTGRESQL, MYSQL)}

# The first package of the module that defines the connection's class, and what it speaks.
_DRIVERS: Mapping[str, Dialect] = {
    "sqlite3": SQLITE,
    "pysqlite3": SQLITE,
    "sqlcipher3": SQLITE,
    "psycopg": POSTGRESQL,
    "psycopg2": POSTGRESQL,
    "pg8000": POSTGRESQL,
    "pymysql": MYSQL,
    "MySQLdb": MYSQL,
    "mysql": MYSQL,
    "mariadb": MYSQL.with_placeholder("?"),
}


def dialect_named(asked: str | Dialect) -> Dialect:
    """The dialect itself, or the one of that name. Raises ConfigError for unknown names."""
    if isinstance(asked, Dialect):
        return asked
    if asked not in DIALECTS:
        raise ConfigError(
            f"there is no dialect {asked!r}", cure=f"Use one of {', '.join(sorted(DIALECTS))}."
        )
    return DIALECTS[asked]


def checked_table(table: str, kind: str = "fence") -> str:
    """Return `table` if it may name one and needs no quoting; raise ConfigError else."""
    if not _TABLE.fullmatch(table):
        raise ConfigError(
            f"{table!r} cannot name a {kind} table",
            cure="Use letters, digits and _ (63 at most), with a schema before a dot if need be.",
        )
    return table


def dialect_of(
    connection: object, asked: str | Dialect | None, *, user: str = "SqlFence"
) -> Dialect:
    """The dialect that was asked for, or the one that the connection's driver speaks.

    `user`: who asks, for the errors.

    Raises ConfigError for connections that await their answers, for unknown drivers, unknown names.
    """
    needed = [getattr(connection, name, None) for name in ("cursor", "commit", "rollback")]
    if not all(map(callable, needed)) or any(map(iscoroutinefunction, needed)):
        raise ConfigError(
            f"{_described(connection)} is not a DB-API connection",
            cure=f"{user} needs cursor(), commit() and rollback() that return when they are done "
            "(sqlite3, psycopg, pymysql …); asyncio code runs it in a thread.",
        )
    if asked is not None:
        return dialect_named(asked)
    for base in type(connection).__mro__:
        found = _DRIVERS.get(base.__module__.partition(".")[0])
        if found is not None:
            return found
    raise ConfigError(
        f"{user} does not know the driver of {_described(connection)}",
        cure=f"Pass dialect=, one of {', '.join(sorted(DIALECTS))}, or hand over the driver's own "
        "connection instead of a wrapper.",
    )


def _described(connection: object) -> str:
    kind = type(connection)
    return f"{kind.__module__}.{kind.__qualname__}"


def _codes(error: Exception) -> set[str]:
    """What drivers say about an error, each in its own place: SQLSTATE, number, first words."""
    first: Any = error.args[0] if error.args else None
    found = {getattr(error, name, None) for name in ("sqlstate", "pgcode", "errno")}
    if isinstance(first, dict):  # pg8000
        found.add(first.get("C"))
    elif isinstance(first, int | str):
        found.add(str(first).partition(":")[0])
    return {str(code) for code in found}


_ROW = "role = ? AND shard = ? AND seat = ?"
_TEMPLATES = Statements(
    create="CREATE TABLE IF NOT EXISTS {table} (role {role_type} NOT NULL, "
    "shard INTEGER NOT NULL, seat INTEGER NOT NULL, generation BIGINT NOT NULL, "
    "token BIGINT NOT NULL, PRIMARY KEY (role, shard, seat)){table_options}",
    read="SELECT generation, token FROM {table} WHERE {row}{share}",
    ensure="INSERT INTO {target} (role, shard, seat, generation, token) "
    "VALUES (?, ?, ?, ?, 0) {keep}",
    advance="UPDATE {table} SET token = ? WHERE {row} AND generation = ? AND token < ?",
    raise_role="UPDATE {table} SET generation = ?, token = 0 WHERE role = ? AND generation < ?",
    touch="UPDATE {table} SET token = token WHERE role IS NULL",
)


@lru_cache(maxsize=64)
def _statements(dialect: Dialect, table: str) -> Statements:
    parts = {
        "table": checked_table(table),
        "row": _ROW,
        "target": dialect.target.replace("{table}", table),
        "role_type": dialect.role_type,
        "table_options": dialect.table_options,
        "share": dialect.share,
        "keep": dialect.keep,
    }
    texts = (text.format_map(parts) for text in _TEMPLATES)
    return Statements(*(text.replace("?", dialect.placeholder) for text in texts))
