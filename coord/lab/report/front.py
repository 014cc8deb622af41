"""Gap against stale acts: every setting of a sweep under one fault, and the front of the best.

Owns the figure. Stores have colours and letters, modes have shapes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from coord.lab.report.choice import Point, front
from coord.lab.report.palette import TOKENS
from coord.lab.report.svg import Axis, frame, number, tag, text

__all__ = ["pareto"]

_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 536.0, 56.0, 400.0, 16.0, 232.0
_SHAPES = {
    "single": "M{x} {y}m-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
    "localized": "M{x} {y}m-4.5-4.5h9v9h-9z",
    "co-leaders": "M{x} {y}m0-6l6 11h-12z",
}
_OTHER = "M{x} {y}m0-6l6 6l-6 6l-6-6z"
_STAR = "M{x} {y}m0-11l2.6 7.4h7.8l-6.2 4.7l2.3 7.5l-6.5-4.6l-6.5 4.6l2.3-7.5l-6.2-4.7h7.8z"


def pareto(name: str, fault: str, points: Sequence[Point]) -> str:
    """The figure of one fault; a point's title names its setting."""
    across = Axis(max((one.gap_s for one in points), default=1.0) * 1.06 or 1.0, _LEFT, _RIGHT)
    up = Axis(max((one.stale for one in points), default=1.0) * 1.1 or 1.0, _BOTTOM, _TOP)
    stores = sorted({one.store for one in points})
    best = front(points)
    inside = [
        across.marks(_TOP, _BOTTOM, "mean gap of a fault, seconds"),
        *_levels(up),
        text("stale acts taken unfenced, for each fault", _LEFT, _TOP - 4, class_="tick"),
        _stairs(best, across, up),
        *(_mark(one, stores, across, up) for one in points),
        *(_star(one, across, up) for one in points if one.starred),
        *_legend(points, stores),
    ]
    told = "; ".join(one.title for one in best)
    title = f"Gap against stale acts under {fault}, {len(points)} settings"
    return frame(name, (_WIDTH, _BOTTOM + 38), (title, f"On the front: {told}"), inside, role="img")


def _levels(up: Axis) -> Iterator[str]:
    for level in up.ticks(5):
        y = up.at(level)
        yield tag("line", x1=_LEFT, x2=_RIGHT, y1=y, y2=y, class_="grid")
        yield text(f"{level:g}", _LEFT - 6, y + 4, class_="tick", text_anchor="end")


def _stairs(best: Sequence[Point], across: Axis, up: Axis) -> str:
    if not best:
        return ""
    drawn = [f"M{number(across.at(best[0].gap_s))} {number(up.at(up.end_s))}"]
    drawn.append(f"V{number(up.at(best[0].stale))}")
    for _, one in pairwise(best):
        drawn.append(f"H{number(across.at(one.gap_s))}V{number(up.at(one.stale))}")
    return tag("path", d="".join([*drawn, f"H{number(_RIGHT)}"]), class_="part total")


def _shape(path: str, x: float, y: float) -> str:
    return path.format(x=number(x), y=number(y))


def _mark(one: Point, stores: Sequence[str], across: Axis, up: Axis) -> str:
    path = _SHAPES.get(one.mode, _OTHER)
    look = f"mark token{stores.index(one.store) % TOKENS}"
    place = _shape(path, across.at(one.gap_s), up.at(one.stale))
    return tag("path", tag("title", one.title.replace("<", "&lt;")), d=place, class_=look)


def _star(one: Point, across: Axis, up: Axis) -> str:
    place = _shape(_STAR, across.at(one.gap_s), up.at(one.stale))
    return tag("path", d=place, class_="star")


def _legend(points: Sequence[Point], stores: Sequence[str]) -> Iterator[str]:
    x, y = _RIGHT + 20, _TOP + 10
    for place, store in enumerate(stores):
        yield tag(
            "path", d=_shape(_SHAPES["single"], x, y - 4), class_=f"mark token{place % TOKENS}"
        )
        yield text(store, x + 14, y, class_="row")
        y += 20
    modes = sorted({one.mode for one in points})
    for mode in modes if len(modes) > 1 else ():
        yield tag("path", d=_shape(_SHAPES.get(mode, _OTHER), x, y - 4), class_="mark outline")
        yield text(mode, x + 14, y, class_="row")
        y += 20
    if any(one.starred for one in points):
        yield tag("path", d=_shape(_STAR, x, y - 4), class_="star")
        yield text("15 s / 2 s", x + 14, y, class_="row")
        y += 20
    yield tag("path", d=f"M{x - 8} {number(y - 4)}h16", class_="part total")
    yield text("the front", x + 14, y, class_="row")
