"""What the fleet looks like now, read from the event log as it grows.

Owns the present state and the recent past, for the live display and for the script's waiting. None
of it ends up in the report: that is measured from the whole log afterwards. What there is to lead,
and when a fleet is at rest, each kind of fleet knows itself: `led_scene`, `queue_scene`,
`daemon_scene`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from coord.lab.measure.effects import Register
from coord.lab.measure.events import Act, End, FaultMark, Lead, MemberMark, Record, Trust, Who
from coord.lab.measure.faults import DIED
from coord.model import ClaimKey

__all__ = ["COLUMN_S", "Column", "Scene", "State", "Tally", "Worker"]

COLUMN_S = 0.3
"""How long a column of the strip lasts."""

_COLUMNS = 200


class State(Enum):
    """How a worker is, as the injector knows it. The worker itself knows only of its work."""

    AWAY = "away"
    UP = "up"
    PAUSED = "paused"
    WEDGED = "wedged"
    DEAD = "dead"


_STRUCK = {
    "pause": State.PAUSED,
    "gil": State.PAUSED,
    "wedge": State.WEDGED,
    "kill": State.DEAD,
    DIED: State.DEAD,
}


@dataclass(slots=True)
class Worker:
    """One member: its present process, and what that believes to lead (claim to token)."""

    name: str
    who: Who
    state: State = State.AWAY
    trusted_until_s: float = float("-inf")
    leads: dict[ClaimKey, int] = field(default_factory=dict)

    @property
    def acting(self) -> bool:
        """Whether it could act on what it leads: the paused and the dead cannot."""
        return self.state in {State.UP, State.WEDGED}


@dataclass(slots=True)
class Tally:
    """Acts so far, counted as they are read."""

    acts: int = 0
    units: int = 0
    refused: int = 0
    stale_unfenced: int = 0
    stale_fenced: int = 0


@dataclass(slots=True)
class Column:
    """A short while in the strip: each worker's state and claims, and the shards nobody led."""

    states: dict[str, State]
    held: dict[str, int]
    unled: int


class Scene(ABC):
    """The present of one fleet. Fed by one thread, read by the same."""

    def __init__(self, members: Iterable[str]) -> None:
        self.workers = {name: Worker(name, Who(name, 0)) for name in members}
        self.tally = Tally()
        self.columns: deque[Column] = deque(maxlen=_COLUMNS)
        self.changed_s = float("-inf")
        """When anybody last came, was struck or healed, or began or ended to lead."""
        self.awaits_work = True
        """Whether rows may fall due yet."""
        self.begun = False
        """Whether everything has been led once."""
        self.unled_since_s: float | None = None
        self.unled_s = 0.0
        """How long some shard was without a leader since it has begun, by the look of it."""
        self._looked_s = float("inf")
        self._column = -1
        self._acted: dict[tuple[Who, ClaimKey, int], float] = {}
        self._registers: dict[str, Register] = {}

    def join(self, name: str) -> None:
        """One more member is expected from now on."""
        self.workers.setdefault(name, Worker(name, Who(name, 0)))

    def leave(self, name: str) -> None:
        """It is expected no more."""
        self.workers.pop(name, None)

    # --- reading -----------------------------------------------------------------------------

    def take(self, records: Iterable[Record], now_s: float) -> None:
        """Follow what was written, and note how things stand."""
        for record in records:
            self._take(record)
        unled = self.unled()
        self.begun = self.begun or not unled
        if not unled:
            self.unled_since_s = None
        elif self.unled_since_s is None:
            self.unled_since_s = now_s
        if unled and self.begun:
            self.unled_s += max(0.0, now_s - self._looked_s)
        self._looked_s = now_s
        self._draw(now_s, len(unled) if self.begun else 0)

    def _take(self, record: Record) -> None:
        worker = self.workers.get(record.who.member)
        if worker is None:
            return
        match record:
            case MemberMark(state="start"):
                worker.who, worker.state, worker.leads = record.who, State.UP, {}
                self.changed_s = record.t
            case MemberMark() if record.who == worker.who:
                worker.state = State.AWAY
            case Trust() if record.who == worker.who:
                if worker.trusted_until_s < record.t:  # it comes, or comes back
                    self.changed_s = record.t
                worker.trusted_until_s = record.until_s
            case Lead() if record.who == worker.who:
                self._begin(worker, record)
            case End() if worker.leads.get(record.key) == record.token:
                del worker.leads[record.key]
                self.changed_s = record.t
            case Act():
                self._count(record)
            case FaultMark():
                self._strike(worker, record)

    def _begin(self, worker: Worker, lead: Lead) -> None:
        """Whoever held the claim before has lost it, whatever it still believes."""
        for other in self.workers.values():
            other.leads.pop(lead.key, None)
        worker.leads[lead.key] = lead.token
        self.changed_s = lead.t

    def _strike(self, worker: Worker, mark: FaultMark) -> None:
        self.changed_s = mark.t
        if mark.phase == "effect" and mark.fault in _STRUCK:
            worker.state = _STRUCK[mark.fault]
            if worker.state is State.DEAD:
                worker.leads.clear()
        elif mark.phase == "end" and mark.fault == "sigterm":  # it was seen dead
            worker.state = State.AWAY
        elif mark.phase == "end" and worker.state is _STRUCK.get(mark.fault):
            worker.state = State.UP

    def _count(self, act: Act) -> None:
        register = self._registers.setdefault(act.resource, Register())
        if not act.accepted:
            self.tally.refused += 1
            return
        stale = register.refuses(act.key, act.token)
        register.take(act.key, act.token)
        if act.fenced:
            self.tally.acts += 1
            self.tally.units += len(act.units)
            self.tally.stale_fenced += stale
            self._acted[act.who, act.key, act.token] = act.t
        else:
            self.tally.stale_unfenced += stale

    def _draw(self, now_s: float, unled: int) -> None:
        """A column shows its last moment, and the most shards without a leader within it."""
        states = {name: worker.state for name, worker in self.workers.items()}
        held = {name: len(worker.leads) for name, worker in self.workers.items()}
        column = Column(states, held, unled)
        index = int(now_s / COLUMN_S)
        if index == self._column and self.columns:
            self._redraw(self.columns[-1], column)
            return
        self._column = index
        self.columns.append(column)

    def _redraw(self, last: Column, column: Column) -> None:
        last.unled = max(last.unled, column.unled)
        last.held, last.states = column.held, column.states

    # --- what the script asks ----------------------------------------------------------------

    def leaders(self) -> list[str]:
        """The members that lead anything, by name."""
        return sorted(name for name, w in self.workers.items() if w.leads and w.acting)

    def acted_s(self, worker: Worker, key: ClaimKey) -> float:
        """When it last acted under its present token of this claim; before all time if never."""
        return self._acted.get((worker.who, key, worker.leads[key]), float("-inf"))

    @abstractmethod
    def unled(self) -> Collection[object]:
        """The shards that no process could act on now."""

    @abstractmethod
    def steady(self, now_s: float, *, quiet_s: float) -> bool:
        """Whether all are there, all that is to be led is led, and nothing has moved lately."""

    def taken_over(self, lost: Mapping[ClaimKey, int]) -> bool:
        """Whether somebody else has acted under a newer token on each of these claims."""
        return all(
            any(
                acted == key and newer > token and self.workers[who.member].who == who
                for who, acted, newer in self._acted
            )
            for key, token in lost.items()
        )
