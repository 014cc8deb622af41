"""Timings of one mode on one store: the worst gap of each pair, and which pairs the user can take.

Owns the figure. Depth of colour is the gap, its number stands in the cell; what meets the limits
has a thick border and a tick.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from coord.lab.report.choice import Cell, Limits, Point, cells
from coord.lab.report.svg import frame, number, tag, text

__all__ = ["heat_map"]

_LEFT, _TOP, _WIDE, _HIGH = 74.0, 26.0, 76.0, 40.0
_DEEPEST = 0.45


def heat_map(name: str, title: str, points: Sequence[Point], limits: Limits) -> str:
    """The figure: a column for each ttl, a row for each heartbeat."""
    found = cells(points)
    across = sorted({ttl_s for ttl_s, _ in found})
    down = sorted({heartbeat_s for _, heartbeat_s in found})
    deepest = max((cell.gap_s for cell in found.values()), default=0.0) or 1.0
    inside = [text("heartbeat", _LEFT - 8, _TOP - 8, class_="tick", text_anchor="end")]
    for column, ttl_s in enumerate(across):
        x = _LEFT + _WIDE * (column + 0.5)
        inside.append(text(f"ttl {ttl_s:g} s", x, _TOP - 8, class_="row", text_anchor="middle"))
    met = 0
    for row, heartbeat_s in enumerate(down):
        y = _TOP + _HIGH * row
        words = f"{heartbeat_s:g} s"
        inside.append(text(words, _LEFT - 8, y + 24, class_="row", text_anchor="end"))
        for column, ttl_s in enumerate(across):
            cell = found.get((ttl_s, heartbeat_s))
            x = _LEFT + _WIDE * column
            if cell is None:
                inside.append(text("–", x + _WIDE / 2, y + 24, class_="tick", text_anchor="middle"))
                continue
            fits = limits.met(cell.gap_s, cell.split_s)
            met += bool(fits)
            inside += _cell(cell, x, y, cell.gap_s / deepest, fits=bool(fits))
    foot = _TOP + _HIGH * len(down) + 18
    told = "worst gap in seconds; below it requests a second of the fleet"
    inside.append(text(told, _LEFT, foot, class_="tick"))
    size = max(536.0, _LEFT + _WIDE * len(across) + 12), foot + 12
    desc = f"{len(found)} pairs of timings, {met} within the limits. {told}."
    return frame(name, size, (title, desc), inside, role="img")


def _cell(cell: Cell, x: float, y: float, share: float, *, fits: bool) -> Iterator[str]:
    place = {"x": x + 2, "y": y + 2, "width": _WIDE - 4, "height": _HIGH - 4}
    yield tag("rect", **place, class_="heat", fill_opacity=f"{_DEEPEST * share:.3f}")
    if fits:
        yield tag("rect", **place, class_="fits")
    middle = x + _WIDE / 2
    words = f"{cell.gap_s:.1f}{' ✓' if fits else ''}"
    yield text(words, middle, y + 18, class_="row", text_anchor="middle")
    requests = f"{number(cell.requests_per_s)}/s"
    if cell.requests_per_s < 10:  # noqa: PLR2004  two figures
        requests = f"{cell.requests_per_s:.2g}/s"
    yield text(requests, middle, y + 32, class_="token", text_anchor="middle")
