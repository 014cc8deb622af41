"""Gap, split and faux of every shard, and the blast radius.

Owns these definitions. For one shard, over the part of a window in which its generation lived:

- **covered**: some process could act on some seat of it.
- **gap**: not covered.
- **split**: two processes could act on one seat of it at once, or one on it while another could act
  on an older generation of its role (their shards may hold the same resource rows).
- **faux**: covered and not split, units due, and nothing done for longer than τ. The count starts
  anew with every committed act of the shard, when it becomes covered, when units fall due.

Could act: see `tenures`. Done: see `effects`. Gap + covered = the window, split and faux are parts
of covered, and the values of adjoining windows add up.

The partitions of a queue, which nobody leads, have definitions of their own: see `items`. There one
item may have a gap while another is split or rests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from coord.lab.measure.effects import Units, counted_acts
from coord.lab.measure.intervals import Span, Spans
from coord.lab.measure.items import Items, ItemTimes
from coord.lab.measure.tenures import Shard, Tenure, Timeline

__all__ = ["ShardTimes", "affected_share", "shard_times", "within"]


@dataclass(frozen=True, slots=True)
class ShardTimes:
    """What befell one shard: sets of moments within the time it was watched."""

    watched: Spans
    covered: Spans
    gap: Spans
    split: Spans
    faux: Spans

    def within(self, window: Span) -> ShardTimes:
        """The same, of the moments in `window`."""
        parts = (self.watched, self.covered, self.gap, self.split, self.faux)
        return ShardTimes(*(part.clip(window) for part in parts))

    def affected(self, *, floor_s: float) -> bool:
        """Whether gap, split and faux together took longer than `floor_s`."""
        return (self.gap | self.split | self.faux).total_s > floor_s


def shard_times(line: Timeline, *, tau_s: float) -> dict[Shard, ShardTimes]:
    """Gap, split and faux of every shard, each over the whole life of its generation."""
    found: dict[Shard, ShardTimes] | None = line.times.get(tau_s)
    if found is None:
        found = line.times[tau_s] = _shard_times(line, tau_s)
    return found


def _shard_times(line: Timeline, tau_s: float) -> dict[Shard, ShardTimes]:
    by_shard: dict[Shard, list[Tenure]] = {}
    for tenure in line.tenures:
        by_shard.setdefault(tenure.shard, []).append(tenure)
    generations = _coverage_of_generations(line)
    units = Units.of(line.log)
    pending = units.pending()
    items = Items(line, units, tau_s=tau_s)
    work = _work(line)
    found: dict[Shard, ShardTimes] = {}
    for shard, life in line.shards.items():
        if shard.role in line.queues:
            found[shard] = _handed_out(items.times(shard), life)
            continue
        tenures = by_shard.get(shard, [])
        watched = Spans.of([life])
        covered = Spans.union(tenure.acting for tenure in tenures).clip(life)
        older = Spans.union(
            spans
            for number, spans in generations.get(shard.role, {}).items()
            if number < shard.generation
        )
        split = _doubled(tenures).clip(life) | (covered & older)
        owing = (covered - split) & pending.get((shard.role, shard.number), Spans())
        found[shard] = ShardTimes(
            watched=watched,
            covered=covered,
            gap=watched - covered,
            split=split,
            faux=owing.after(tau_s, again_at=work.get(shard, ())),
        )
    return found


def _handed_out(times: ItemTimes, life: Span) -> ShardTimes:
    """Of one partition of a queue. Covered: no item of it is without somebody who could act."""
    watched = Spans.of([life])
    gap = Spans.union(times.gap).clip(life)
    return ShardTimes(
        watched=watched,
        covered=watched - gap,
        gap=gap,
        split=Spans.union(times.split).clip(life),
        faux=Spans.union(times.faux).clip(life),
    )


def within(times: Mapping[Shard, ShardTimes], window: Span) -> dict[Shard, ShardTimes]:
    """The same for the moments in a window, without the shards that did not live then."""
    clipped = {shard: one.within(window) for shard, one in times.items()}
    return {shard: one for shard, one in clipped.items() if one.watched}


def affected_share(times: Mapping[Shard, ShardTimes], *, floor_s: float) -> float:
    """The share of shards that had gap, split or faux for longer than `floor_s`; 0 if none."""
    if not times:
        return 0.0
    return sum(one.affected(floor_s=floor_s) for one in times.values()) / len(times)


def _doubled(tenures: list[Tenure]) -> Spans:
    """When two processes could act on one seat. A process's own tenures do not split it."""
    seats: dict[int, dict[object, Spans]] = {}
    for tenure in tenures:
        holders = seats.setdefault(tenure.key.seat, {})
        holders[tenure.who] = holders.get(tenure.who, Spans()) | tenure.acting
    return Spans.union(Spans.shared(holders.values()) for holders in seats.values())


def _coverage_of_generations(line: Timeline) -> dict[str, dict[int, Spans]]:
    """When anybody could act on any shard, by role and generation."""
    parts: dict[str, dict[int, list[Spans]]] = {}
    for tenure in line.tenures:
        of_role = parts.setdefault(tenure.key.role, {})
        of_role.setdefault(tenure.key.generation, []).append(tenure.acting)
    return {
        role: {number: Spans.union(spans) for number, spans in generations.items()}
        for role, generations in parts.items()
    }


def _work(line: Timeline) -> dict[Shard, list[float]]:
    """The moments at which each shard's work was committed."""
    moments: dict[Shard, list[float]] = {}
    for act in counted_acts(line.log):
        moments.setdefault(Shard(*act.key[:3]), []).append(act.t)
    return moments
