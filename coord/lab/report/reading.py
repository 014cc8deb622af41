"""What a Gantt says in text at any moment: the values behind it, for `page.js`.

Owns their form. Draws nothing.
"""

from __future__ import annotations

import json

from coord.lab.measure.intervals import Spans
from coord.lab.report.gantt import LEFT, RIGHT, WIDTH, drawn_acts
from coord.lab.report.model import RoundView, ShardView
from coord.lab.report.svg import Axis

__all__ = ["values"]


def values(one: RoundView, shard: ShardView) -> str:
    """JSON that may stand in a script element."""
    axis = Axis(one.length_s, LEFT, RIGHT)
    told = {
        "length": round(one.length_s, 3),
        "left": LEFT / WIDTH,
        "right": RIGHT / WIDTH,
        "rows": one.rows,
        "present": [_pairs(spans) for spans in one.present],
        "bars": [
            (bar.row, round(bar.start_s, 3), round(bar.end_s, 3), bar.seat, bar.token)
            for bar in shard.bars
        ],
        "frozen": [(row, _pairs(spans)) for row, spans in shard.frozen],
        "states": {
            "gap": _pairs(shard.gap),
            "split": _pairs(shard.split),
            "faux": _pairs(shard.faux),
        },
        "faults": [
            (f"{band.kind} of {band.target}", round(band.start_s, 3), round(band.end_s, 3))
            for band in one.bands
        ],
        "acts": [
            (round(act.at_s, 3), act.row, act.token, *map(int, act[3:]))
            for act in drawn_acts(shard.acts, axis)
        ],
    }
    return json.dumps(told, separators=(",", ":")).replace("<", "\\u003c")


def _pairs(spans: Spans) -> list[tuple[float, float]]:
    return [(round(span.start_s, 3), round(span.end_s, 3)) for span in spans]
