"""How long it took until somebody else acted, and who was replaced without need.

Owns failover and false failover.

**Failover** of a claim, for each fault that struck its holder: *detect* is from the fault to the
moment when the successor asked for the claim, *claim* from there until its tenure began, *warm-up*
from there to its first accepted act; *total* is their sum. Each claim that the target held when the
fault began counts once. If its tenure goes on to the end of the window (a pause that was short, a
wedge that nobody noticed) there was no failover: gap and faux tell about that. If it ended and
the window closed before a successor acted, *total* is the time until then, so that the
worst cases are not left out, and the parts that did not happen are left out.

Of an item of a queue *detect* is to the moment when another handler was given it, and there is no
*claim*: nobody asks for an item. A target that goes on taking items while it is struck (a wedge)
keeps these from others as well: they count from when it got them. What the target got done itself
is no failover.

**False failover**: a tenure taken from, or given up by, a member that no fault struck: reported by
the member itself ("session-lost", "session-given-up", "late", "deposed", "lapsed"), neither during
a fault that strikes it nor within the aftermath of one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from coord.lab.measure.effects import counted_acts
from coord.lab.measure.events import Act, Note, Who
from coord.lab.measure.faults import EVERYBODY, Fault
from coord.lab.measure.intervals import Span
from coord.lab.measure.tenures import Tenure, Timeline
from coord.model import ClaimKey

__all__ = ["DEMOTIONS", "Failover", "Stats", "failovers", "false_failovers", "stats"]

_OF_SESSION = frozenset({"session-lost", "session-given-up"})
_OF_CLAIM = frozenset({"late", "deposed", "lapsed"})

DEMOTIONS = _OF_SESSION | _OF_CLAIM
"""The notes by which a member tells that it did not let go of its own will."""

_ENOUGH_FOR_P99 = 100
_Name = tuple[Who, ClaimKey, int]


@dataclass(frozen=True, slots=True)
class Failover:
    """One claim changing hands because of one fault. Durations in seconds; None: not reached."""

    key: ClaimKey
    fault: Fault
    detect_s: float | None
    claim_s: float | None
    warm_up_s: float | None
    total_s: float


@dataclass(frozen=True, slots=True)
class Stats:
    """Of n durations. p50 and p99 interpolate between ranks; p99 is None below 100."""

    n: int = 0
    mean: float | None = None
    p50: float | None = None
    p99: float | None = None
    max: float | None = None


def stats(values: Sequence[float]) -> Stats:
    """Mean, median, 99th percentile and maximum."""
    if not values:
        return Stats()
    ordered = sorted(values)
    return Stats(
        n=len(ordered),
        mean=math.fsum(ordered) / len(ordered),
        p50=_quantile(ordered, 0.5),
        p99=_quantile(ordered, 0.99) if len(ordered) >= _ENOUGH_FOR_P99 else None,
        max=ordered[-1],
    )


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Between the two neighbours of rank share × (n − 1), counted from 0."""
    rank = share * (len(ordered) - 1)
    low = math.floor(rank)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)


def failovers(line: Timeline, window: Span) -> list[Failover]:
    """All failovers caused by faults that began in the window."""
    first_acts = line.log.once("first acts", lambda: _first_acts(line))
    done = _done(line)
    found: list[Failover] = []
    for fault in line.faults:
        if not window.start_s <= fault.begin_s < window.end_s or fault.target.member == EVERYBODY:
            continue
        for tenures in line.by_key.values():
            held = [one for one in tenures if fault.strikes(one.who) and _suffers(line, one, fault)]
            if held and not any(_name(one) in done for one in held):
                failover = _one(line, fault, held, window, first_acts)
                found += [failover] if failover else []
    return found


def _suffers(line: Timeline, tenure: Tenure, fault: Fault) -> bool:
    """Whether the fault struck it: it was held then or, an item, taken while it was in force."""
    during = fault.begin_s <= tenure.lead_s < fault.end_s
    return _holds(tenure, fault) or (during and tenure.key.role in line.queues)


def _holds(tenure: Tenure, fault: Fault) -> bool:
    """Whether it could act up to the fault, which itself may have ended the acting."""
    return any(span.start_s <= fault.begin_s <= span.end_s for span in tenure.acting)


def _one(
    line: Timeline,
    fault: Fault,
    struck: Sequence[Tenure],
    window: Span,
    first_acts: dict[_Name, float],
) -> Failover | None:
    held = struck[-1]
    since = max(fault.begin_s, struck[0].lead_s)
    successor = _successor(line.by_key[held.key], held, fault, window)
    if successor is None:
        if any(span.start_s < window.end_s <= span.end_s for span in held.acting):
            return None
        return Failover(held.key, fault, None, None, None, window.end_s - since)
    is_item = held.key.role in line.queues
    told = successor.lead_s if is_item else min(successor.asked_s, successor.lead_s)
    asked = max(since, told)
    acted = first_acts.get(_name(successor), math.inf)
    warm_up = acted - successor.lead_s if acted < window.end_s else None
    return Failover(
        held.key,
        fault,
        detect_s=asked - since,
        claim_s=None if is_item else successor.lead_s - asked,
        warm_up_s=warm_up,
        total_s=min(acted, window.end_s) - since,
    )


def _successor(
    tenures: Sequence[Tenure], held: Tenure, fault: Fault, window: Span
) -> Tenure | None:
    """The next tenure under a newer token, in the window."""
    for tenure in tenures:
        newer = tenure.token > held.token and tenure.lead_s >= fault.begin_s
        if newer and tenure.lead_s < window.end_s:
            return tenure
    return None


def _name(tenure: Tenure) -> _Name:
    return tenure.who, tenure.key, tenure.token


def _done(line: Timeline) -> set[_Name]:
    """The items of queues that were done, by who did them."""
    acts = counted_acts(line.log) if line.queues else ()
    return {(act.who, act.key, act.token) for act in acts if act.key.role in line.queues}


def _first_acts(line: Timeline) -> dict[_Name, float]:
    found: dict[_Name, float] = {}
    for act in line.log.all(Act):
        if act.accepted:
            found.setdefault((act.who, act.key, act.token), act.t)
    return found


def false_failovers(line: Timeline, window: Span, *, aftermath_s: float) -> int:
    """Tenures that members lost in the window though nothing had been done to them.

    A lost session counts once for each tenure that it ended.
    """
    count = 0
    for note in line.log.all(Note):
        if note.what not in DEMOTIONS or not window.start_s <= note.t < window.end_s:
            continue
        if any(fault.explains(note.who, note.t, aftermath_s=aftermath_s) for fault in line.faults):
            continue
        if note.what in _OF_CLAIM:
            count += 1
            continue
        count += sum(
            one.who == note.who and one.lead_s <= note.t < one.over_s for one in line.tenures
        )
    return count
