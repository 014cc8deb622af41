"""`coord sim calibrate`: scenarios of chaos on real processes and simulated, and how far apart.

Owns the command, how it is interrupted, where runs are kept, and what is said. What is compared is
`coord.lab.calibration`'s.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import rich_click as click
from rich.table import Table
from rich.text import Text

from coord.cli.exits import ExitCode
from coord.cli.options import Whole
from coord.cli.output import error_console, print_json, say, show
from coord.cli.performing import interruptible, performed
from coord.cli.playing import Interrupted, Signals, empty_directory
from coord.lab.calibration.plan import STORES, Pair, Rounds, planned
from coord.lab.calibration.run import calibrated
from coord.lab.calibration.saved import MEASURED, NO_VERDICT, UNFIT
from coord.lab.chaos.reading import MOST_ROUNDS
from coord.lab.chaos.scenario import Scenario
from coord.lab.chaos.verdict import Verdict

__all__ = ["calibrate"]

SCHEMA = "coord.calibrated/1"
_MOST_SIMULATED = 100_000


@click.command(name="calibrate")
@click.argument(
    "sources",
    metavar="SCENARIO.toml|DIR...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
)
@click.option(
    "--store",
    "stores",
    multiple=True,
    default=STORES,
    show_default=", ".join(STORES),
    metavar="KIND",
    help="On which stores, each made for the run; may be said several times.",
)
@click.option(
    "--rounds", type=Whole(1, MOST_ROUNDS), default=10, show_default=True, help="Of real processes."
)
@click.option(
    "--simulated",
    type=Whole(1, _MOST_SIMULATED),
    default=300,
    show_default=True,
    help="Rounds of the simulator.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="What comes of it; a file that was begun with the same scenarios is gone on with.",
)
@click.option(
    "--events",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the real runs here, each in a directory of its own.",
)
@click.option("--json", "as_json", is_flag=True, help="Answer, and err, in JSON.")
def calibrate(
    *,
    sources: tuple[Path, ...],
    stores: tuple[str, ...],
    rounds: int,
    simulated: int,
    out: Path,
    events: Path | None,
    as_json: bool,
) -> ExitCode:
    """Play scenarios with real processes and simulated, and write how far the two are apart.

    Each scenario on each store, one after the other; a directory is a run that `coord chaos
    --events DIR` has kept, and is simulated only. Of gap, split, faux and failover the medians
    may differ by 10 % of the real one, or 0.15 s if that is more. Whatever is ready is in the file;
    after Ctrl-C the same command goes on. Exit code 0: all within; 1: one is not; 6: one had no
    verdict, and is tried again by the same command. docs/calibration.md has our own, and the file.

    \b
    Example:
      coord sim calibrate examples/calibration/kill.toml --store sqlite --out calibration.json
    """  # noqa: D301  click's mark for lines that are not to be joined
    if not out.name:
        raise click.BadParameter(f"{str(out)!r} names no file", param_hint="'--out'")
    with interruptible() as signals:
        with signals.breaking():
            pairs = planned(sources, stores, Rounds(real=rounds, simulated=simulated))
        signals.check()
        found = _calibrated(pairs, out, events, signals)
    told = _told(found, pairs, out)
    if as_json:
        print_json(told)
    else:
        _print(found, pairs, told)
    return _code(told)


def _calibrated(
    pairs: tuple[Pair, ...], out: Path, events: Path | None, signals: Signals
) -> dict[str, Any]:
    screen, names = error_console(), [pair.name for pair in pairs]

    def look(name: str) -> None:
        signals.check()
        place = f"{names.index(name) + 1} of {len(names)}"
        screen.print(f"{place}: {name}", soft_wrap=True, highlight=False)

    def perform(scenario: Scenario) -> Verdict:
        with _kept(events, scenario) as directory:
            return performed(scenario, directory, signals)

    def progress(_: float) -> None:
        signals.check()

    try:
        return calibrated(pairs, out, perform=perform, look=look, progress=progress)
    except Interrupted:
        screen.print(f"what is ready is in {out}; the same command goes on", soft_wrap=True)
        raise


@contextmanager
def _kept(events: Path | None, scenario: Scenario) -> Iterator[Path]:
    """Where the records of a run go: a directory that is new, or one that vanishes."""
    if events is None:
        with tempfile.TemporaryDirectory(prefix="coord-chaos-events-") as directory:
            yield Path(directory)
        return
    name = f"{scenario.name}-{scenario.store.place}"
    names = (name if one == 1 else f"{name}-{one}" for one in count(1))
    yield empty_directory(next(events / one for one in names if not (events / one).exists()))


def _told(found: Mapping[str, Any], pairs: tuple[Pair, ...], out: Path) -> dict[str, Any]:
    """`coord.calibrated/1`: what came of the pairs that were asked for."""
    rows = _asked(found, pairs)
    cells = [(row, cell) for row in rows for cell in row["cells"]]
    return {
        "schema": SCHEMA,
        "out": str(out),
        "pairs": len(rows),
        "cells": len(cells),
        "within": sum(cell["within"] is True for _, cell in cells),
        "beyond": [
            {
                "fault": row["fault"],
                "store": row["store"],
                "metric": cell["metric"],
                "difference_s": cell["difference_s"],
                "bound_s": cell["bound_s"],
                "why": cell["why"],
            }
            for row, cell in cells
            if cell["within"] is False
        ],
        "does_not_apply": _causes(rows, UNFIT),
        "no_verdict": _causes(rows, NO_VERDICT),
        "broken": [
            {"fault": row["fault"], "store": row["store"], "where": where, "rules": rules}
            for row in rows
            if row["state"] == MEASURED
            for where in ("real", "simulated")
            if (rules := row[where]["broken"])
        ],
    }


def _asked(found: Mapping[str, Any], pairs: tuple[Pair, ...]) -> list[Mapping[str, Any]]:
    names = {(pair.fault, pair.store) for pair in pairs}
    return [row for row in found["pairs"] if (row["fault"], row["store"]) in names]


def _causes(rows: list[Mapping[str, Any]], state: str) -> list[dict[str, str]]:
    return [
        {"fault": row["fault"], "store": row["store"], "cause": row["cause"]}
        for row in rows
        if row["state"] == state
    ]


def _code(told: Mapping[str, Any]) -> ExitCode:
    if told["no_verdict"]:
        return ExitCode.NOT_IN_TIME
    return ExitCode.NO if told["beyond"] else ExitCode.OK


# --- for people -------------------------------------------------------------------------------


def _print(found: Mapping[str, Any], pairs: tuple[Pair, ...], told: Mapping[str, Any]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("fault", "store", "metric"):
        table.add_column(name)
    for name in ("real", "sim", "differ", "bound"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for row in _asked(found, pairs):
        for cell in row["cells"]:
            table.add_row(row["fault"], row["store"], cell["metric"], *_figures(cell), _mark(cell))
    show(table)
    say("")
    say("Medians in seconds: gap, split and faux of a shard in a round, and of a failover.")
    for one in told["does_not_apply"]:
        say(f"does not apply: {one['fault']} on {one['store']}: {one['cause']}")
    for one in told["no_verdict"]:
        say(f"no verdict: {one['fault']} on {one['store']}: {one['cause']}")
    for one in told["broken"]:
        rules = ", ".join(f"{rule} {times}" for rule, times in one["rules"].items())
        words = f"rules broken, {one['where']}: {one['fault']} on {one['store']}: {rules}"
        show(Text(words, style="red"))
    for one in told["beyond"]:
        why = one["why"] or "no reason known: look at the records of both"
        say(f"{one['fault']} on {one['store']}, {one['metric']}: {why}")
    say(f"{told['within']} of {told['cells']} medians within the bound; written: {told['out']}")


def _figures(cell: Mapping[str, Any]) -> list[str]:
    values = (cell["real"]["p50"], cell["simulated"]["p50"], cell["difference_s"], cell["bound_s"])
    return ["–" if value is None else f"{value:.3f}" for value in values]


def _mark(cell: Mapping[str, Any]) -> Text:
    if cell["within"] is None:
        return Text("")
    return Text("within", style="green") if cell["within"] else Text("beyond", style="yellow")
