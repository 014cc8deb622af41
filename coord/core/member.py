"""The state of one member, shared by the rule files beside it.

Owns the parts and the list of commands being gathered. Holds no rule itself and may not know
which event is being handled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from coord.config import Timing
from coord.core.audit import Audit
from coord.core.commands import Command, Fail, Report, StopTerm
from coord.core.desk import Desk
from coord.core.keeper import Keeper
from coord.core.peers import Peers
from coord.core.progress import AttendedClock, DebtBook
from coord.core.tenures import Tenancy, Tenures
from coord.errors import CoordError
from coord.model import ClaimKey, MemberRecord, View
from coord.spi import Guarantees

__all__ = ["Duplicate", "Member", "Reading"]

_INF = float("inf")
_MOST_STUCK = 32


@dataclass(slots=True)
class Reading:
    """What we know of the group, since when, and when to look again."""

    view: View | None = None
    sent_at_s: float = -_INF
    outstanding: bool = False
    due_s: float = -_INF
    retry_s: float = -_INF
    beacons_outstanding: bool = False


@dataclass(slots=True)
class Duplicate:
    """Another session that carries our name, and what we have seen of it so far."""

    session: str
    since_s: float
    """Since when, on the attended clock."""
    error: CoordError
    first_seq: int | None = None


class Member:
    """All parts of one member."""

    def __init__(
        self,
        record: MemberRecord,
        timing: Timing,
        guarantees: Guarantees,
        jitter: Callable[[], float],
    ) -> None:
        self.timing = timing
        self.guarantees = guarantees
        self.jitter = jitter
        self.keeper = Keeper(timing, jitter)
        self.tenures = Tenures()
        self.desks: dict[str, Desk] = {}
        self.served = 0
        self.peers = Peers(timing, guarantees)
        self.audit = Audit(timing)
        self.attended = AttendedClock(timing.slack_s)
        self.debts = DebtBook()
        self.reading = Reading()
        self.duplicate: Duplicate | None = None
        self.highest: dict[ClaimKey, int] = {}
        self.putting: set[str] = set()
        self.sent_record: MemberRecord | None = None
        self.updating = False
        self.retry_s = -_INF
        self.last_tick_s = -_INF
        self.ever_live = False
        self._record = record
        self._incarnation = record.incarnation
        self._openings = 0
        self.proven_session = ""
        """The session that our latest landed opening, as far as we know, has made."""
        self.unclosed = ""
        """The session that we have given up and that the store may still have."""
        self._said: tuple[object, ...] = ()
        self._saying = record
        self._out: list[Command] = []

    @property
    def name(self) -> str:
        """The member's name."""
        return self._record.name

    @property
    def max_shards(self) -> int | None:
        """How much of a role it takes at most."""
        return self._record.max_shards

    def record(self) -> MemberRecord:
        """What this member says of itself now: one object as long as nothing has changed."""
        now = (self._record, self.served, self.keeper.stopping, self.tenures.stuck_changes)
        if now != self._said:
            self._said = now
            self._saying = replace(
                self._record,
                roles=MappingProxyType({n: desk.role.shape for n, desk in self.desks.items()}),
                draining=self.keeper.stopping,
                stuck=self.tenures.stuck(_MOST_STUCK),
            )
        return self._saying

    def new_incarnation(self) -> None:
        """An opening may still land: open anew as somebody else.

        A store ends our former session when it opens the next one of the same incarnation. An
        opening that was held on its way would so end, much later, a session that we trust.
        """
        self._openings += 1
        self._record = replace(self._record, incarnation=f"{self._incarnation}+{self._openings}")

    def is_ours(self, incarnation: str) -> bool:
        """Whether a session of this incarnation was opened by us."""
        return incarnation.partition("+")[0] == self._incarnation

    def lay_ghost(self, session: str, incarnation: str) -> None:
        """Open under this incarnation next: that ends its session."""
        self.proven_session = session
        self._record = replace(self._record, incarnation=incarnation)

    def emit(self, command: Command) -> None:
        """Add a command to what this step returns."""
        self._out.append(command)

    def take(self) -> Sequence[Command]:
        """The commands gathered so far."""
        out = self._out
        if not out:
            return ()
        self._out = []
        return out

    def report(self, kind: str, detail: str) -> None:
        """Say something worth a log line."""
        self.emit(Report(kind, detail))

    def fail(self, error: CoordError) -> None:
        """Say that this member cannot go on."""
        self.emit(Fail(error))

    def stop_term(self, tenancy: Tenancy, why: str, *, now_over: bool) -> None:
        """Tell user code to stop."""
        self.emit(StopTerm(tenancy.number, tenancy.key, why, now_over))

    def look_at(self, when_s: float) -> None:
        """Read the view at `when_s`, if not sooner."""
        self.reading.due_s = min(self.reading.due_s, when_s)

    def reconsider(self, role: str, when_s: float) -> None:
        """Decide about a role again at `when_s`, though no newer view may come.

        A request that was lost changes nothing in the store, so no view would remind us of it.
        """
        desk = self.desks.get(role)
        if desk is not None:
            desk.wake_s = min(desk.wake_s, when_s)

    def back_off(self, now: float) -> None:
        """A write was not certain: let the next ones wait a little."""
        self.retry_s = now + self.timing.rpc_timeout_s * (0.25 + 0.5 * self.jitter())
