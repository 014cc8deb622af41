"""The matrix in words: a table for each mode, between two marks of docs/reliability.md.

Owns these words. Computes nothing: the figures are the results', the reasons the faults' own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import shorten

from tests.lab.matrix.cells import ROWS, Cell, Plan, columns, unfit
from tests.lab.matrix.results import Figures, Outcome

__all__ = ["BEGIN", "END", "RED", "render", "with_table"]

BEGIN = "<!-- matrix: written by `make matrix` -->"
END = "<!-- matrix: end -->"
RED = "🔴"
_HEADS = {"sqlite": "SQLite", "etcd": "etcd ×3", "zookeeper": "ZooKeeper ×3"}
_HEADS["dynamodb"] = "DynamoDB Local"
_LONGEST = 300
_NOT_PLAYED = "not played"


class _Notes:
    """Footnotes: one number a text."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def mark(self, text: str) -> str:
        told = shorten(text.replace("|", "/"), _LONGEST, placeholder=" …")
        return f"({self._numbers.setdefault(told, len(self._numbers) + 1)})"

    def lines(self) -> Iterator[str]:
        for text, number in self._numbers.items():
            yield f"({number}) {text}  "


def render(outcomes: Mapping[str, Outcome], plan: Plan, modes: tuple[str, ...], on: str) -> str:
    """All tables, with what they were made on."""
    return "\n\n".join(
        [_head(outcomes, plan, on), *(_mode(mode, outcomes, plan) for mode in modes)]
    )


def with_table(page: str, table: str) -> str:
    """The page with this table between the marks. Raises ValueError if they are not there."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there is no place for the table: {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def _head(outcomes: Mapping[str, Outcome], plan: Plan, on: str) -> str:
    played = [one for one in outcomes.values() if one.state != "failed"]
    red = [one for one in outcomes.values() if one.state != "kept"]
    dates = sorted(one.date for one in outcomes.values() if one.date)
    when = f"{dates[0][:10]} to {dates[-1][:10]}" if dates else "never"
    if dates and dates[0][:10] == dates[-1][:10]:
        when = dates[0][:10]
    stale = sum(one.figures.attempted for one in played if one.figures)
    fenced = sum(one.figures.fenced for one in played if one.figures)
    unfenced = sum(one.figures.unfenced for one in played if one.figures)
    return (
        f"Played {when} on {on}; ttl {plan.ttl_s:g} s, {plan.members} members, rounds:"
        f" {plan.rounds}. Cells played: {len(played)}, of which red: {len(red)}. Stale acts in all"
        f" of them: {stale} attempted, {fenced} taken by fenced resources, {unfenced} by those"
        " without a fence."
    )


def _mode(mode: str, outcomes: Mapping[str, Outcome], plan: Plan) -> str:
    stores = columns(mode)
    notes = _Notes()
    heads = [_HEADS[store] for store in stores] if len(stores) > 1 else ["the lab's queue"]
    lines = [
        f"### Mode {mode}",
        "",
        f"| Fault | {' | '.join(heads)} |",
        f"|---|{'---|' * len(stores)}",
    ]
    for row in ROWS:
        found = [_cell(Cell(mode, row, store), outcomes, plan, notes) for store in stores]
        lines.append(f"| {row.name} | {' | '.join(found)} |")
    below = list(notes.lines())
    return "\n".join([*lines, *(["", *below] if below else [])])


def _cell(cell: Cell, outcomes: Mapping[str, Outcome], plan: Plan, notes: _Notes) -> str:
    outcome = outcomes.get(cell.name)
    if outcome is None:
        reason = unfit(cell, plan)
        return f"– {notes.mark(reason)}" if reason else _NOT_PLAYED
    shown = _figures(outcome.figures) if outcome.figures else outcome.state
    if outcome.state != "kept":
        shown = f"{RED} **{shown}** {notes.mark('; '.join(outcome.why))}"
    return shown + "".join(f" {notes.mark(text)}" for text in dict.fromkeys(outcome.excused))


def _figures(found: Figures) -> str:
    seconds = (found.gap_s, found.split_s, found.faux_s)
    stale = f"{found.attempted}:{found.fenced}:{found.unfenced}" if found.attempted else "0"
    parts = [*(_seconds(one) for one in seconds), str(found.false_failovers), stale]
    return " · ".join(parts)


def _seconds(value: float) -> str:
    """A split is never rounded to nothing."""
    if value == 0:
        return "0"
    return f"{value:.1f}" if value >= 0.05 else f"{value:.1g}"
