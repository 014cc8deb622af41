"""What ledger checks are written with: handles, ledgers on them, and races.

Owns the setting of one check, a fresh group included, and leaves nothing behind.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from coord.errors import InProgress
from coord.tasks.ledger import Attempt, Finished, Ledger
from coord.tasks.spi import Entry, LedgerStore
from coord.testing.ledger_conformance.harness import LedgerGate, LedgerHarness
from coord.testing.setting import Setting

__all__ = ["DRIFT", "KEEP_S", "LedgerKit"]

KEEP_S = 3600.0
DRIFT = 0.01
_PATIENT_LEASE_S = 60.0


class LedgerKit(Setting[LedgerHarness, LedgerStore]):
    """One check's setting. `store` is the first handle; `other` is a second, another process."""

    def __init__(self, harness: LedgerHarness) -> None:
        super().__init__(harness)
        self.group = f"conformance-{secrets.token_hex(6)}"
        self._ledgers: list[Ledger] = []
        self._gates: list[LedgerGate] = []

    def _begin(self) -> None:
        self.store = self.handle()
        self.other = self.handle()

    def _leave_nothing(self) -> None:
        for gate in self._gates:
            gate.open()
        super()._leave_nothing()

    # ------------------------------------------------------------------------------- handles

    def handle(self, group: str | None = None) -> LedgerStore:
        """Another handle on the same backing store."""
        store = self.harness.open(group or self.group)
        self._handles.append(store)
        return store

    def gate(self) -> LedgerGate:
        """Another handle, whose requests can be held and whose replies can be lost."""
        assert self.harness.gate is not None
        gate = self.harness.gate(self.group)
        self._gates.append(gate)
        self._handles.append(gate.store)
        return gate

    def ledger(self, store: LedgerStore | None = None, *, lease_s: float | None = None) -> Ledger:
        """A ledger on a handle. Nothing renews its attempts but the check itself."""
        made = Ledger(
            store or self.store,
            lease_s=_PATIENT_LEASE_S if lease_s is None else lease_s,
            renew_for_s=0.0,
            keep_s=KEEP_S,
            drift=DRIFT,
            clock=self.harness.clock,
        )
        self._ledgers.append(made)
        return made

    def close_handles(self) -> None:
        """Close every handle, and the ledgers on them."""
        while self._ledgers:
            self._ledgers.pop().keeper.close(timeout_s=5.0)
        super().close_handles()

    def remove(self, key: str) -> None:
        """Remove a record as the store removes garbage."""
        assert self.harness.remove is not None
        self.harness.remove(self.group, key)

    # --------------------------------------------------------------------------------- state

    def put(self, key: str, body: bytes, expect: str | None = None) -> str:
        """Write through the first handle."""
        return self.store.write(key, body, expect=expect, keep_s=KEEP_S)

    def seen(self, key: str) -> Entry | None:
        """The record as the other process sees it."""
        return self.other.read([key]).get(key)

    def shown(self, key: str) -> Entry:
        """The record as the other process sees it, which it must."""
        entry = self.seen(key)
        assert entry is not None, f"another process does not see the record of {key!r}"
        return entry

    def patiently(self, begin: Callable[[], Attempt | Finished]) -> Attempt:
        """Ask to begin until it is given, waiting as told each time."""
        while True:
            try:
                found = begin()
            except InProgress as busy:
                self.harness.sleep(busy.retry_after_s)
            else:
                assert isinstance(found, Attempt), f"it was done already: {found}"
                return found
