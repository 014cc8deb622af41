"""The file of a sweep, `coord.sweep/1`: how it is written, read, and gone on with.

Owns the form, and what is refused of it with line, cause and cure. The same grid and release give
the same file, however many processes there were and however often it was interrupted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coord._version import __version__
from coord.lab.json_file import JsonFile, Kind
from coord.lab.pauses import write_whole
from coord.lab.sweep.grid import Grid, setting_json
from coord.lab.sweep.intervals import CONFIDENCE, METHODS

__all__ = ["SWEEP_SCHEMA", "points_of", "read_sweep", "sweep_json", "write_sweep"]

SWEEP_SCHEMA = "coord.sweep/1"
_AGAIN = "Name another --out, or remove this file; docs/sweep.md describes it."
_OTHER = "Read it with the release that wrote it, or sweep again into another file."
_SHORT = 60
_POINT: Mapping[str, Kind] = {
    "index": int,
    "setting": dict,
    "kept": bool,
    "rounds": int,
    "simulated_s": (int, float),
    "gap_s": dict,
    "split_s": dict,
    "faux_s": dict,
    "failover_s": dict,
    "failovers": list,
    "stale_acts": dict,
    "false_failovers": dict,
    "missed": int,
    "duplicates": int,
    "requests": dict,
    "violations": dict,
    "excused": dict,
    "trace_hash": str,
}


def sweep_json(grid: Grid, points: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """A sweep with the points that there are, by their place in the grid."""
    return {
        "schema": SWEEP_SCHEMA,
        "coord": __version__,
        "grid": {
            "name": grid.name,
            "digest": grid.digest,
            "settings": len(grid.settings),
            "axes": dict(grid.axes),
        },
        "complete": len(points) == len(grid.settings),
        "confidence": CONFIDENCE,
        "methods": METHODS,
        "skipped": [{"setting": dict(one.setting), "reason": one.reason} for one in grid.skipped],
        "points": [{"index": index, **points[index]} for index in sorted(points)],
    }


def write_sweep(path: Path, sweep: Mapping[str, Any]) -> None:
    """Whole or not at all, a point a line. Raises ConfigError if it cannot be written."""
    head = json.dumps({**sweep, "points": []}, indent=1)
    lines = ",\n".join(json.dumps(point) for point in sweep["points"])
    body = f'"points": [\n{lines}\n ]' if lines else '"points": []'
    write_whole(path, head.replace('"points": []', body) + "\n")


def read_sweep(path: Path) -> dict[str, Any]:
    """A sweep, whole or begun. Raises ConfigError with the file, the line, the cause, the cure."""
    return _opened(path).content


def points_of(path: Path, grid: Grid) -> dict[int, dict[str, Any]]:
    """The points in a file that was begun with this grid; none if there is no file.

    Raises ConfigError for a file of anything else: it is left as it is.
    """
    if not path.exists():
        return {}
    saved = _opened(path)
    sweep = saved.content
    if sweep["coord"] != __version__:
        saved.refuse(
            '"coord"', f"it was made by coord {sweep['coord']}, and this is {__version__}", _AGAIN
        )
    made_from = sweep["grid"]
    if made_from.get("digest") != grid.digest:
        saved.refuse(
            '"grid"', f"it was made from another grid: {_difference(made_from, grid)}", _AGAIN
        )
    points = {}
    for number, point in enumerate(sweep["points"]):
        index = point["index"]
        known = 0 <= index < len(grid.settings)
        if not known or point["setting"] != setting_json(grid.settings[index]):
            saved.refuse('"index"', f"point {index} is not of this grid", _AGAIN, number=number)
        points[index] = {key: value for key, value in point.items() if key != "index"}
    return points


def _difference(made_from: Mapping[str, Any], grid: Grid) -> str:
    before = made_from.get("axes")
    if isinstance(before, dict):
        for key, value in grid.axes.items():
            if before.get(key) != value:
                return f"{key} was {_short(before.get(key))}, and is {_short(value)}"
    return "its settings, or the file of pauses, are not the same"


def _short(value: object) -> str:
    told = json.dumps(value)
    return told if len(told) <= _SHORT else f"{told[:_SHORT]}…"


def _opened(path: Path) -> JsonFile:
    file = JsonFile(path, schema=SWEEP_SCHEMA, again=_AGAIN, other=_OTHER)
    file.need({"coord": str, "grid": dict, "points": list, "skipped": list})
    file.need_of_each("points", "point", _POINT)
    return file
