"""The ledger's records in a SQLite file of coord's own: `coord.tasks.spi.LedgerStore`.

Owns one table. How the file is reached, what is refused, how locks are waited for, is as for the
store (`access`, `link`). Rules:

- A tag is a row's number, which AUTOINCREMENT gives out once: each write makes a new row of the
  old, so a tag that is gone never comes back (`tags_are_never_used_again_after_a_removal`).
- A write is synced to the disk before it is acknowledged: what a power loss took back would be
  begun again.
- Garbage goes a few rows at a time, in the transaction of whoever writes.
- Reading a file that is not there shows no records, and makes none. The file may be the store's:
  the table is added to it. But then each record that is written makes heartbeats wait (some ms) and
  watchers look, so ledgers that are written often should have a file of their own.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Mapping, Sequence

from coord.clock import SYSTEM_CLOCK, Clock
from coord.errors import StoreConflict
from coord.model import checked_name
from coord.spi import Probe
from coord.tasks.spi import (
    Entry,
    LedgerGuarantees,
    checked_body,
    checked_keep,
    checked_key,
)
from coord_sqlite.access import Access
from coord_sqlite.life import Observer
from coord_sqlite.place import Place, place_of, this_process
from coord_sqlite.probe import findings, findings_before
from coord_sqlite.url import parsed

__all__ = ["SqliteLedger"]

GUARANTEES = LedgerGuarantees(kind="sqlite", shares_transaction=True)

_SWEPT = 8
_KEYS_A_READ = 500
_TABLE = """
CREATE TABLE IF NOT EXISTS ledger (
  tag INTEGER PRIMARY KEY AUTOINCREMENT, grp TEXT NOT NULL, key TEXT NOT NULL,
  expires INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (grp, key)
)
"""
_INDEX = "CREATE INDEX IF NOT EXISTS ledger_by_expiry ON ledger (expires)"
_THERE = "SELECT count(*) FROM sqlite_master WHERE type='table' AND name='ledger'"
_FIND = "SELECT tag FROM ledger WHERE grp=? AND key=?"
_WRITE = "INSERT OR REPLACE INTO ledger (grp, key, expires, body) VALUES (?, ?, ?, ?)"
_SWEEP = (
    "DELETE FROM ledger WHERE tag IN (SELECT tag FROM ledger WHERE expires < ? "
    "ORDER BY expires LIMIT ?)"
)


class SqliteLedger:
    """Records in a file, for the processes of one machine. Any thread; not in a forked child.

    `timeout_s` bounds every call. The file is made by the first write.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        group: str = "default",
        clock: Clock = SYSTEM_CLOCK,
        timeout_s: float = 1.0,
        place: Place | None = None,
    ) -> None:
        self.path = os.path.realpath(path)
        self._group = checked_name("group", group)
        self._observer = Observer(clock, place or place_of(clock), this_process())
        self._access = Access(self.path, self._observer, timeout_s=timeout_s)
        self._made = False
        self._access.check()

    @classmethod
    def from_url(cls, url: str, *, clock: Clock = SYSTEM_CLOCK, timeout_s: float) -> SqliteLedger:
        """Open `sqlite:///file.db?group=NAME`. Raises `ConfigError` and `StoreRefused`."""
        target = parsed(url)
        place = place_of(clock, machine=target.machine)
        return cls(target.path, group=target.group, clock=clock, timeout_s=timeout_s, place=place)

    @property
    def guarantees(self) -> LedgerGuarantees:
        """What this store declares about itself."""
        return GUARANTEES

    def read(self, keys: Sequence[str]) -> Mapping[str, Entry]:
        """The records of those keys that have one: one statement for 500 keys."""
        wanted = [checked_key(key) for key in keys]
        self._access.check_usable()
        if not self._is_made():
            return {}
        found: dict[str, Entry] = {}
        for start in range(0, len(wanted), _KEYS_A_READ):
            part = wanted[start : start + _KEYS_A_READ]
            rows = self._access.reader().read(
                "SELECT key, tag, body FROM ledger WHERE grp=? AND key IN "  # noqa: S608
                f"({','.join('?' * len(part))})",
                (self._group, *part),
            )
            found.update((key, Entry(str(tag), body)) for key, tag, body in rows)
        return found

    def write(self, key: str, body: bytes, *, expect: str | None, keep_s: float) -> str:
        """Write one record if its tag is still `expect`; makes file and table if need be."""
        checked_body(checked_key(key), body, GUARANTEES)
        now_s = int(time.time())  # noqa: TID251  garbage only; nothing is decided by it
        expires = now_s + int(checked_keep(keep_s)) + 1

        def work(connection: sqlite3.Connection) -> str:
            if not self._made:
                connection.execute(_TABLE)
                connection.execute(_INDEX)
            row = connection.execute(_FIND, (self._group, key)).fetchone()
            tag = str(row[0]) if row else None
            if tag != expect:
                raise StoreConflict(
                    f"the record of {key!r} is at {tag}, not {expect}",
                    cure="Read it again and decide anew.",
                )
            cursor = connection.execute(_WRITE, (self._group, key, expires, body))
            connection.execute(_SWEEP, (now_s, _SWEPT))
            return str(cursor.lastrowid)

        tag = self._access.writer(create=True).write(work)
        self._made = True
        return tag

    def probe(self) -> list[Probe]:
        """File, filesystem, space, clock, journal, locks, round trips, and how many records."""
        self._access.check_usable()
        if not self._access.exists:
            return findings_before(self.path, self._observer)
        found = findings(self._access.writer(), self._observer, self._group)
        count = 0
        if self._is_made():
            sql = "SELECT count(*) FROM ledger WHERE grp=?"
            ((count,),) = self._access.reader().read(sql, (self._group,))
        return [*found, Probe(name="records", ok=True, value=f"{count} in group {self._group}")]

    def close(self) -> None:
        """Close connections. Idempotent."""
        self._access.close()

    def _is_made(self) -> bool:
        """Whether the table is there; once it is, it stays."""
        if not self._made and self._access.exists:
            ((count,),) = self._access.reader().read(_THERE)
            self._made = bool(count)
        return self._made
