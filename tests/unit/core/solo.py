"""One production machine on the reference store, driven by hand on a clock that the test moves.

Owns the driving: every store call is made at once, and what the machine wants done here is kept in
`said`. User code is the test itself. For fleets, delays and losses there is `coord.testing.world`.
"""

from __future__ import annotations

from collections import deque
from typing import TypeVar

from coord.config import Role, Timing
from coord.core import commands as c
from coord.core import events as e
from coord.core.machine import Machine
from coord.effects import Effects
from coord.errors import StoreUnavailable
from coord.model import Beacon, Claim, ClaimKey, EndingKind, MemberRecord, View
from coord.testing.clock import ManualClock
from coord.testing.memory import MemoryServer, MemorySession

__all__ = ["TIMING", "Solo"]

TIMING = Timing.of(10.0, settle_s=1.0, claim_timeout_s=1.0)
_GROUP = "g"
_STEPS_MAX = 10_000
C = TypeVar("C", bound=c.Command)


class Solo:
    """A member whose user code is the test."""

    def __init__(
        self,
        *roles: Role,
        name: str = "a",
        server: MemoryServer | None = None,
        timing: Timing = TIMING,
        max_shards: int | None = None,
    ) -> None:
        self.clock = ManualClock() if server is None else server.clock
        self.said: list[c.Command] = []
        self.withheld: tuple[type[c.StoreCommand], ...] = ()
        """Calls of these kinds wait on their way; no other waits behind them."""
        self.refused: tuple[type[c.StoreCommand], ...] = ()
        """Calls of these kinds time out and never land."""
        self._queue: deque[c.StoreCommand] = deque()
        self._woken = False
        self.connect(MemoryServer(self.clock) if server is None else server)
        record = MemberRecord(name=name, incarnation=f"i-{name}", max_shards=max_shards)
        self.machine = Machine(record, timing, self.store.guarantees, lambda: 0.5)
        self.step(e.Start(self.now))
        for role in roles:
            self.step(e.RoleServed(self.now, role))
        self.settle()

    def connect(self, server: MemoryServer) -> None:
        """From now on the store is this one, as after its restore from a backup."""
        self.server = server
        self.store = server.store()
        self.store.watch(_GROUP, self._wake)
        self._effects = Effects(self.store, _GROUP, self.clock)

    # --- driving -----------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Seconds on the clock that all share."""
        return self.clock.now()

    def _wake(self) -> None:
        self._woken = True

    def step(self, event: e.Event) -> None:
        """One event; what comes of it is queued, not done."""
        for command in self.machine.step(event):
            if isinstance(command, c.StoreCommand):
                self._queue.append(command)
            else:
                self.said.append(command)

    def settle(self) -> None:
        """Make all store calls that are wanted now."""
        for _ in range(_STEPS_MAX):
            if self._woken:
                self._woken = False
                self.step(e.Wake(self.now))
            ready = [command for command in self._queue if not isinstance(command, self.withheld)]
            if ready:
                self._queue.remove(ready[0])
                self.step(self.answered(ready[0]))
            elif self.machine.pulse_s <= self.now:
                self.step(e.Pulse(self.now))
            elif self.machine.wake_s <= self.now:
                self.step(e.Tick(self.now))
            else:
                return
        raise AssertionError("the machine keeps its driver busy for nothing")

    def answered(self, command: c.StoreCommand) -> e.Done | e.Failed:
        """Make one store call now; what came of it."""
        if isinstance(command, self.refused):
            error = StoreUnavailable("no reply in time")
            return e.Failed(self.now, command, self.now, error)
        return self._effects.perform(command)

    def run(self, seconds: float) -> None:
        """Let time pass, awake."""
        end_s = self.now + seconds
        while True:
            self.settle()
            due_s = min(self.machine.wake_s, self.machine.pulse_s)
            if due_s > end_s:
                break
            self._advance_to(due_s)
        self._advance_to(end_s)
        self.settle()

    def sleep(self, seconds: float) -> None:
        """Let time pass with the whole process stopped, then wake."""
        self._advance_to(self.now + seconds)
        self.settle()

    def _advance_to(self, moment_s: float) -> None:
        if not isinstance(self.clock, ManualClock):
            raise TypeError("the clock of this server is not the test's to move")
        self.clock.set(max(self.now, moment_s))

    # --- user code ---------------------------------------------------------------------------

    def began(self, term: c.StartTerm, max_s: float | None = None) -> None:
        """Code left `wait()`, or declared a step."""
        self.step(e.WorkBegan(self.now, term.number, max_s))

    def rested(self, term: c.StartTerm, *, cycled: bool = True) -> None:
        """Code entered `wait()`."""
        self.step(e.WorkRested(self.now, term.number, cycled))

    def progressed(self, term: c.StartTerm) -> None:
        """Code got something done."""
        self.step(e.WorkProgressed(self.now, term.number))
        self.settle()

    def ended(self, term: c.StartTerm, kind: EndingKind | None = None) -> None:
        """Code has stopped."""
        self.step(e.WorkEnded(self.now, term.number, kind))
        self.settle()

    def waiting(self) -> list[c.StoreCommand]:
        """The store calls that are on their way."""
        return list(self._queue)

    # --- looking -----------------------------------------------------------------------------

    def hear(self, kind: type[C]) -> list[C]:
        """What it said of this kind since it was last asked."""
        found = [command for command in self.said if isinstance(command, kind)]
        self.said = [command for command in self.said if not isinstance(command, kind)]
        return found

    def term(self) -> c.StartTerm:
        """The one term that it was given since it was last asked."""
        (term,) = self.hear(c.StartTerm)
        return term

    def reports(self, kind: str) -> list[str]:
        """What it has reported of one kind."""
        return [r.detail for r in self.said if isinstance(r, c.Report) and r.kind == kind]

    def view(self) -> View:
        """The group as it is."""
        return self.store.view(_GROUP)

    def claim(self, key: ClaimKey) -> Claim:
        """One claim as it is."""
        return self.view().claims[key]

    def beacon(self) -> Beacon:
        """What it said with its last heartbeat."""
        session = self.machine.member.keeper.session
        return Beacon.from_bytes(self.store.beacons(_GROUP)[session or ""].payload)

    def guest(self, name: str, *roles: Role) -> MemorySession:
        """Another member of the group, without a machine: its session is the test's to use."""
        record = MemberRecord(
            name=name, incarnation=f"i-{name}", roles={role.name: role.shape for role in roles}
        )
        return self.store.open_session(_GROUP, record, 1e6)
