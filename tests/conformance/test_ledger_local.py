"""The ledgers of this machine keep every promise: memory in virtual time, SQLite in real time."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.tasks.spi import LedgerStore
from coord.testing.clock import ManualClock
from coord.testing.ledger_conformance import (
    LEDGER_CHECKS,
    LedgerCheck,
    LedgerGate,
    LedgerHarness,
    check_ledger,
    ledger_gate_over,
)
from coord.testing.memory_ledger import MemoryLedger, MemoryRecords
from coord_sqlite.ledger import SqliteLedger
from tests.conformance.harnesses import leftovers


def memory_harness() -> LedgerHarness:
    """Time passes when a check sleeps."""
    clock = ManualClock()
    groups: dict[str, MemoryRecords] = {}

    def opened(group: str) -> MemoryLedger:
        return MemoryLedger(groups.setdefault(group, MemoryRecords(clock)))

    return LedgerHarness(
        open=opened,
        clock=clock,
        sleep=clock.advance,
        lease_s=10.0,
        gate=lambda group: ledger_gate_over(opened(group), clock=clock),
        remove=lambda group, key: opened(group).remove(key),
        reopen=lambda: None,
        leftovers=leftovers,
    )


class _File:
    """One database file, as several processes would use it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, group: str) -> SqliteLedger:
        return SqliteLedger(self.path, group=group, timeout_s=5.0)

    def gate(self, group: str) -> LedgerGate:
        store: LedgerStore = self.open(group)
        return ledger_gate_over(store, clock=SYSTEM_CLOCK, timeout_s=5.0)

    def remove(self, group: str, key: str) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute("DELETE FROM ledger WHERE grp=? AND key=?", (group, key))

    def leftovers(self) -> Mapping[str, int]:
        return {**leftovers(), "files": sum(1 for _ in self.path.parent.iterdir())}

    def harness(self) -> LedgerHarness:
        return LedgerHarness(
            open=self.open,
            clock=SYSTEM_CLOCK,
            sleep=time.sleep,
            timeout_s=5.0,
            gate=self.gate,
            remove=self.remove,
            reopen=lambda: None,
            leftovers=self.leftovers,
        )


@pytest.mark.parametrize("check", LEDGER_CHECKS, ids=lambda check: check.name)
def test_the_memory_ledger_keeps_the_promise(check: LedgerCheck) -> None:
    check.run(memory_harness())


@pytest.mark.parametrize("check", LEDGER_CHECKS, ids=lambda check: check.name)
def test_the_sqlite_ledger_keeps_the_promise(check: LedgerCheck, tmp_path: Path) -> None:
    check.run(_File(tmp_path / "ledger.db").harness())


def test_no_check_is_left_out() -> None:
    assert check_ledger(memory_harness()) == []
