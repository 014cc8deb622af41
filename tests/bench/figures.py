"""Collects what the benchmarks measured, and writes it down: `build/bench.json` and the page.

Owns the form of both. Measures nothing itself. A figure is a median of several rounds with its
spread; where there is a bare client to compare with, both ran in the same round, in turn.
"""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import coord
from tests.architecture.project import ROOT

__all__ = ["Figure", "Figures"]

SCHEMA = "coord.bench/1"
_PAGE = ROOT / "docs" / "performance.md"
_JSON = ROOT / "build" / "bench.json"


@dataclass(frozen=True)
class Figure:
    """One measured quantity. `limit` is the target that it must stay below, in the same unit."""

    name: str
    unit: str
    rounds: tuple[float, ...]
    bare: tuple[float, ...] = ()
    limit: float | None = None
    remark: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def ratio(self) -> float | None:
        """The median of ours over bare, round by round."""
        if not self.bare:
            return None
        pairs = zip(self.rounds, self.bare, strict=True)
        return statistics.median(ours / bare for ours, bare in pairs)

    def as_json(self) -> dict[str, object]:
        derived = {
            "median": self.median,
            "bare_median": statistics.median(self.bare) if self.bare else None,
            "ratio": self.ratio,
        }
        return asdict(self) | derived

    def as_row(self) -> str:
        spread = f"{_number(min(self.rounds))} to {_number(max(self.rounds))}"
        bare = _number(statistics.median(self.bare)) if self.bare else ""
        ratio = f"{self.ratio:.2f}" if self.ratio is not None else ""
        limit = _number(self.limit) if self.limit is not None else ""
        cells = (self.name, self.unit, _number(self.median), spread, bare, ratio, limit)
        return "| " + " | ".join(cells) + " |"


@dataclass
class Figures:
    """All figures of one run."""

    found: list[Figure] = field(default_factory=list)

    def add(
        self,
        name: str,
        unit: str,
        rounds: Sequence[float],
        *,
        bare: Sequence[float] = (),
        limit: float | None = None,
        remark: str = "",
    ) -> Figure:
        """Keep a figure, and return it for the test to judge."""
        figure = Figure(name, unit, tuple(rounds), tuple(bare), limit, remark)
        self.found.append(figure)
        return figure

    def write(self) -> None:
        """Write the JSON, and the page when the run was complete enough to replace it."""
        _JSON.parent.mkdir(exist_ok=True)
        document = {
            "schema": SCHEMA,
            "machine": _machine(),
            "figures": [figure.as_json() for figure in self.found],
        }
        _JSON.write_text(json.dumps(document, indent=1) + "\n")
        _PAGE.write_text(self._page())

    def _page(self) -> str:
        machine = _machine()
        facts = ", ".join(f"{name} {value}" for name, value in machine.items())
        lines = [
            "# Performance",
            "",
            "Written by `make bench`; do not edit. Every row is the median of several rounds.",
            "Where a bare client is given, it did the same writes with `sqlite3` alone,",
            "in turn with ours in the same run; *ratio* is the median of ours over bare, round by",
            "round.",
            "",
            f"Machine: {facts}.",
            "",
            "| What | Unit | Median | Spread | Bare | Ratio | Target at most |",
            "|---|---|---|---|---|---|---|",
            *(figure.as_row() for figure in self.found),
            "",
            *(f"- **{f.name}**: {f.remark}" for f in self.found if f.remark),
            "",
        ]
        return "\n".join(lines)


def _number(value: float) -> str:
    if value and abs(value) < 1:
        return f"{value:.3g}"
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def _machine() -> dict[str, str]:
    return {
        "cores": str(os.cpu_count()),
        "kernel": platform.release().split("-", maxsplit=1)[0],
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "coord": coord.__version__,
    }
