"""Gap, split and faux where work is handed out by a queue and nobody is elected.

Owns these definitions. A role that its record calls a queue has partitions for shards, and each
seat is one item, handed out in a message. A handler holds an item from its `belief` on, for as long
as the message is its own; the token counts the message's deliveries. So an item is to a queue what
a claim is to an election, except that there is always another one, and that it is over when it is
done. For each item, while it is due and not done:

- **gap**: nobody who could act holds it, although it was handed out before (whoever had it is dead,
  stopped or has lost it, and the queue still hides it); or it was never handed out, and nobody is
  there who could take it, or it has waited for longer than τ since somebody is.
- **faux**: one holds it who could act, and nothing was done to it for longer than τ.

And at any time:

- **split**: two processes hold one item and could act.

A partition has gap, split or faux while any of its items has: the other items may well be worked
on meanwhile. That is stricter than for a shard that is led, where one successor covers all.

The first waiting of a new item, up to τ, counts as nothing: a worker that is there could take it,
as a leader could that has not looked yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from coord.lab.measure.effects import Units
from coord.lab.measure.events import Backlog, Lead, Who
from coord.lab.measure.faults import frozen
from coord.lab.measure.intervals import EMPTY, Spans
from coord.lab.measure.tenures import Shard, Tenure, Timeline, presence
from coord.model import ClaimKey

__all__ = ["ItemTimes", "Items"]


@dataclass(slots=True)
class ItemTimes:
    """Sets of moments: of one item, or of all items of a partition."""

    gap: list[Spans] = field(default_factory=list)
    split: list[Spans] = field(default_factory=list)
    faux: list[Spans] = field(default_factory=list)


class Items:
    """The items of all queues of a log."""

    def __init__(self, line: Timeline, units: Units, *, tau_s: float) -> None:
        self._line = line
        self._tau_s = tau_s
        self._due = _due(line, units)
        self._staffed = {role: _staffed(line, role) for role in line.queues}

    def times(self, shard: Shard) -> ItemTimes:
        """What befell the items of one partition."""
        found = ItemTimes()
        for key in self._keys(shard):
            held = self._line.by_key.get(key, ())
            holding = Spans.union(tenure.acting for tenure in held)
            due = self._due.get(key, EMPTY)
            split = _doubled(held)
            found.split.append(split)
            found.faux.append(((due & holding) - split).after(self._tau_s))
            found.gap.append(self._gap(shard.role, held, due, holding))
        return found

    def _gap(self, role: str, held: tuple[Tenure, ...], due: Spans, holding: Spans) -> Spans:
        first_s = min((tenure.lead_s for tenure in held), default=float("inf"))
        untaken = Spans.of((start, min(end, first_s)) for start, end in due)
        there = untaken & self._staffed[role]
        return (due - there - holding) | there.after(self._tau_s)

    def _keys(self, shard: Shard) -> set[ClaimKey]:
        """Every item that was announced, or held."""
        keys = (*self._due, *self._line.by_key)
        return {key for key in keys if key[:3] == shard}


def _due(line: Timeline, units: Units) -> Mapping[ClaimKey, Spans]:
    """From when to when each item was due and not done."""
    if not line.queues:
        return {}
    waiting = units.waiting()
    parts: dict[ClaimKey, list[Spans]] = {}
    for record in line.log.all(Backlog):
        if record.role in line.queues and record.seat is not None:
            key = ClaimKey(record.role, line.queues[record.role], record.shard, record.seat)
            parts.setdefault(key, []).extend(waiting[name] for name in record.units)
    return {key: Spans.union(spans) for key, spans in parts.items()}


def _staffed(line: Timeline, role: str) -> Spans:
    """When anybody was there who takes items of this queue, and not stopped."""
    handlers = {lead.who for lead in line.log.all(Lead) if lead.key.role == role}
    there = presence(line)
    return Spans.union(there[who] - frozen(who, line.faults) for who in handlers)


def _doubled(held: tuple[Tenure, ...]) -> Spans:
    """When two processes could act on one item."""
    holders: dict[Who, Spans] = {}
    for tenure in held:
        holders[tenure.who] = holders.get(tenure.who, EMPTY) | tenure.acting
    return Spans.shared(holders.values())
