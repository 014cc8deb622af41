"""The file of a calibration, `coord.calibration/1`: how it is written, read, and gone on with.

Owns the form, and what is refused of it with line, cause and cure. A pair that had no verdict is
tried again; reasons that somebody wrote into the file stay.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from coord._version import __version__
from coord.lab.calibration.cell import LEAST_S, SHARE
from coord.lab.calibration.plan import Pair
from coord.lab.json_file import JsonFile, Kind
from coord.lab.pauses import write_whole
from coord.lab.sweep.intervals import CONFIDENCE

__all__ = [
    "CALIBRATION_SCHEMA",
    "MEASURED",
    "NO_VERDICT",
    "UNFIT",
    "calibration_json",
    "pairs_of",
    "read_calibration",
    "write_calibration",
]

CALIBRATION_SCHEMA = "coord.calibration/1"
MEASURED, UNFIT, NO_VERDICT = "measured", "does not apply", "no verdict"
_AGAIN = "Name another --out, or remove this file; docs/calibration.md describes it."
_OTHER = "Read it with the release that wrote it, or calibrate again into another file."
_PAIR: Mapping[str, Kind] = {
    "fault": str,
    "store": str,
    "title": str,
    "digest": str,
    "state": str,
    "cause": str,
    "cells": list,
}
_CELL: Mapping[str, Kind] = {"metric": str, "real": dict, "simulated": dict, "why": str}
_FIGURE: Kind = (int, float, type(None))


def calibration_json(pairs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A calibration with the pairs that there are."""
    return {
        "schema": CALIBRATION_SCHEMA,
        "coord": __version__,
        "bound": {"share": SHARE, "least_s": LEAST_S},
        "confidence": CONFIDENCE,
        "pairs": list(pairs),
    }


def write_calibration(path: Path, calibration: Mapping[str, Any]) -> None:
    """Whole or not at all, a cell a line. Raises ConfigError if it cannot be written."""
    head = json.dumps({**calibration, "pairs": []}, indent=1)
    lines = ",\n".join(map(_pair_text, calibration["pairs"]))
    body = f'"pairs": [\n{lines}\n ]' if lines else '"pairs": []'
    write_whole(path, head.replace('"pairs": []', body) + "\n")


def _pair_text(pair: Mapping[str, Any]) -> str:
    head = json.dumps({**pair, "cells": []})
    lines = ",\n".join(f"   {json.dumps(cell)}" for cell in pair["cells"])
    return "  " + (head.replace('"cells": []', f'"cells": [\n{lines}\n  ]') if lines else head)


def read_calibration(path: Path) -> dict[str, Any]:
    """A calibration, whole or begun. Raises ConfigError with file, line, cause and cure."""
    return _opened(path).content


def pairs_of(path: Path, wanted: Iterable[Pair]) -> dict[str, dict[str, Any]]:
    """By name, the pairs in a file; none if there is no file.

    Raises ConfigError for a file of anything else, and for a pair that was made from another
    scenario: it is left as it is.
    """
    if not path.exists():
        return {}
    file = _opened(path)
    made_by = file.content["coord"]
    if made_by != __version__:
        cause = f"it was made by coord {made_by}, and this is {__version__}"
        file.refuse('"coord"', cause, _AGAIN)
    asked = {pair.name: pair.digest for pair in wanted}
    found = {}
    for number, row in enumerate(file.content["pairs"]):
        name = f"{row['fault']} on {row['store']}"
        if asked.get(name, row["digest"]) != row["digest"]:
            cause = f"{name} was made from another scenario, or another number of rounds"
            file.refuse('"fault"', cause, _AGAIN, number=number)
        found[name] = row
    return found


def _opened(path: Path) -> JsonFile:
    file = JsonFile(path, schema=CALIBRATION_SCHEMA, again=_AGAIN, other=_OTHER)
    file.need({"coord": str, "bound": dict, "pairs": list})
    file.need_of_each("pairs", "pair", _PAIR)
    number = 0
    for row in file.content["pairs"]:
        for cell in row["cells"]:
            if not _is_cell(cell):
                cause = f"cell {number + 1} lacks a figure, or has one of another kind"
                file.refuse('"metric"', cause, _AGAIN, number=number)
            number += 1
    return file


def _is_cell(cell: object) -> bool:
    if not isinstance(cell, dict):
        return False
    if not all(isinstance(cell.get(name), kind) for name, kind in _CELL.items()):
        return False
    figures = [
        *(side.get(name, "") for side in (cell["real"], cell["simulated"]) for name in _SHOWN),
        *(cell.get(name, "") for name in ("difference_s", "bound_s", "within")),
    ]
    return all(isinstance(figure, _FIGURE) for figure in figures)


_SHOWN = ("n", "p25", "p50", "p75")
