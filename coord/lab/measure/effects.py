"""What was done at the resources: stale acts, and due units beside committed effects.

Owns the verdict on acts. Elections play no part in it: an act is stale because of what the
resource had taken before, not because of who believed to lead.

Stale: an act that reached a resource which had already taken an act with a newer stamp of the same
scope (the comparison is the guards' own, `coord.fencing.judge`), or that a guard refused as such
(error "Fenced"). The order in which a resource took acts is its own `seq` where all its accepted
acts carry one, and the time of the record elsewhere.

Counted resources, for duplicates, missed units and work done: the fenced ones if the log has any,
else all. So a contrast table that is deliberately unfenced does not count each unit twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from coord.fencing import Stamp, judge
from coord.lab.measure.events import Act, Backlog, Log
from coord.lab.measure.intervals import Span, Spans
from coord.model import ClaimKey

__all__ = ["Register", "StaleActs", "Units", "counted_acts", "stale_acts"]


class Register:
    """What a perfect guard of one resource would remember."""

    def __init__(self) -> None:
        self._generations: dict[str, int] = {}
        self._stamps: dict[tuple[str, int, int], Stamp] = {}
        self._newest: dict[ClaimKey, int] = {}
        """The token of each claim whose latest act is the newest that was taken: a leader's steady
        acts offer it again and again, and it is admitted again and again. No older generation's."""

    def refuses(self, key: ClaimKey, token: int) -> bool:
        """Whether something newer has been taken."""
        if self._newest.get(key) == token:
            return False
        return judge(
            Stamp(key.generation, token),
            seen=self._stamps.get((key.role, key.shard, key.seat)),
            generation=self._generations.get(key.role, 0),
        ).refused

    def take(self, key: ClaimKey, token: int) -> None:
        """Remember an act that was taken, unless something newer was."""
        if self._newest.get(key) == token:
            return
        if not self.refuses(key, token):
            if self._generations.get(key.role) != key.generation:
                self._newest.clear()
            self._generations[key.role] = key.generation
            self._stamps[key.role, key.shard, key.seat] = Stamp(key.generation, token)
            self._newest[key] = token


@dataclass(frozen=True, slots=True)
class StaleActs:
    """Stale acts: attempted = refused + accepted by fenced + accepted by unfenced resources."""

    attempted: int = 0
    accepted: int = 0
    accepted_unfenced: int = 0
    found: tuple[Act, ...] = field(default=(), repr=False)

    def __add__(self, other: StaleActs) -> StaleActs:
        return StaleActs(
            self.attempted + other.attempted,
            self.accepted + other.accepted,
            self.accepted_unfenced + other.accepted_unfenced,
            self.found + other.found,
        )


def stale_acts(log: Log, window: Span) -> StaleActs:
    """The stale acts of a window. What was taken before the window counts as taken."""
    found = log.once("stale acts", lambda: _stale(log))
    inside = [act for act in found if window.start_s <= act.t < window.end_s]
    taken = [act for act in inside if act.accepted]
    return StaleActs(
        attempted=len(inside),
        accepted=sum(act.fenced for act in taken),
        accepted_unfenced=sum(not act.fenced for act in taken),
        found=tuple(inside),
    )


def _stale(log: Log) -> list[Act]:
    by_resource: dict[str, list[Act]] = {}
    for act in log.all(Act):
        by_resource.setdefault(act.resource, []).append(act)
    return [act for acts in by_resource.values() for act in _stale_of_one(acts)]


def _stale_of_one(acts: list[Act]) -> Iterable[Act]:
    accepted = [act for act in acts if act.accepted]
    if all(act.seq is not None for act in accepted):
        accepted.sort(key=lambda act: act.seq or 0)
    register = Register()
    for act in accepted:
        if register.refuses(act.key, act.token):
            yield act
        register.take(act.key, act.token)
    register = Register()
    for act in acts:  # what was refused has no place in the resource's order: by time
        if act.accepted:
            register.take(act.key, act.token)
        elif act.error == "Fenced" or register.refuses(act.key, act.token):
            yield act


def counted_acts(log: Log) -> tuple[Act, ...]:
    """The accepted acts on the counted resources, by time."""
    return log.once("counted acts", lambda: _counted(log))


def _counted(log: Log) -> tuple[Act, ...]:
    accepted = [act for act in log.all(Act) if act.accepted]
    fenced = any(act.fenced for act in log.all(Act))
    return tuple(act for act in accepted if act.fenced or not fenced)


@dataclass(slots=True)
class Unit:
    """A due unit: since when, whose it is from when on, and its committed effects."""

    due_s: float
    moves: list[tuple[float, tuple[str, int]]] = field(default_factory=list)
    effects: list[float] = field(default_factory=list)


class Units:
    """All due units of a log.

    A unit is due from its first backlog record; one that was never announced is taken as due at
    its first effect. A later backlog record hands it to another shard.
    """

    @classmethod
    def of(cls, log: Log) -> Units:
        """The units of this log, read once however often they are asked for."""
        return log.once("units", lambda: cls(log))

    def __init__(self, log: Log) -> None:
        self._units: dict[str, Unit] = {}
        self._end_s = log.end_s
        for record in log.all(Backlog):
            for name in record.units:
                unit = self._units.setdefault(name, Unit(record.t))
                unit.moves.append((record.t, (record.role, record.shard)))
        for act in counted_acts(log):
            for name in act.units:
                self._units.setdefault(name, Unit(act.t)).effects.append(act.t)

    def _due_in(self, window: Span) -> list[Unit]:
        return [u for u in self._units.values() if window.start_s <= u.due_s < window.end_s]

    def duplicates(self, window: Span) -> int:
        """Committed effects beyond one, of units that fell due in the window."""
        return sum(max(0, len(unit.effects) - 1) for unit in self._due_in(window))

    def missed(self, window: Span, *, grace_s: float) -> int:
        """Units without effect that fell due in the window, `grace_s` or more before the log's end.

        The grace is for units that nobody had the time to do.
        """
        return sum(
            not unit.effects and unit.due_s <= self._end_s - grace_s
            for unit in self._due_in(window)
        )

    def waiting(self) -> dict[str, Spans]:
        """When each unit was due and not done."""
        return {
            name: Spans.of([(unit.due_s, min(unit.effects, default=self._end_s))])
            for name, unit in self._units.items()
        }

    def pending(self) -> dict[tuple[str, int], Spans]:
        """When each (role, shard) had at least one due unit that was not done."""
        spans: dict[tuple[str, int], list[tuple[float, float]]] = {}
        for unit in self._units.values():
            done = min(unit.effects, default=self._end_s)
            until = [moment for moment, _ in unit.moves[1:]] + [done]
            for (since, owner), end in zip(unit.moves, until, strict=False):
                spans.setdefault(owner, []).append((since, min(end, done)))
        return {owner: Spans.of(pairs) for owner, pairs in spans.items()}
