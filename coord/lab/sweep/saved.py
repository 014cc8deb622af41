"""The file of a sweep, `coord.sweep/1`: how it is written, read, and gone on with.

Owns the form, and what is refused of it with line, cause and cure. The same grid and release give
the same file, however many processes there were and however often it was interrupted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from coord._version import __version__
from coord.errors import ConfigError
from coord.lab.pauses import write_whole
from coord.lab.sweep.grid import Grid, setting_json
from coord.lab.sweep.intervals import CONFIDENCE, METHODS

__all__ = ["SWEEP_SCHEMA", "points_of", "read_sweep", "sweep_json", "write_sweep"]

SWEEP_SCHEMA = "coord.sweep/1"
_AGAIN = "Name another --out, or remove this file; docs/sweep.md describes it."
_SHORT = 60
_POINT: Mapping[str, type | tuple[type, ...]] = {
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
    return _Saved(path).sweep


def points_of(path: Path, grid: Grid) -> dict[int, dict[str, Any]]:
    """The points in a file that was begun with this grid; none if there is no file.

    Raises ConfigError for a file of anything else: it is left as it is.
    """
    if not path.exists():
        return {}
    saved = _Saved(path)
    sweep = saved.sweep
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


class _Saved:
    """A file, and where in it everything stands."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise ConfigError(f"{path} cannot be read: {reason}", cure=_AGAIN) from error
        try:
            found = json.loads(self.text)
        except json.JSONDecodeError as error:
            raise ConfigError(
                f"{path}, line {error.lineno}: it is no JSON: {error.msg}", cure=_AGAIN
            ) from error
        except (RecursionError, ValueError) as error:
            raise ConfigError(f"{path} is no JSON of this form: {error}", cure=_AGAIN) from error
        if not isinstance(found, dict):
            raise ConfigError(f"{path}, line 1: it is no JSON object", cure=_AGAIN)
        self.sweep: dict[str, Any] = found
        self._check()

    def _check(self) -> None:
        schema = self.sweep.get("schema")
        if schema != SWEEP_SCHEMA:
            told = "not said" if schema is None else repr(schema)
            self.refuse(
                '"schema"',
                f"its schema is {told}, and this release reads {SWEEP_SCHEMA}",
                "Read it with the release that wrote it, or sweep again into another file.",
            )
        for key, kind in (("coord", str), ("grid", dict), ("points", list), ("skipped", list)):
            if not isinstance(self.sweep.get(key), kind):
                self.refuse(f'"{key}"', f"{key} is missing, or of another kind", _AGAIN)
        for number, point in enumerate(self.sweep["points"]):
            if not isinstance(point, dict):
                self.refuse('"points"', f"point {number + 1} is no object", _AGAIN)
            for name, allowed in _POINT.items():
                if not isinstance(point.get(name), allowed):
                    cause = f"{name} of point {number + 1} is missing, or of another kind"
                    self.refuse('"index"', cause, _AGAIN, number=number)

    def refuse(self, word: str, cause: str, cure: str, *, number: int = 0) -> NoReturn:
        """Raise, with the line of the word, where it stands for that time."""
        offset = -1
        for _ in range(number + 1):
            offset = self.text.find(word, offset + 1)
            if offset < 0:
                raise ConfigError(f"{self.path}: {cause}", cure=cure)
        line = self.text.count("\n", 0, offset) + 1
        raise ConfigError(f"{self.path}, line {line}: {cause}", cure=cure)
