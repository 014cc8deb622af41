"""What a run says in the end: one table, and one line a mode about what it traded.

Owns the wording. Every number, and every choice between two wordings, comes from the report of this
very run; nothing is claimed that the figures do not show.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table

from coord.lab.chaos.kinds import kind_named
from coord.lab.demo.cast import FAULTS
from coord.lab.measure import Report, RoundResult
from coord.lab.measure.report import Run
from coord.lab.work.items import QUEUE
from coord.lab.work.modes import ARCHIVE_S, PROGRESS_TIMEOUT_S, REST_S, TAU_S, visibility_s

__all__ = ["legend", "notes", "outcome", "table", "trades"]

_NOTHING_S = 0.05
"""Shorter than this is not told as a standstill: a shard that changes hands in order takes it."""


def table(report: Report) -> Table:
    """Modes and faults with their figures; fits 80 columns."""
    grid = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    for name in ("mode", "fault"):
        grid.add_column(name, no_wrap=True)
    names = ("gap", "split", "faux", "failover", "stale acts", "blast", "twice", "missed")
    for name in (*names, "requests"):
        grid.add_column(name, justify="right", no_wrap=True)
    previous = ""
    for run in report["runs"]:
        if previous not in ("", run["mode"]):
            grid.add_section()
        grid.add_row("" if run["mode"] == previous else run["mode"], run["fault"], *_cells(run))
        previous = run["mode"]
    return grid


def _cells(run: Run) -> Iterable[str]:
    stale = run["stale_acts"]
    yield _seconds(run["gap_s"]["worst"])
    yield _seconds(run["split_s"]["worst"])
    yield _seconds(run["faux_s"]["worst"])
    total = run["failover_s"]["total"]["mean"]
    yield "–" if total is None else _seconds(total)
    yield f"{stale['attempted']}/{stale['accepted']}/{stale['accepted_unfenced']}"
    yield f"{run['blast_radius']:.0%}"
    yield f"{run['duplicates']}"
    yield f"{run['missed']}"
    yield f"{run['store_requests_per_member_s']:.1f}"


def _seconds(value: float) -> str:
    return "0" if value == 0 else f"{value:.2f}"


def outcome(result: RoundResult) -> str:
    """One round in one line, as soon as it is over."""
    totals = [failover.total_s for failover in result.failovers]
    parts = [f"{result.round.mode}, {result.round.fault}:"]
    if totals:
        acted = all(failover.warm_up_s is not None for failover in result.failovers)
        what = "a successor acted after" if acted else "no successor acted for"
        parts.append(f"{what} {max(totals):.2f} s;")
    parts.append(f"gap {max(result.gap_s):.2f} s, faux {max(result.faux_s):.2f} s,")
    shards = "partitions" if result.round.mode == QUEUE.name else "shards"
    parts.append(f"{result.blast_radius:.0%} of the {shards} hit;")
    stale = result.stale_acts
    parts.append(f"stale acts: fenced {stale.accepted}, unfenced {stale.accepted_unfenced}")
    return " ".join(parts)


def trades(report: Report) -> list[tuple[str, str]]:
    """For each mode, what this run shows that it traded: (mode, sentence)."""
    by_mode: dict[str, list[Run]] = {}
    for run in report["runs"]:
        by_mode.setdefault(run["mode"], []).append(run)
    baseline = next(iter(by_mode.values()))
    return [(mode, _trade(runs, baseline)) for mode, runs in by_mode.items()]


def _trade(runs: Sequence[Run], baseline: Sequence[Run]) -> str:
    return " ".join([_standstill(runs), _twice(runs), _cost(runs, baseline)])


def _idle_s(run: Run) -> float:
    """The longest that a shard was without a leader, or with one that did nothing."""
    return max(run["gap_s"]["worst"], run["faux_s"]["worst"])


def _standstill(runs: Sequence[Run]) -> str:
    worst = max(runs, key=_idle_s)
    idle = _idle_s(worst)
    if idle < _NOTHING_S:
        return "No fault left any work without somebody to do it."
    reach = _left_lying(runs) if runs[0]["mode"] == QUEUE.name else _reach(runs)
    return f"{reach}; the worst of it stood still for {idle:.2f} s ({worst['fault']})."


def _reach(runs: Sequence[Run]) -> str:
    blasts = [run["blast_radius"] for run in runs]
    if min(blasts) >= 1:
        return "Every fault stopped all of the work"
    if max(blasts) >= 1:
        hit = [run["fault"] for run in runs if run["blast_radius"] >= 1]
        return f"All of the work stopped with {' and '.join(hit)}"
    return f"A fault stopped {_range(blasts)} of the work, and the rest went on"


def _left_lying(runs: Sequence[Run]) -> str:
    blasts = [run["blast_radius"] for run in runs]
    return f"A fault left messages of {_range(blasts)} of the partitions lying"


def _range(shares: Sequence[float]) -> str:
    low, high = f"{min(shares):.0%}", f"{max(shares):.0%}"
    return high if low == high else f"{low} to {high}"


def _twice(runs: Sequence[Run]) -> str:
    count = sum(run["duplicates"] for run in runs)
    missed = sum(run["missed"] for run in runs)
    lost = f" {_times(missed, 'row')} stayed undone." if missed else ""
    if not count:
        return f"No row was handled twice.{lost}"
    return f"The price: {_times(count, 'time')} a row was handled that had been done.{lost}"


def _cost(runs: Sequence[Run], baseline: Sequence[Run]) -> str:
    rate, usual = _rate(runs), _rate(baseline)
    requests = "requests to the queue" if runs[0]["mode"] == QUEUE.name else "store requests"
    text = f"{rate:.1f} {requests} a second and worker"
    if runs is baseline or usual <= 0:
        return f"{text}."
    return f"{text}, {rate / usual:.1f} × those of {baseline[0]['mode']}."


def _rate(runs: Sequence[Run]) -> float:
    return sum(run["store_requests_per_member_s"] for run in runs) / len(runs)


def _times(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def notes(report: Report) -> list[str]:
    """What the table does not say by itself: detection, and what the fence was worth."""
    found = [_detection(report, fault) for fault in FAULTS]
    return [note for note in (*found, _redelivery(report), _fence(report)) if note]


def _detection(report: Report, fault: str) -> str:
    detects = [
        run["failover_s"]["detect"]["mean"]
        for run in report["runs"]
        if run["fault"] == fault and run["mode"] != QUEUE.name
    ]
    known = [seconds for seconds in detects if seconds is not None]
    if not known:
        return ""
    mean, ttl = sum(known) / len(known), report["ttl_s"]
    text = f"{fault}: found out after {mean:.2f} s on average"
    if fault == "wedge":
        return f"{text}; the lease was renewed all the time, only the missing progress told."
    kind = kind_named(report["store"])
    if kind.proves_death and mean < ttl / 2:
        return (
            f"{text}, long before the ttl of {ttl:g} s: on one machine the death of a process can "
            "be proven, and its session is evicted at once."
        )
    return f"{text}: {kind.waits.format(ttl=ttl)}"


def _redelivery(report: Report) -> str:
    """Nobody finds anything out about a worker of a queue: its messages show again."""
    found = {
        run["fault"]: run["failover_s"]["detect"]["mean"]
        for run in report["runs"]
        if run["mode"] == QUEUE.name
    }
    told = [f"{mean:.2f} s ({fault})" for fault, mean in found.items() if mean is not None]
    if not told:
        return ""
    return (
        f"queue: messages in hand came to another handler after {', '.join(told)} on average; the "
        f"queue hides them for {visibility_s(report['ttl_s']):g} s at a time, and a handler may "
        f"take {PROGRESS_TIMEOUT_S:g} s."
    )


def _fence(report: Report) -> str:
    stale = [run["stale_acts"] for run in report["runs"]]
    attempted = sum(one["attempted"] for one in stale)
    fenced = sum(one["accepted"] for one in stale)
    unfenced = sum(one["accepted_unfenced"] for one in stale)
    has_queue = any(run["mode"] == QUEUE.name for run in report["runs"])
    who = "leaders and handlers" if has_queue else "leaders"
    if not attempted:
        return "stale acts: none was attempted in this run; more --rounds will show some."
    return (
        f"stale acts: {who} that had been replaced attempted {attempted}, at one table or the "
        f"other; the fenced table took {fenced}, the unfenced table {unfenced}."
    )


def legend() -> str:
    """What the columns mean, and what a reader must know to judge them."""
    return (
        "Seconds of the worst shard: gap, nobody could act; split, two could; faux, one could, "
        f"work was due, and for more than {TAU_S:g} s it did nothing (counted from then on). "
        "queue: each message by itself; a partition has a gap while nobody who could act has one "
        f"of its messages that was handed out, or has waited for more than {TAU_S:g} s, whatever "
        "is done to the others. "
        "failover: from the fault (of a message that was taken later: from then) to the "
        "successor's first act, mean. stale acts of the replaced: attempted / taken by the fenced "
        f"table / by the unfenced one; an act takes {ARCHIVE_S:g} s between check and deletion, "
        f"the next begins {REST_S:g} s later, and no pause strikes inside a database transaction. "
        "blast: shards with gap, split or faux. "
        "twice: times that a row was handled again. missed: rows that nobody deleted. requests: "
        "to the store (queue: to the queue) a second and worker, without what its watch asks "
        "besides."
    )
