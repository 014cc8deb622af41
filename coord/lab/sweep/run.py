"""A sweep: all settings of a grid, into a file that is always whole.

Owns the order of things: what is done already is not done again, what is ready is kept. Knows no
command and prints nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from coord.lab.pauses import refuse_place
from coord.lab.sweep.crew import Task, all_played
from coord.lab.sweep.grid import Grid
from coord.lab.sweep.saved import points_of, sweep_json, write_sweep

__all__ = ["swept"]

_WRITE_EVERY_S = 2.0


def swept(
    grid: Grid,
    out: Path,
    *,
    jobs: int,
    look: Callable[[int, int], None],
) -> dict[str, Any]:
    """Play what is left of the grid, and keep each point in the file within seconds; the sweep.

    `look` gets how many settings are done and how many were done before, several times a second;
    what it raises ends the sweep, and what is done is in the file then. Raises ConfigError for a
    file that is not of this grid, or cannot be written.
    """
    points = points_of(out, grid)
    refuse_place(out)
    before = len(points)
    left = [
        Task(index, setting) for index, setting in enumerate(grid.settings) if index not in points
    ]
    written_s = time.monotonic()
    done = all_played(left, jobs=jobs, look=lambda: look(len(points), before))
    kept = before
    try:
        with closing(done):
            for index, point in done:
                points[index] = point
                if time.monotonic() - written_s >= _WRITE_EVERY_S:
                    write_sweep(out, sweep_json(grid, points))
                    written_s, kept = time.monotonic(), len(points)
    finally:
        if len(points) > kept or not out.exists():
            write_sweep(out, sweep_json(grid, points))
    return sweep_json(grid, points)
