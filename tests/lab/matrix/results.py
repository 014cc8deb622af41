"""What came of a cell, as a line of JSON.

Owns that form and its file. Figures are those of `coord.report/1`: the worst of all rounds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from coord.lab.chaos.verdict import Verdict
from coord.lab.chaos.writing import to_toml
from tests.lab.matrix.cells import Cell, Plan, scenario_of

__all__ = ["Figures", "Outcome", "Results", "failed", "figures_of", "outcome_from", "outcome_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Seconds: the worst of all shards and rounds. Counts: of all rounds."""

    gap_s: float
    split_s: float
    faux_s: float
    false_failovers: int
    attempted: int
    fenced: int
    unfenced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`kept`: all rules were; `broken`: `why` names which; `failed`: not played to its end.

    `excused`: what was the store's, with its reasons. `scenario`: what was played, in full.
    """

    cell: str
    state: Literal["kept", "broken", "failed"]
    scenario: str
    figures: Figures | None = None
    why: tuple[str, ...] = ()
    excused: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    took_s: float = 0.0
    date: str = ""
    events: str = ""


def outcome_of(cell: Cell, plan: Plan, verdict: Verdict) -> Outcome:
    """What a verdict says of a cell."""
    return Outcome(
        cell=cell.name,
        state="kept" if verdict.kept else "broken",
        scenario=to_toml(scenario_of(cell, plan)),
        figures=figures_of(verdict),
        why=tuple(f"{one.rule}: {one.detail}" for one in verdict.violations),
        excused=tuple(f"{one.violation.rule}: {one.reason}" for one in verdict.excused),
        versions=verdict.facts.versions,
    )


def failed(cell: Cell, plan: Plan, why: str) -> Outcome:
    """It was not played to its end."""
    scenario = to_toml(scenario_of(cell, plan))
    return Outcome(cell=cell.name, state="failed", scenario=scenario, why=(why,))


def figures_of(verdict: Verdict) -> Figures:
    """The figures of all rounds of a run of one fault."""
    [run] = verdict.report["runs"]
    return Figures(
        gap_s=run["gap_s"]["worst"],
        split_s=run["split_s"]["worst"],
        faux_s=run["faux_s"]["worst"],
        false_failovers=run["false_failovers"],
        attempted=run["stale_acts"]["attempted"],
        fenced=run["stale_acts"]["accepted"],
        unfenced=run["stale_acts"]["accepted_unfenced"],
    )


class Results:
    """A file with a line for each cell that was played; of one cell, the last line counts."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def add(self, outcome: Outcome) -> None:
        """Write it down."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a") as lines:
            lines.write(json.dumps(asdict(outcome)) + "\n")

    def all(self) -> dict[str, Outcome]:
        """By the name of the cell. A line that was cut short is left out: it is played again."""
        found = {}
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        for line in lines:
            try:
                outcome = outcome_from(json.loads(line))
            except (ValueError, TypeError, KeyError):
                continue
            found[outcome.cell] = outcome
        return found


def outcome_from(raw: dict[str, Any]) -> Outcome:
    """What was written as JSON. Raises TypeError or KeyError for what was not."""
    outcome = Outcome(**raw)
    figures = raw["figures"]
    return replace(
        outcome,
        figures=Figures(**figures) if isinstance(figures, dict) else None,
        why=tuple(outcome.why),
        excused=tuple(outcome.excused),
    )
