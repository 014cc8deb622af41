"""The tables of the page: the matrix, the figures, the verdicts.

Owns their form as HTML. Computes nothing: figures are those of `coord.report/1`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from coord.lab.chaos.verdict import Verdict
from coord.lab.measure import Violation
from coord.lab.measure.report import Figures, Run
from coord.lab.report.model import RunView
from coord.lab.report.svg import tag

__all__ = ["figures", "gantt_id", "matrix", "verdict"]

_HEADS = (
    ("run", ""),
    ("verdict", ""),
    ("gap", "worst / mean s"),
    ("split", "worst / mean s"),
    ("faux", "worst / mean s"),
    ("failover", "n, p50 / p99 / max s"),
    ("stale acts", "tried / fenced took / unfenced took"),
    ("false failovers", ""),
    ("blast radius", ""),
    ("duplicates", ""),
    ("missed", ""),
    ("requests", "per member and s"),
    ("ttl", "s"),
    ("seed", ""),
    ("versions", ""),
)


def gantt_id(run: int, one: int, shard: int) -> str:
    """The name of a Gantt: of a run, a round and a shard by their places."""
    return f"run{run + 1}-round{one + 1}-shard{shard + 1}"


def matrix(runs: Sequence[RunView]) -> str:
    """Faults by stores. Each entry leads to the Gantt of the shard that suffered most."""
    columns = sorted({(run.facts.store, run.facts.mode) for run in runs})
    found = [
        (one["fault"], (run.facts.store, run.facts.mode), _entry(index, run, one))
        for index, run in enumerate(runs)
        for one in run.verdict.report["runs"]
    ]
    head = "".join(
        tag("th", escape(store), tag("small", escape(mode)), scope="col") for store, mode in columns
    )
    body = []
    for fault in sorted({struck for struck, _, _ in found}):
        cells = []
        for column in columns:
            here = [entry for struck, place, entry in found if (struck, place) == (fault, column)]
            cells.append(tag("td", *(here or ['<span class="none">not run</span>'])))
        body.append(tag("tr", tag("th", escape(fault), scope="row"), *cells))
    caption = (
        "Worst gap, split and faux of one shard in one round, in seconds; false failovers; stale "
        "acts tried, of them taken by an unfenced resource. A cell opens its Gantt; its verdict is "
        "of the whole run."
    )
    return _table(caption, tag("tr", tag("th", "fault", scope="col"), head), body, "matrix")


def _entry(index: int, run: RunView, one: Run) -> str:
    told = _cell_line(one) + _mark(run.verdict) + tag("small", f"seed {run.facts.seed}")
    place = run.worst_of(one["fault"])
    if place is None:
        return tag("div", told, class_="entry")
    link = f"#{gantt_id(index, place, run.rounds[place].worst)}"
    look = "entry" if run.verdict.kept else "entry red"
    return tag("a", told, href=link, class_=look)


def _cell_line(one: Run) -> str:
    stale = one["stale_acts"]
    pairs = [
        ("gap", f"{one['gap_s']['worst']:.2f}"),
        ("split", f"{one['split_s']['worst']:.2f}"),
        ("faux", f"{one['faux_s']['worst']:.2f}"),
        ("false", str(one["false_failovers"])),
        ("stale", f"{stale['attempted']} / {stale['accepted_unfenced']}"),
    ]
    return "".join(
        f'<span class="pair"><span>{name}</span> <b>{value}</b></span>' for name, value in pairs
    )


def _mark(verdict: Verdict) -> str:
    if verdict.kept:
        return '<span class="kept">✓ rules kept</span>'
    return f'<span class="broken">✗ {_count(len(verdict.violations), "violation")}</span>'


def figures(runs: Sequence[RunView]) -> str:
    """A row for each run and kind of round, as in `coord.report/1`."""
    head = "".join(
        tag("th", name, tag("small", unit) if unit else "", scope="col") for name, unit in _HEADS
    )
    body = [
        tag("tr", tag("th", _run_link(index, run), scope="row"), *map(_cell, _row(run, one)))
        for index, run in enumerate(runs)
        for one in run.verdict.report["runs"]
    ]
    caption = "All figures. p99 is told from 100 failovers on; a dash: there was none."
    return _table(caption, tag("tr", head), body, "figures")


def _run_link(index: int, run: RunView) -> str:
    return tag("a", escape(f"{index + 1}. {run.facts.title}"), href=f"#run{index + 1}")


def _cell(inside: str) -> str:
    return tag("td", inside)


def _row(run: RunView, one: Run) -> list[str]:
    facts = run.facts
    stale = one["stale_acts"]
    extents = [one["gap_s"], one["split_s"], one["faux_s"]]
    return [
        _mark(run.verdict),
        *(f"{extent['worst']:.3f} / {extent['mean']:.3f}" for extent in extents),
        _failover(one["failover_s"]["total"]),
        f"{stale['attempted']} / {stale['accepted']} / {stale['accepted_unfenced']}",
        str(one["false_failovers"]),
        f"{one['blast_radius']:.2f}",
        str(one["duplicates"]),
        str(one["missed"]),
        f"{one['store_requests_per_member_s']:.2f}",
        f"{facts.ttl_s:g}",
        str(facts.seed),
        escape(", ".join(f"{name} {version}" for name, version in facts.versions.items())),
    ]


def _failover(one: Figures) -> str:
    told = ("–" if value is None else f"{value:.3f}" for value in (one["p50"], one["p99"], one["max"]))  # fmt: skip  # noqa: E501
    return f"{one['n']}, {' / '.join(told)}"


def verdict(run: RunView) -> str:
    """Broken rules with moment and reason, what was excused and why, what was damaged."""
    told = run.verdict
    parts = []
    if told.violations:
        rows = (_violation(told, one) for one in told.violations)
        parts.append(tag("ul", *rows, class_="broken"))
    if told.excused:
        rows = (_violation(told, one.violation, one.reason) for one in told.excused)
        parts.append(
            tag("details", tag("summary", f"{len(told.excused)} excused, with the reason"),
                tag("ul", *rows))
        )  # fmt: skip
    if told.damaged:
        places = tag("ul", *(tag("li", escape(place)) for place in told.damaged))
        words = f"{_count(len(told.damaged), 'line')} of the logs damaged and left out"
        parts.append(tag("details", tag("summary", words), places, class_="note"))
    return tag("p", _mark(told)) + "".join(parts)


def _violation(told: Verdict, one: Violation, reason: str = "") -> str:
    inside = told.round_at(one.at_s)
    when = "outside of all rounds"
    if inside is not None:
        when = f"round {inside.number}, {one.at_s - inside.window.start_s:.3f} s into it"
    words = f"{one.rule}: {one.detail} ({when})"
    return tag("li", escape(f"{words}. {reason}" if reason else words))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _table(caption: str, head: str, body: Iterable[str], look: str) -> str:
    inside = tag("caption", caption) + tag("thead", head) + tag("tbody", *body)
    return tag("div", tag("table", inside, class_=look), class_="wide", tabindex="0",
               role="region", aria_label=caption.partition(".")[0])  # fmt: skip
