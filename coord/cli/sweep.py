"""`coord sim sweep`: a grid of settings, simulated beside each other, into a file.

Owns the command, how it is interrupted, and `coord.swept/1`. The words are `sweep_words`'; what is
simulated and what stands in the file is `coord.lab.sweep`'s.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import rich_click as click
from click.exceptions import Exit

from coord.cli.exits import ExitCode
from coord.cli.options import Whole
from coord.cli.output import error_console, print_json
from coord.cli.playing import SIGNALLED, Interrupted, Signals
from coord.cli.sweep_words import Progress, print_sweep
from coord.lab.sweep.grid import Grid, read_grid
from coord.lab.sweep.run import swept

__all__ = ["cores", "sweep"]

SCHEMA = "coord.swept/1"
_MOST_JOBS = 256


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))


@click.command(name="sweep")
@click.option(
    "--grid",
    type=click.Path(path_type=Path),
    required=True,
    metavar="GRID.toml",
    help="Which settings: every combination of its lists.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="What comes of it; a file that was begun with the same grid is gone on with.",
)
@click.option(
    "--jobs",
    type=Whole(1, _MOST_JOBS),
    help="How many processes simulate beside each other. Usual: one a core.",
)
@click.option("--json", "as_json", is_flag=True, help="Answer, and err, in JSON.")
def sweep(*, grid: Path, out: Path, jobs: int | None, as_json: bool) -> int:
    """Simulate a grid of settings, and write what each comes to, with intervals.

    Whatever is ready is in the file within seconds. After Ctrl-C, or a crash, the same command goes
    on where it stopped. The same grid gives the same file. Exit code 0: all rules were kept;
    1: one was broken somewhere. docs/sweep.md describes the grid and the file.

    \b
    Example:
      coord sim sweep --grid examples/sim/grid.toml --out sweep.json
    """  # noqa: D301  click's mark for lines that are not to be joined
    settings = read_grid(grid)
    if not out.name:
        raise click.BadParameter(f"{str(out)!r} names no file", param_hint="'--out'")
    found = _swept(settings, out, jobs or cores())
    told = _told(found, out)
    if as_json:
        print_json(told)
    else:
        print_sweep(found, out)
    return ExitCode.OK if told["kept"] else ExitCode.NO


def _swept(grid: Grid, out: Path, jobs: int) -> dict[str, Any]:
    done = 0
    with Signals() as signals, Progress(len(grid.settings)) as progress:

        def look(count: int, before: int) -> None:
            nonlocal done
            done = count
            signals.check()
            progress.update(count, before)

        try:
            return swept(grid, out, jobs=jobs, look=look)
        except Interrupted as signalled:
            code = SIGNALLED + signalled.args[0]
    error_console().print(
        f"interrupted: {done} of {len(grid.settings)} settings are in {out}; "
        "the same command goes on from there",
        soft_wrap=True,
    )
    raise Exit(code)


def _told(found: dict[str, Any], out: Path) -> dict[str, Any]:
    broken = [
        {
            "index": point["index"],
            "seed": point["setting"]["seed"],
            "setting": point["setting"],
            "violations": point["violations"]["count"],
            "first": point["violations"]["first"][:1],
        }
        for point in found["points"]
        if not point["kept"]
    ]
    return {
        "schema": SCHEMA,
        "out": str(out),
        "settings": found["grid"]["settings"],
        "skipped": len(found["skipped"]),
        "kept": not broken,
        "broken": broken,
    }
