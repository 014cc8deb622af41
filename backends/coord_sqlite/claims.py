"""Taking and letting go of claims, each function inside a write transaction of the caller's.

Owns the conditions under which a claim changes hands. Knows no clock and no session's life. Rules:

- Tokens come from one counter for the whole file, which nothing ever lowers, so they grow from
  holder to holder and from generation to generation whatever is released, freed or forgotten in
  between. A role's token base is none of the store's business: the core adds it.
- Whatever takes or gives a tenure compares the token, so a delayed request finds nothing.
- Statements are set-based or prepared once for many rows: the transaction holds up every other
  member of the file, so it must be short.
"""

# ruff: noqa: S608  statements are put together from constants alone

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from coord.codec import note_text
from coord.model import ClaimKey
from coord.spi import Claimed, ClaimRequest, Held, Tenure

__all__ = ["amend", "bump", "claim", "depose", "free_all", "release"]

_KEY = "role=? AND generation=? AND shard=? AND seat=?"
_TAKE_NEW = "INSERT OR IGNORE INTO claims VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_TAKE_FREE = (
    "UPDATE claims SET token=?, session=?, note=?, clean=?, rev=? "
    f"WHERE {_KEY} AND session IS NULL AND token=?"
)
_LET_GO = (
    f"UPDATE claims SET session=NULL, note=?, clean=?, rev=? WHERE {_KEY} AND session=? AND token=?"
)
_DEPOSE = (
    "UPDATE claims SET session=NULL, note=?, clean=?, rev=? "
    f"WHERE {_KEY} AND session IS NOT NULL AND token=?"
)
_AMEND = (
    "UPDATE claims SET note=?, clean=?, rev=? "
    f"WHERE {_KEY} AND session=? AND token=? AND (note<>? OR clean<>?)"
)


class _Role(NamedTuple):
    role: int
    version: int
    generation: int


def claim(
    connection: sqlite3.Connection, gid: int, session: str, requests: Sequence[ClaimRequest]
) -> list[Claimed | Held]:
    """Give each key or refuse it, by itself. The caller has checked that the session lives."""
    roles = _roles(connection, gid, {request.key.role for request in requests})
    rev = _next_rev(connection, gid)
    ((last,),) = connection.execute("SELECT last FROM tokens")
    tokens: list[int] = []
    new, free = [], []
    for number, (key, seen_token, role_version, note) in enumerate(requests, start=last + 1):
        role = roles.get(key.role)
        if role is None or (role.version, role.generation) != (role_version, key.generation):
            tokens.append(0)
            continue
        token = number
        tokens.append(token)
        text, clean = note_text(note), note.clean
        place = (role.role, key.generation, key.shard, key.seat)
        if seen_token:
            free.append((token, session, text, clean, rev, *place, seen_token))
        else:
            new.append((gid, *place, token, session, text, clean, rev))
    taken = _many(connection, _TAKE_NEW, new) + _many(connection, _TAKE_FREE, free)
    if taken:
        connection.execute("UPDATE tokens SET last=?", (last + len(requests),))
        bump(connection, gid)
    if taken == len(requests):
        return [
            Claimed(request.key, token) for request, token in zip(requests, tokens, strict=True)
        ]
    return [_answer(connection, roles, session, request) for request in requests]


def _answer(
    connection: sqlite3.Connection, roles: dict[str, _Role], session: str, request: ClaimRequest
) -> Claimed | Held:
    """What holds now: a key that was ours before counts as won, whatever its record says now."""
    role = roles.get(request.key.role)
    if role is not None:
        found = connection.execute(
            f"SELECT token FROM claims WHERE {_KEY} AND session=? AND token>=?",
            (role.role, *request.key[1:], session, request.seen_token),
        ).fetchone()
        if found is not None:
            return Claimed(request.key, found[0])
    return Held(request.key)


def release(
    connection: sqlite3.Connection, gid: int, session: str, tenures: Sequence[Tenure]
) -> None:
    """Free each tenure that is still this session's under its token, leaving its note."""
    rev = _next_rev(connection, gid)
    rows = [
        (note_text(tenure.note), tenure.note.clean, rev, *place, session, tenure.token)
        for tenure, place in _placed(connection, gid, tenures)
    ]
    if _many(connection, _LET_GO, rows):
        bump(connection, gid)


def amend(
    connection: sqlite3.Connection, gid: int, session: str, tenures: Sequence[Tenure]
) -> None:
    """Replace the note of each tenure that is still this session's under its token."""
    rev = _next_rev(connection, gid)
    rows = []
    for tenure, place in _placed(connection, gid, tenures):
        note = (note_text(tenure.note), tenure.note.clean)
        rows.append((*note, rev, *place, session, tenure.token, *note))
    if _many(connection, _AMEND, rows):
        bump(connection, gid)


def depose(connection: sqlite3.Connection, gid: int, tenure: Tenure) -> None:
    """Take one tenure away from whoever holds it, if it is still the one that is meant."""
    rev = _next_rev(connection, gid)
    rows = [
        (note_text(tenure.note), tenure.note.clean, rev, *place, tenure.token)
        for _, place in _placed(connection, gid, [tenure])
    ]
    if _many(connection, _DEPOSE, rows):
        bump(connection, gid)


def free_all(connection: sqlite3.Connection, gid: int, session: str) -> None:
    """Free everything that a session held, unclean. The caller bumps the revision."""
    connection.execute(
        "UPDATE claims SET session=NULL, clean=0, rev=? WHERE gid=? AND session=?",
        (_next_rev(connection, gid), gid, session),
    )


def bump(connection: sqlite3.Connection, gid: int) -> None:
    """Make the revision that this transaction's rows carry the group's."""
    connection.execute("UPDATE groups SET revision=revision+1 WHERE gid=?", (gid,))


def _next_rev(connection: sqlite3.Connection, gid: int) -> int:
    ((revision,),) = connection.execute("SELECT revision FROM groups WHERE gid=?", (gid,))
    return int(revision) + 1


def _roles(connection: sqlite3.Connection, gid: int, names: set[str]) -> dict[str, _Role]:
    found: dict[str, _Role] = {}
    for name in names:
        row = connection.execute(
            "SELECT role, version, generation FROM roles WHERE gid=? AND name=?",
            (gid, name),
        ).fetchone()
        if row is not None:
            found[name] = _Role(*row)
    return found


def _placed(
    connection: sqlite3.Connection, gid: int, tenures: Sequence[Tenure]
) -> Iterable[tuple[Tenure, tuple[int, int, int, int]]]:
    """Each tenure with its key in columns; those of unknown roles hold nothing."""
    roles = _roles(connection, gid, {tenure.key.role for tenure in tenures})
    for tenure in tenures:
        role = roles.get(tenure.key.role)
        if role is not None:
            yield tenure, _columns(role, tenure.key)


def _columns(role: _Role, key: ClaimKey) -> tuple[int, int, int, int]:
    return role.role, key.generation, key.shard, key.seat


def _many(connection: sqlite3.Connection, sql: str, rows: Sequence[tuple[object, ...]]) -> int:
    """Run one statement for each row; the number of rows of the table that it changed."""
    if not rows:
        return 0
    before = connection.total_changes
    connection.executemany(sql, rows)
    return connection.total_changes - before
