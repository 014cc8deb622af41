"""A ledger store in memory, in virtual time, with faults on the way, and processes on it."""

from __future__ import annotations

from coord.tasks.ledger import Attempt, Finished, Ledger
from coord.testing.clock import ManualClock, SkewedClock
from coord.testing.faults import Fate, FaultPlan
from coord.testing.faulty_ledger import FaultyLedger
from coord.testing.memory_ledger import MemoryLedger, MemoryRecords

__all__ = ["DRIFT", "LEASE_S", "Desk", "begun"]

LEASE_S = 30.0
DRIFT = 0.01
TIMEOUT_S = 1.0
_STEP_S = 0.1


class Desk:
    """Whoever opens a ledger here is a process of its own, with its own way to the store."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.plan = FaultPlan()
        self.records = MemoryRecords(self.clock)
        self.store = MemoryLedger(self.records)
        self._ledgers: list[Ledger] = []

    def ledger(
        self,
        sender: str = "",
        *,
        rate: float = 1.0,
        lease_s: float = LEASE_S,
        renew_for_s: float = 3600.0,
    ) -> Ledger:
        """One whose keeper is turned by hand: nothing here starts a thread."""
        clock = SkewedClock(self.clock, rate=rate)
        store = FaultyLedger(
            MemoryLedger(self.records),
            self.plan,
            clock=clock,
            sender=sender,
            timeout_s=TIMEOUT_S,
            pass_time=self.pass_time,
        )
        made = Ledger(store, lease_s=lease_s, renew_for_s=renew_for_s, drift=DRIFT, clock=clock)
        made.keeper.start_threads = False
        self._ledgers.append(made)
        return made

    def pass_time(self, seconds: float) -> None:
        """While a request is under way, whoever tells of lost attempts is awake."""
        end_s = self.clock.now() + seconds
        while self.clock.now() < end_s:
            self.clock.set(min(end_s, self.clock.now() + _STEP_S))
            for ledger in self._ledgers:
                ledger.keeper.tell()

    def lose(self, fate: Fate, *methods: str, sender: str = "", times: int = 1) -> None:
        """What becomes of the next requests of that process."""
        self.plan.add(fate, *methods, sender=sender or None, times=times)

    def body(self, key: str) -> bytes:
        """What is stored under a key."""
        return self.store.read([key])[key].body


def begun(found: Attempt | Finished) -> Attempt:
    """The attempt that was given, which it must have been."""
    assert isinstance(found, Attempt), found
    return found
