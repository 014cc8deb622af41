"""The reference ledger store: `coord.tasks.spi.LedgerStore` in memory, for tests and `memory://`.

Owns records by name and group, for one process. Garbage goes when the clock says so and somebody
writes; `MemoryLedger.remove` takes a record away at once, as another store's garbage removal would.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from itertools import count
from typing import NamedTuple
from urllib.parse import urlsplit

from coord.clock import SYSTEM_CLOCK, Clock
from coord.errors import ConfigError, StoreConflict, StoreRefused
from coord.model import checked_name
from coord.spi import Probe
from coord.tasks.spi import (
    Entry,
    LedgerGuarantees,
    checked_body,
    checked_keep,
    checked_key,
)

__all__ = ["MemoryLedger", "MemoryRecords"]

_SWEPT = 8


class _Kept(NamedTuple):
    entry: Entry
    until_s: float


class MemoryRecords:
    """What outlives handles: the records of one group, and the one counter of tags."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self.clock = clock
        self.lock = threading.Lock()
        self.kept: dict[str, _Kept] = {}
        self.tags = count(1)

    def sweep(self) -> None:
        """Remove some garbage, oldest first. Called with the lock held."""
        now_s = self.clock.now()
        for key in [key for key, _ in zip(self.kept, range(_SWEPT), strict=False)]:
            if self.kept[key].until_s <= now_s:
                del self.kept[key]


class MemoryLedger:
    """A handle on records in memory. Implements `coord.tasks.spi.LedgerStore`; any thread."""

    def __init__(self, records: MemoryRecords | None = None) -> None:
        self.records = MemoryRecords() if records is None else records
        self._closed = False

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        clock: Clock = SYSTEM_CLOCK,
        timeout_s: float,  # noqa: ARG003  nothing here takes long enough to need it
    ) -> MemoryLedger:
        """Open `memory://NAME[/GROUP]`; equal names in one process are one ledger.

        It runs on the clock of whoever opens the name first.
        """
        parts = urlsplit(url)
        if parts.scheme != "memory" or parts.query or parts.fragment:
            raise ConfigError(f"{url!r} names no memory ledger", cure="Write memory://NAME/GROUP.")
        name = checked_name("memory store", parts.netloc or "default")
        group = checked_name("group", parts.path.strip("/") or "default")
        with _RECORDS_LOCK:
            records = _RECORDS.setdefault((name, group), MemoryRecords(clock))
        return cls(records)

    @property
    def guarantees(self) -> LedgerGuarantees:
        """What this store declares about itself."""
        return _GUARANTEES

    def read(self, keys: Sequence[str]) -> Mapping[str, Entry]:
        """The records of those keys that have one."""
        self._check_open()
        with self.records.lock:
            kept = self.records.kept
            return {key: kept[key].entry for key in keys if checked_key(key) in kept}

    def write(self, key: str, body: bytes, *, expect: str | None, keep_s: float) -> str:
        """Write one record if its tag is still `expect`."""
        self._check_open()
        checked_body(checked_key(key), body, self.guarantees)
        until_s = self.records.clock.now() + checked_keep(keep_s)
        with self.records.lock:
            found = self.records.kept.pop(key, None)
            tag = found.entry.tag if found else None
            if tag != expect:
                if found:
                    self.records.kept[key] = found
                raise StoreConflict(
                    f"{key!r} is at {tag}, not {expect}", cure="Read it and decide anew."
                )
            written = str(next(self.records.tags))
            self.records.kept[key] = _Kept(Entry(written, bytes(body)), until_s)
            self.records.sweep()
        return written

    def remove(self, key: str) -> None:
        """Take a record away as garbage, whatever its age. For tests."""
        with self.records.lock:
            self.records.kept.pop(key, None)

    def probe(self) -> list[Probe]:
        """How many records there are."""
        return [Probe(name="records", ok=True, value=str(len(self.records.kept)))]

    def close(self) -> None:
        """The records stay."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise StoreRefused("this memory ledger is closed", cure="Open another.")


_GUARANTEES = LedgerGuarantees(kind="memory")
_RECORDS: dict[tuple[str, str], MemoryRecords] = {}
_RECORDS_LOCK = threading.Lock()
