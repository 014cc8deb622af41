"""Plays one cell, as `coord chaos` plays a scenario.

Owns a cell's files while it is played. As a program (`python -m tests.lab.matrix.playing`) it
plays the one that its standard input names, in a process of its own, and prints its outcome.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from coord.cli.playing import SIGNALLED, Interrupted, Signals
from coord.errors import CoordError
from coord.lab.chaos.run import perform
from coord.lab.chaos.scene import Scene
from tests.lab.matrix.cells import Cell, Plan, cells, scenario_of
from tests.lab.matrix.results import Outcome, failed, outcome_of

__all__ = ["play_cell"]


class _Told:
    """What is said goes to a file beside the run."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._since_s = time.monotonic()

    def show(self, scene: Scene) -> None:
        """Nobody looks."""

    def say(self, text: str, *, style: str = "") -> None:
        with self._file.open("a") as lines:
            lines.write(f"{time.monotonic() - self._since_s:7.2f} {text}\n")


def play_cell(
    cell: Cell,
    plan: Plan,
    *,
    events: Path,
    scratch: Path | None = None,
    interrupted: Callable[[], None] = lambda: None,
    breaking: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Outcome:
    """Play it and judge it; `events` is an empty directory and then holds the run.

    `scratch`: where the fleet and a store's files lie meanwhile; None: where temporary files do.

    Whatever keeps it from being played to its end is its outcome. Raises what `interrupted` does.
    """
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="coord-matrix-", dir=scratch) as work:
        try:
            verdict = perform(
                scenario_of(cell, plan),
                work=Path(work),
                events=events,
                screen=_Told(events / "told.txt"),
                interrupted=interrupted,
                breaking=breaking,
            )
            outcome = outcome_of(cell, plan, verdict)
        except (CoordError, OSError) as error:
            outcome = failed(cell, plan, f"{type(error).__name__}: {error}")
    return replace(
        outcome,
        took_s=round(time.monotonic() - began_s, 1),
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        events=str(events),
    )


def _main() -> int:
    asked = json.load(sys.stdin)
    [cell] = [cell for cell in cells() if cell.name == asked["cell"]]
    with Signals() as signals:
        try:
            outcome = play_cell(
                cell,
                Plan(**asked["plan"]),
                events=Path(asked["events"]),
                interrupted=signals.check,
                breaking=signals.breaking,
            )
        except Interrupted as signalled:
            return SIGNALLED + int(signalled.args[0])
    sys.stdout.write(json.dumps(asdict(outcome)))
    return 0


if __name__ == "__main__":
    sys.exit(_main())
