"""`make matrix`: play what has not been played, write the table, say what is red.

Owns the command line. Exit code 1: a cell is red, and its run is kept.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from coord.config import parse_duration_s
from coord.lab.chaos.writing import to_toml
from tests.lab.matrix.cells import MODE_NAMES, ROWS, STORES, Cell, Plan, cells, scenario_of, unfit
from tests.lab.matrix.lanes import Lanes
from tests.lab.matrix.machine import machine
from tests.lab.matrix.results import Outcome, Results
from tests.lab.matrix.table import render, with_table

__all__ = ["main"]

_ROOT = Path(__file__).parents[3]
_PAGE = _ROOT / "docs" / "reliability.md"
_DIRECTORY = _ROOT / "build" / "matrix"
_FAULTS = tuple(dict.fromkeys(row.fault for row in ROWS))


def main(words: Sequence[str] | None = None) -> int:
    """Play, write, say."""
    asked = _parser().parse_args(words)
    plan = Plan(ttl_s=parse_duration_s(asked.ttl), rounds=asked.rounds, seed=asked.seed)
    results = Results(_DIRECTORY / "cells.jsonl")
    if not asked.render:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        _play(asked, plan, results)
    found = _of(plan, results)
    _PAGE.write_text(with_table(_PAGE.read_text(), render(found, plan, MODE_NAMES, machine())))
    red = [one for one in found.values() if one.state != "kept"]
    for one in red:
        _say(f"RED {one.cell}: {'; '.join(one.why)}\n    {one.events}")
    _say(f"{len(found)} cells played, {len(red)} red; the table stands in {_PAGE}")
    return 1 if red else 0


def _play(asked: argparse.Namespace, plan: Plan, results: Results) -> None:
    """Those that were asked for and have not been played yet, as they would be now."""
    done = {} if asked.again else _of(plan, results)
    over_again = {"failed", "broken"} if asked.red else {"failed"}
    left = [
        cell
        for cell in cells()
        if _chosen(cell, asked)
        and (cell.name not in done or done[cell.name].state in over_again)
        and not unfit(cell, plan)
    ]
    over = 0

    def say(outcome: Outcome) -> None:
        nonlocal over
        over += 1
        why = f": {'; '.join(outcome.why)}" if outcome.why else ""
        told = f"{over}/{len(left)} {outcome.state} {outcome.cell}, {outcome.took_s:g} s{why}"
        _say(told)

    Lanes(_DIRECTORY, results, say).play(left, plan, lanes=asked.lanes)


def _chosen(cell: Cell, asked: argparse.Namespace) -> bool:
    return (
        cell.mode in asked.modes and cell.row.fault in asked.faults and cell.store in asked.stores
    )


def _of(plan: Plan, results: Results) -> dict[str, Outcome]:
    """What was played of the present matrix: not what has changed since, or applies no more."""
    found = results.all()
    played = ((cell, found[cell.name]) for cell in cells() if cell.name in found)
    return {
        cell.name: outcome
        for cell, outcome in played
        if outcome.scenario == to_toml(scenario_of(cell, plan)) and not unfit(cell, plan)
    }


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make matrix ARGS=…", description="Play the hostile matrix and write its table."
    )
    for name, choices in (("stores", STORES), ("faults", _FAULTS), ("modes", MODE_NAMES)):
        parser.add_argument(f"--{name}", nargs="+", choices=tuple(choices), default=tuple(choices))
    parser.add_argument("--lanes", type=int, default=3, help="how many cells side by side")
    parser.add_argument("--rounds", type=int, default=Plan().rounds)
    parser.add_argument("--seed", type=int, default=Plan().seed)
    parser.add_argument("--ttl", default=f"{Plan().ttl_s:g}s")
    parser.add_argument("--again", action="store_true", help="also what has been played already")
    parser.add_argument("--red", action="store_true", help="also what is red, once more")
    parser.add_argument("--render", action="store_true", help="play nothing, write the table")
    return parser


if __name__ == "__main__":
    sys.exit(main())
