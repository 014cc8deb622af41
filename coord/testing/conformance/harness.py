"""What the suite must be told about a store, and what a check is.

Owns `Harness`; what a check is stands in `coord.testing.checks`, and what a gate is in
`coord.testing.gates`. Knows the contract (`coord.spi`) and no store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from coord.clock import Clock
from coord.spi import Session, Store
from coord.testing import checks, gates
from coord.testing.checks import MissingHook
from coord.testing.faults import FaultPlan, FaultyStore

if TYPE_CHECKING:
    from coord.testing.conformance.kit import Kit

__all__ = ["Check", "Checks", "Gate", "Harness", "MissingHook", "gate_over"]


Gate: TypeAlias = gates.Gate[Store]
"""A handle whose requests can be held on their way; `gate_over` makes one in this process."""


@dataclass(frozen=True, kw_only=True)
class Harness:
    """A store under test. Durations in seconds of `clock`.

    Required: `open` makes another handle on the same backing store, as another process would
    have it; `clock` is what all handles were opened with; `sleep` lets time pass on it.
    """

    open: Callable[[], Store]
    clock: Clock
    sleep: Callable[[float], None]

    ttl_s: float = 1.0
    """The ttl of checks that wait for a session to end: as short as the store serves reliably."""
    patient_ttl_s: float = 60.0
    """The ttl of all other checks: long enough to outlive one of them on a slow machine."""
    late_s: float = 1.0
    """How much later than its ttl a silent session may end, as the store's documents say."""
    wake_s: float = 2.0
    """How soon a watch wakes after a change."""
    timeout_s: float = 1.0
    """The timeout that the handles were opened with."""
    poll_s: float = 0.05
    """How often a check that waits looks again; in virtual time, longer is quicker."""
    threads: int = 4
    """How many threads, with a handle each, race for claims."""
    many: int = 1000
    """How many claims the check of limits takes."""

    silence: Callable[[Session], None] = lambda _session: None
    """Stop whatever renews this session without `heartbeat` being called (a client's pings)."""

    gate: Callable[[], Gate] | None = None
    """Hook: another handle, behind a gate."""
    reopen: Callable[[], None] | None = None
    """Hook: stop and start the backing store; called while no handle is open."""
    forget: Callable[[str], None] | None = None
    """Hook: delete a group and all its claims, as an operator might; nobody lives in it."""
    leftovers: Callable[[], Mapping[str, int]] | None = None
    """Hook: count what may be left behind (threads, open files, temporary files) by name."""

    def lacks(self, hooks: frozenset[str]) -> list[str]:
        """Which of these hooks are not there."""
        return sorted(name for name in hooks if getattr(self, name) is None)


Check: TypeAlias = "checks.Check[Harness, Kit]"
"""One promise of `coord.spi`, provable on a fresh group."""


class Checks(checks.Checks[Harness, "Kit"]):
    """The checks of one module."""

    def __init__(self) -> None:
        super().__init__(_setting)


def _setting(harness: Harness) -> Kit:
    from coord.testing.conformance.kit import Kit  # noqa: PLC0415  the kit needs this module

    return Kit(harness)


def gate_over(store: Store, *, clock: Clock, timeout_s: float = 1.0) -> Gate:
    """A gate for a store without a network: calls are held in this process, in front of it."""
    plan = FaultPlan()
    return gates.PlannedGate(FaultyStore(store, plan, clock=clock, timeout_s=timeout_s), plan)
