"""What the suite must be told about a ledger store.

Owns `LedgerHarness` and `LedgerGate`. Knows the contract (`coord.tasks.spi`) and no store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from coord.clock import Clock
from coord.tasks.spi import LedgerStore
from coord.testing import checks, gates
from coord.testing.faults import Fate, FaultPlan
from coord.testing.faulty_ledger import FaultyLedger

if TYPE_CHECKING:
    from coord.testing.ledger_conformance.kit import LedgerKit

__all__ = ["LedgerCheck", "LedgerChecks", "LedgerGate", "LedgerHarness", "ledger_gate_over"]


class LedgerGate(gates.Gate[LedgerStore], Protocol):
    """A handle whose requests can be held, and whose replies can be lost, on their way."""

    def lose_reply(self, needle: bytes) -> None:
        """The next write whose body contains `needle` lands, and its reply is lost."""
        ...


@dataclass(frozen=True, kw_only=True)
class LedgerHarness:
    """A ledger store under test. Durations in seconds of `clock`.

    Required: `open` makes another handle on the same backing store, in the group it is given, as
    another process would have it; `clock` is what all handles were opened with; `sleep` lets time
    pass on it.
    """

    open: Callable[[str], LedgerStore]
    clock: Clock
    sleep: Callable[[float], None]

    lease_s: float = 0.5
    """The lease of checks that wait for one to run out."""
    timeout_s: float = 1.0
    """The timeout that the handles were opened with."""
    threads: int = 4
    """How many threads, with a handle each, race."""
    many: int = 200
    """How many keys are read at once."""

    gate: Callable[[str], LedgerGate] | None = None
    """Hook: another handle in that group, behind a gate."""
    remove: Callable[[str, str], None] | None = None
    """Hook: remove the record of (group, key) as the store removes garbage, whatever its age."""
    reopen: Callable[[], None] | None = None
    """Hook: stop and start the backing store; called while no handle is open."""
    leftovers: Callable[[], Mapping[str, int]] | None = None
    """Hook: count what may be left behind (threads, open files, temporary files) by name."""

    def lacks(self, hooks: frozenset[str]) -> list[str]:
        """Which of these hooks are not there."""
        return sorted(name for name in hooks if getattr(self, name) is None)


LedgerCheck: TypeAlias = "checks.Check[LedgerHarness, LedgerKit]"
"""One promise of `coord.tasks.spi`, provable on a fresh group."""


class LedgerChecks(checks.Checks[LedgerHarness, "LedgerKit"]):
    """The checks of one module."""

    def __init__(self) -> None:
        super().__init__(_setting)


def _setting(harness: LedgerHarness) -> LedgerKit:
    from coord.testing.ledger_conformance.kit import LedgerKit  # noqa: PLC0415  it needs us

    return LedgerKit(harness)


class _PlannedGate(gates.PlannedGate[FaultyLedger]):
    def lose_reply(self, needle: bytes) -> None:
        self._plan.add(Fate.LOSE_REPLY, "write")


def ledger_gate_over(store: LedgerStore, *, clock: Clock, timeout_s: float = 1.0) -> LedgerGate:
    """A gate for a store without a network: calls are held in this process, in front of it."""
    plan = FaultPlan()
    return _PlannedGate(FaultyLedger(store, plan, clock=clock, timeout_s=timeout_s), plan)
