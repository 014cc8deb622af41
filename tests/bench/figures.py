"""Collects what the benchmarks measured, and writes it down: `build/bench.json` and the page.

Owns the form of both. Measures nothing itself. A figure is a median of several rounds with its
spread; where there is a bare client to compare with, both ran in the same round, in turn. A run of
some benchmarks replaces their figures and keeps the others.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import sqlite3
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import coord
from tests.architecture.project import ROOT

__all__ = ["Figure", "Figures", "Section"]

SCHEMA = "coord.bench/3"
_PAGE = ROOT / "docs" / "performance.md"
_JSON = ROOT / "build" / "bench.json"
_ORDER = ("One member, on SQLite", "etcd", "ZooKeeper", "DynamoDB")
_CLIENTS = ("cslab-etcd3", "grpcio", "kazoo", "boto3")
_INTRODUCTION = """\
# Performance

Written by `make bench`; do not edit. Every row is the median of several rounds.
Where a bare client is given, it did the same writes through the store's own client library alone,
in turn with ours in the same run; *ratio* is the median of ours over bare, round by
round."""
_HEAD = """\
| What | Unit | Median | Spread | Bare | Ratio | Target at most |
|---|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Figure:
    """One measured quantity. `limit` is the target that it must stay below, in the same unit.

    With `limit_of_ratio` it is the ratio that must.
    """

    name: str
    unit: str
    rounds: tuple[float, ...]
    bare: tuple[float, ...] = ()
    limit: float | None = None
    limit_of_ratio: float | None = None
    remark: str = ""
    measured: str = ""

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
        if self.limit_of_ratio is not None:
            limit = f"ratio {self.limit_of_ratio:g}"
        cells = (self.name, self.unit, _number(self.median), spread, bare, ratio, limit)
        return "| " + " | ".join(cells) + " |"


@dataclass
class Section:
    """The figures of one part of a run, and what is to be said of them."""

    title: str
    text: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)

    def add(
        self,
        name: str,
        unit: str,
        rounds: Sequence[float],
        *,
        bare: Sequence[float] = (),
        limit: float | None = None,
        limit_of_ratio: float | None = None,
        remark: str = "",
    ) -> Figure:
        """Keep a figure, and return it for the test to judge."""
        figure = Figure(
            name, unit, tuple(rounds), tuple(bare), limit, limit_of_ratio, remark, _today()
        )
        self.figures.append(figure)
        return figure

    def adopt(self, earlier: Section | None) -> None:
        """Keep what an earlier run found and this one did not look for."""
        known = {figure.name for figure in self.figures}
        figures = earlier.figures if earlier is not None else []
        self.figures += [figure for figure in figures if figure.name not in known]
        self.figures.sort(key=lambda figure: figure.name)

    def as_json(self) -> dict[str, object]:
        figures = [figure.as_json() for figure in self.figures]
        return {"text": self.text, "facts": self.facts, "figures": figures}

    def as_text(self) -> str:
        facts = ", ".join(f"{name} {value}" for name, value in self.facts.items())
        days = " and ".join(sorted({figure.measured for figure in self.figures}))
        parts = [f"## {self.title}"]
        if self.text:
            parts.append(self.text)
        parts.append(f"Measured {days} with: {facts}.")
        parts.append("\n".join([_HEAD, *(figure.as_row() for figure in self.figures)]))
        remarks = [f"- **{f.name}**: {f.remark}" for f in self.figures if f.remark]
        if remarks:
            parts.append("\n".join(remarks))
        return "\n\n".join(parts)


@dataclass
class Figures:
    """All figures of one run, by section, in the order in which the page has them."""

    sections: dict[str, Section] = field(default_factory=dict)

    def section(self, title: str, text: str = "", **facts: str) -> Section:
        """The section with this title, made on first use; later words and facts are added."""
        found = self.sections.setdefault(title, Section(title, facts=_machine()))
        found.text = text.strip() or found.text
        found.facts |= facts
        return found

    def write(self) -> None:
        """Write the JSON and the page, with what earlier runs found in other sections."""
        sections = _earlier()
        for title, section in self.sections.items():
            if section.figures:
                section.adopt(sections.get(title))
                sections[title] = section
        ordered = sorted(sections.values(), key=_place)
        _JSON.parent.mkdir(exist_ok=True)
        document = {
            "schema": SCHEMA,
            "sections": {section.title: section.as_json() for section in ordered},
        }
        _JSON.write_text(json.dumps(document, indent=1) + "\n")
        texts = [_INTRODUCTION, *(section.as_text() for section in ordered)]
        _PAGE.write_text("\n\n".join(texts) + "\n")


def _place(section: Section) -> tuple[int, str]:
    known = section.title in _ORDER
    return (_ORDER.index(section.title) if known else len(_ORDER), section.title)


def _earlier() -> dict[str, Section]:
    """What the last run left, where it is of this form."""
    try:
        document = json.loads(_JSON.read_text())
    except (OSError, ValueError):
        return {}
    if document.get("schema") != SCHEMA:
        return {}
    return {
        title: Section(
            title, found["text"], found["facts"], [_figure(one) for one in found["figures"]]
        )
        for title, found in document["sections"].items()
    }


def _figure(found: dict[str, Any]) -> Figure:
    return Figure(
        found["name"],
        found["unit"],
        tuple(found["rounds"]),
        tuple(found["bare"]),
        found["limit"],
        found["limit_of_ratio"],
        found["remark"],
        found["measured"],
    )


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
        **_clients(),
        "load average at the start": f"{os.getloadavg()[1]:.0f}",
    }


def _today() -> str:
    return dt.datetime.now(dt.UTC).date().isoformat()


def _clients() -> dict[str, str]:
    found = {}
    for name in _CLIENTS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
