"""From a saved run to what the page shows of it.

Owns which shards are drawn, and when tenures share a bar; says so where it leaves something off.
Draws nothing. What is refused of a directory is refused by `coord.lab.chaos.saved`, as for
`coord chaos check`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from coord.lab.chaos.saved import load_run
from coord.lab.chaos.verdict import Facts, judge, without
from coord.lab.measure import Log, Round, Shard, ShardTimes, Tenure, Timeline, shard_times, timeline
from coord.lab.measure.effects import stale_acts
from coord.lab.measure.events import Act
from coord.lab.measure.faults import DIED, EVERYBODY, Fault, frozen
from coord.lab.measure.intervals import Span, Spans
from coord.lab.measure.metrics import within
from coord.lab.measure.tenures import presence
from coord.lab.report.model import ActMark, Band, Bar, RoundView, RunView, ShardView

__all__ = ["MOST_BARS", "MOST_SHARDS", "gather", "viewed"]

MOST_SHARDS = 240
"""So many Gantt charts a run at most, over all its rounds: those that suffered most."""

MOST_BARS = 300
"""Where a shard has more tenures in a round, bars of one member that touch are drawn as one."""


_AT_ONCE = frozenset({"kill", DIED})


def gather(directory: Path) -> RunView:
    """Read, judge and prepare a saved run. Raises UsageError for what is no whole saved run."""
    facts, log = load_run(directory)
    return viewed(directory, facts, log)


def viewed(directory: Path | None, facts: Facts, log: Log) -> RunView:
    """Judge and prepare a run. Raises UsageError if the log is not of that whole run.

    `directory`: where it is kept; None: nowhere.
    """
    verdict = judge(log, facts)
    line = timeline(without(log, frozenset(facts.unrecorded)))
    times = shard_times(line, tau_s=facts.tau_s)
    by_shard: dict[Shard, list[Tenure]] = {}
    for tenure in line.tenures:
        by_shard.setdefault(tenure.shard, []).append(tenure)
    most = max(1, MOST_SHARDS // max(1, len(verdict.results)))
    rounds = tuple(
        _round(one.round, line, within(times, one.round.window), by_shard, most)
        for one in verdict.results
    )
    return RunView(directory, verdict, rounds)


def _round(
    one: Round,
    line: Timeline,
    times: Mapping[Shard, ShardTimes],
    by_shard: Mapping[Shard, list[Tenure]],
    most: int,
) -> RoundView:
    window = one.window
    there = presence(line)
    names = tuple(sorted({who.member for who in there}))
    rows = {name: row for row, name in enumerate(names)}
    present = tuple(
        _shifted(Spans.union(spans for who, spans in there.items() if who.member == name), window)
        for name in names
    )
    scene = _Scene(line, window, rows)
    acts = _acts(line, window, rows)
    shards = [
        _shard(shard, spans, scene, by_shard.get(shard, []), acts.get(shard, ()))
        for shard, spans in times.items()
    ]
    worst = sorted(shards, key=lambda view: -view.suffered_s)[:most]
    drawn = tuple(sorted(worst, key=lambda view: view.shard))
    return RoundView(
        number=one.number,
        fault=one.fault,
        length_s=window.length_s,
        rows=names,
        present=present,
        bands=_bands(line, window, rows),
        shards=drawn,
        left_off=len(shards) - len(drawn),
    )


@dataclass(frozen=True, slots=True)
class _Scene:
    """What all shards of a round share."""

    line: Timeline
    window: Span
    rows: Mapping[str, int]


def _shard(
    shard: Shard,
    times: ShardTimes,
    scene: _Scene,
    tenures: list[Tenure],
    acts: Iterable[ActMark],
) -> ShardView:
    line, window, rows = scene.line, scene.window, scene.rows
    here = [one for one in tenures if one.lead_s < window.end_s and one.over_s > window.start_s]
    bars = [
        Bar(rows[one.who.member], span.start_s, span.end_s, one.key.seat, one.token)
        for one in here
        for span in _shifted(one.acting, window)
    ]
    joins = shard.role in line.queues or len(bars) > MOST_BARS
    return ShardView(
        shard=shard,
        bars=tuple(_joined(bars) if joins else sorted(bars)),
        acts=tuple(acts),
        frozen=tuple(_frozen(here, line, window, rows)),
        gap=_shifted(times.gap, window),
        split=_shifted(times.split, window),
        faux=_shifted(times.faux, window),
        joined=len(here) if joins else 0,
    )


def _joined(bars: Iterable[Bar]) -> list[Bar]:
    spans: dict[int, list[tuple[float, float]]] = {}
    for bar in bars:
        spans.setdefault(bar.row, []).append((bar.start_s, bar.end_s))
    return [
        Bar(row, span.start_s, span.end_s, 0, 0)
        for row, of in sorted(spans.items())
        for span in Spans.of(of)
    ]


def _frozen(
    tenures: Iterable[Tenure], line: Timeline, window: Span, rows: Mapping[str, int]
) -> Iterable[tuple[int, Spans]]:
    held: dict[int, list[Spans]] = {}
    for one in tenures:
        cold = frozen(one.who, line.faults)
        if cold:
            life = Span(one.lead_s, min(one.over_s, window.end_s))
            held.setdefault(rows[one.who.member], []).append(cold.clip(life))
    for row, sets in sorted(held.items()):
        spans = _shifted(Spans.union(sets), window)
        if spans:
            yield row, spans


def _acts(line: Timeline, window: Span, rows: Mapping[str, int]) -> dict[Shard, list[ActMark]]:
    stale = {id(act) for act in stale_acts(line.log, window).found}
    found: dict[Shard, list[ActMark]] = {}
    for act in line.log.all(Act):
        if window.start_s <= act.t < window.end_s and act.who.member in rows:
            mark = ActMark(
                act.t - window.start_s,
                rows[act.who.member],
                act.token,
                act.fenced,
                act.accepted,
                id(act) in stale,
            )
            found.setdefault(Shard(*act.key[:3]), []).append(mark)
    return found


def _bands(line: Timeline, window: Span, rows: Mapping[str, int]) -> tuple[Band, ...]:
    return tuple(
        Band(
            fault.kind,
            "everybody" if fault.target.member == EVERYBODY else fault.target.member,
            rows.get(fault.target.member),
            max(fault.begin_s, window.start_s) - window.start_s,
            min(_over_s(fault), window.end_s) - window.start_s,
        )
        for fault in line.faults
        if fault.begin_s < window.end_s and _over_s(fault) >= window.start_s
    )


def _over_s(fault: Fault) -> float:
    """When a fault was over: a death is at once, and has no mark of an end."""
    return fault.effect_s if fault.kind in _AT_ONCE else fault.end_s


def _shifted(spans: Spans, window: Span) -> Spans:
    since = window.start_s
    return Spans.of((start - since, end - since) for start, end in spans.clip(window))
