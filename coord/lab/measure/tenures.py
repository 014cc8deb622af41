"""Who could act when: tenures with the moments at which their guard would have let them.

Owns the rule from records to acting moments, and which shards there are. Judges nothing.

A tenure may act in the union of [t, until) over its own lead record, the records that extend it
and all trust records of its process, from its beginning until it is over. Over means: its end
record, or the death of its process, or its process telling that it stops. While its process is
stopped it holds a *frozen* belief and is not acting: a stopped process does nothing, whatever it
believes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from coord.lab.measure.events import (
    End,
    Extension,
    Lead,
    Log,
    MemberMark,
    RoleMark,
    Rpc,
    Trust,
    Who,
)
from coord.lab.measure.faults import Fault, faults, frozen, killed, stopped
from coord.lab.measure.intervals import Span, Spans
from coord.model import ClaimKey

__all__ = ["Shard", "Tenure", "Timeline", "presence", "timeline"]

_NEVER = float("inf")


class Shard(NamedTuple):
    """One shard of one generation of a role."""

    role: str
    generation: int
    number: int


@dataclass(frozen=True, slots=True)
class Tenure:
    """One process holding one claim. `over_s` is infinite if it was not over when the log ended."""

    who: Who
    key: ClaimKey
    token: int
    asked_s: float
    lead_s: float
    over_s: float
    acting: Spans

    @property
    def shard(self) -> Shard:
        """The shard that it leads a seat of."""
        return Shard(*self.key[:3])


@dataclass(frozen=True, slots=True)
class Timeline:
    """What a log says of who led: the base of all measures."""

    log: Log
    faults: tuple[Fault, ...]
    killed: Mapping[Who, float]
    """When each process that was killed, or asked to go, was seen dead."""
    tenures: tuple[Tenure, ...]
    by_key: Mapping[ClaimKey, tuple[Tenure, ...]]
    """The tenures of each claim, by their beginning."""
    shards: Mapping[Shard, Span]
    """Every shard, and the life of its generation: to the next one's beginning."""
    queues: Mapping[str, int] = field(default_factory=dict)
    """The roles that nobody leads, with their generation: their seats are items (see `items`)."""
    times: dict[float, Any] = field(default_factory=dict, repr=False, compare=False)
    """What `metrics` has made of it, by tau: judging asks more than once."""


def timeline(log: Log) -> Timeline:
    """Build tenures and shards from a log."""
    struck = faults(log)
    dead = killed(log, struck)
    gone = [dead, stopped(log)]
    held = tuple(_tenures(log, struck, gone))
    by_key: dict[ClaimKey, tuple[Tenure, ...]] = {}
    for tenure in held:
        by_key[tenure.key] = (*by_key.get(tenure.key, ()), tenure)
    queues = {mark.role: mark.generation for mark in log.all(RoleMark) if mark.queue}
    return Timeline(log, struck, dead, held, by_key, _shards(log, held), queues)


def presence(line: Timeline) -> dict[Who, Spans]:
    """When each process was a member: from its first record as one to its end."""
    first: dict[Who, float] = {}
    for kind in (MemberMark, Lead, Trust, Rpc):
        for record in line.log.all(kind):
            first[record.who] = min(record.t, first.get(record.who, record.t))
    gone = stopped(line.log) | dict(line.killed)
    end = line.log.end_s
    return {who: Spans.of([(since, gone.get(who, end))]) for who, since in first.items()}


def _tenures(log: Log, struck: tuple[Fault, ...], gone: list[dict[Who, float]]) -> Iterable[Tenure]:
    trusts = _trusted(log)
    cold: dict[Who, Spans] = {}
    longer = _extended(log)
    ends: dict[tuple[Who, ClaimKey, int], list[float]] = {}
    for end in log.all(End):
        ends.setdefault((end.who, end.key, end.token), []).append(end.t)
    for lead in log.all(Lead):
        who = lead.who
        name = who, lead.key, lead.token
        own_ends = ends.get(name, [])
        index = bisect_left(own_ends, lead.t)
        told = own_ends[index] if index < len(own_ends) else _NEVER
        over = min(told, *(moments.get(who, _NEVER) for moments in gone))
        life = Span(lead.t, min(over, log.end_s))
        if who not in cold:
            cold[who] = frozen(who, struck)
        own = Spans.of([(lead.t, lead.until_s), *longer.get(name, ())])
        trusted = own | trusts.get(who, Spans()).clip(life)
        acting = trusted.clip(life) - cold[who]
        yield Tenure(who, lead.key, lead.token, lead.asked_s, lead.t, over, acting)


def _extended(log: Log) -> dict[tuple[Who, ClaimKey, int], list[tuple[float, float]]]:
    spans: dict[tuple[Who, ClaimKey, int], list[tuple[float, float]]] = {}
    for more in log.all(Extension):
        spans.setdefault((more.who, more.key, more.token), []).append((more.t, more.until_s))
    return spans


def _trusted(log: Log) -> dict[Who, Spans]:
    spans: dict[Who, list[tuple[float, float]]] = {}
    for trust in log.all(Trust):
        spans.setdefault(trust.who, []).append((trust.t, trust.until_s))
    return {who: Spans.of(pairs) for who, pairs in spans.items()}


def _shards(log: Log, held: tuple[Tenure, ...]) -> dict[Shard, Span]:
    """Declared shards, whether ever led or not, and any that were led without being declared."""
    began: dict[str, dict[int, float]] = {}
    shards: set[Shard] = set()
    for mark in log.all(RoleMark):
        began.setdefault(mark.role, {}).setdefault(mark.generation, mark.t)
        shards |= {Shard(mark.role, mark.generation, number) for number in range(mark.shape.shards)}
    for tenure in held:
        generations = began.setdefault(tenure.key.role, {})
        generations.setdefault(tenure.key.generation, log.start_s)
        shards.add(tenure.shard)
    lives: dict[Shard, Span] = {}
    for shard in sorted(shards):
        generations = began[shard.role]
        later = [t for number, t in generations.items() if number > shard.generation]
        end = min(later, default=log.end_s)
        lives[shard] = Span(generations[shard.generation], end)
    return lives
