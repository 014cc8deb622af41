"""A ledger store behind a bad network, for tests: see `coord.testing.faults`.

Owns nothing but the way: each `read` and `write` is a request of the plan's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coord.spi import Probe
from coord.tasks.spi import Entry, LedgerGuarantees, LedgerStore
from coord.testing.faults import Way

__all__ = ["FaultyLedger"]


class FaultyLedger(Way[LedgerStore]):
    """Implements `coord.tasks.spi.LedgerStore` around any other; see `Way`."""

    @property
    def guarantees(self) -> LedgerGuarantees:
        """What the store behind declares."""
        return self.inner.guarantees

    def read(self, keys: Sequence[str]) -> Mapping[str, Entry]:
        """As the store behind, if it gets there and back."""
        wanted = tuple(keys)
        return self.send("read", lambda: self.inner.read(wanted))

    def write(self, key: str, body: bytes, *, expect: str | None, keep_s: float) -> str:
        """As the store behind, if it gets there and back."""
        return self.send("write", lambda: self.inner.write(key, body, expect=expect, keep_s=keep_s))

    def probe(self) -> list[Probe]:
        """As the store behind, if it gets there and back."""
        return self.send("probe", self.inner.probe)
