"""What the suite must be told about a store, and what a check is.

Owns `Harness`, `Gate` and `Check`. Knows the contract (`coord.spi`) and no store; imports no test
framework, so that any can run the checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from coord.clock import Clock
from coord.errors import UsageError
from coord.spi import Session, Store
from coord.testing.faults import Fate, FaultPlan, FaultyStore

if TYPE_CHECKING:
    from coord.testing.conformance.kit import Kit

__all__ = ["Check", "Checks", "Gate", "Harness", "MissingHook", "gate_over"]


class MissingHook(UsageError):
    """A check needs a hook that the harness does not have; nothing was proven."""


class Gate(Protocol):
    """A handle whose requests can be held on their way to the backing store.

    While the gate is shut, each request times out for its caller and waits. `open` lets them all
    take effect, in order, and returns when they have. Over a network this is a proxy that stops
    forwarding what the client sends; `gate_over` does it for a store in the same process.
    """

    @property
    def store(self) -> Store:
        """The handle behind the gate."""
        ...

    def shut(self) -> None:
        """Hold every request from now on."""
        ...

    def open(self) -> None:
        """Let what was held land, and what comes pass."""
        ...


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


@dataclass(frozen=True, slots=True)
class Check:
    """One promise, provable. `name` is the claim, `promise` says where it comes from."""

    name: str
    promise: str
    needs: frozenset[str]
    body: Callable[[Kit], None]

    def missing(self, harness: Harness) -> str:
        """Why this check cannot run here, or "" if it can: for a test runner's skip."""
        hooks = harness.lacks(self.needs)
        return f"the harness has no hook {', '.join(hooks)}" if hooks else ""

    def run(self, harness: Harness) -> None:
        """Prove it on a fresh group: AssertionError if the store breaks the promise.

        Raises MissingHook where `missing` says why, and the store's own errors where the contract
        does not expect them.
        """
        from coord.testing.conformance.kit import Kit  # noqa: PLC0415  the kit needs this module

        if not __debug__:
            raise UsageError("python -O removes assertions", cure="Run the suite without -O.")
        if reason := self.missing(harness):
            raise MissingHook(f"{self.name}: {reason}", cure="Provide it, or leave the check out.")
        with Kit(harness) as kit:
            self.body(kit)


class Checks:
    """The checks of one module, in the order in which they are written."""

    def __init__(self) -> None:
        self._found: list[Check] = []

    def __iter__(self) -> Iterator[Check]:
        return iter(self._found)

    def add(self, *needs: str) -> Callable[[Callable[[Kit], None]], Callable[[Kit], None]]:
        """Make a function a check: its name is the claim, its docstring the promise."""

        def register(body: Callable[[Kit], None]) -> Callable[[Kit], None]:
            promise = " ".join((body.__doc__ or "").split())
            self._found.append(Check(body.__name__, promise, frozenset(needs), body))
            return body

        return register


class _PlannedGate:
    def __init__(self, store: Store, clock: Clock, timeout_s: float) -> None:
        self._plan = FaultPlan()
        self.store: Store = FaultyStore(store, self._plan, clock=clock, timeout_s=timeout_s)

    def shut(self) -> None:
        self._plan.add(Fate.HOLD, times=None)

    def open(self) -> None:
        self._plan.mend()
        self._plan.land_held()


def gate_over(store: Store, *, clock: Clock, timeout_s: float = 1.0) -> Gate:
    """A gate for a store without a network: calls are held in this process, in front of it."""
    return _PlannedGate(store, clock, timeout_s)
