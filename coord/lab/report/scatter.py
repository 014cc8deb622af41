"""Simulated against real: a point for each median, the diagonal, the bound, and the table beneath.

Owns the figure. Both axes are the fourth root of the seconds, so that milliseconds and seconds can
be told apart and 0 has a place. Stores have colours, metrics have shapes; each point is a link to
its row, so the keyboard reaches it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from coord.lab.report.compared import COUNTS, CalibrationView, Compared
from coord.lab.report.palette import TOKENS
from coord.lab.report.svg import frame, number, tag, text

__all__ = ["counted_rows", "scatter", "scatter_rows"]

_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 536.0, 56.0, 400.0, 16.0, 360.0
_ROOT = 0.25
_STEPS = 60
_APART = 24.0
"""Pixels between two ticks."""
_TICKS_S = (0.0, 0.001, 0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 500.0)
_SHAPES = {
    "gap": "M{x} {y}m-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
    "split": "M{x} {y}m-4.5-4.5h9v9h-9z",
    "faux": "M{x} {y}m0-6l6 11h-12z",
}
_OTHER = "M{x} {y}m0-6l6 6l-6 6l-6-6z"
_HEADS = ("fault", "store", "metric", "real, s", "95 %, s", "n", "simulated, s", "", "why")


class _Scale:
    """Pixels of seconds, on both axes."""

    def __init__(self, end_s: float) -> None:
        self.end_s = end_s
        self._whole = end_s**_ROOT

    def x(self, value_s: float) -> float:
        return _LEFT + self._share(value_s) * (_RIGHT - _LEFT)

    def y(self, value_s: float) -> float:
        return _BOTTOM - self._share(value_s) * (_BOTTOM - _TOP)

    def _share(self, value_s: float) -> float:
        return float(min(1.0, max(0.0, value_s) ** _ROOT / self._whole))


def scatter(name: str, view: CalibrationView) -> str:
    """The figure; its points lead to the rows of `scatter_rows`."""
    pairs = [(place, *_both(one)) for place, one in enumerate(view.rows) if _drawn(one)]
    scale = _Scale(1.2 * max((max(two) for _, *two in pairs), default=1.0) or 1.0)
    stores = sorted({one.store for one in view.rows})
    inside = [
        *_grid(scale),
        tag("path", d=_band(scale, view), class_="within"),
        tag("path", d=f"M{_LEFT} {_BOTTOM}L{_RIGHT} {_TOP}", class_="part total"),
        *(_point(name, place, view.rows[place], stores, scale) for place, *_ in pairs),
        *_legend(view.rows, stores),
    ]
    beyond = sum(one.within is False for one in view.rows)
    title = f"Simulated against real: {len(pairs)} medians, {beyond} beyond the bound"
    told = "; ".join(one.title for one in view.rows if one.within is False)
    words = (title, f"Beyond: {told or 'none'}")
    return frame(name, (_WIDTH, _BOTTOM + 38), words, inside, role="group")


def scatter_rows(name: str, view: CalibrationView) -> str:
    """The table beneath: all figures, and the reasons."""
    caption = (
        f"Medians of real and simulated rounds. Bound: {view.share:.0%} of the real one, or "
        f"{view.least_s:g} s if that is more."
    )
    body = [_row(name, place, one) for place, one in enumerate(view.rows)]
    return _table("Medians", caption, _HEADS, body)


def counted_rows(view: CalibrationView) -> str:
    """The table of what is counted and has no median."""
    body = []
    for one in view.counts:
        cells = (f"{a:.2f} / {b:.2f}" for a, b in zip(one.real, one.simulated, strict=True))
        words = (escape(one.store), *cells)
        head = tag("th", escape(one.fault), scope="row")
        body.append(tag("tr", head, *(tag("td", cell) for cell in words)))
    return _table("Counts", "Counts, real / simulated.", ("fault", "store", *COUNTS), body)


def _table(label: str, caption: str, heads: Sequence[str], body: Sequence[str]) -> str:
    head = tag("thead", tag("tr", *(tag("th", words, scope="col") for words in heads)))
    table = tag("table", tag("caption", caption), head, tag("tbody", *body), class_="figures")
    return tag("div", table, class_="wide", tabindex="0", role="region", aria_label=label)


def _drawn(one: Compared) -> bool:
    return one.real_s is not None and one.simulated_s is not None


def _both(one: Compared) -> tuple[float, float]:
    return one.real_s or 0.0, one.simulated_s or 0.0


def _grid(scale: _Scale) -> Iterator[str]:
    last = 0.0
    for tick_s in _TICKS_S:
        x, y = scale.x(tick_s), scale.y(tick_s)
        if tick_s > scale.end_s or (tick_s and x - last < _APART):
            continue
        last = x
        yield tag("line", x1=_LEFT, x2=_RIGHT, y1=y, y2=y, class_="grid")
        yield tag("line", x1=x, x2=x, y1=_TOP, y2=_BOTTOM, class_="grid")
        yield text(f"{tick_s:g}", _LEFT - 6, y + 4, class_="tick", text_anchor="end")
        yield text(f"{tick_s:g}", x, _BOTTOM + 14, class_="tick", text_anchor="middle")
    middle = (_LEFT + _RIGHT) / 2
    yield text("real, seconds", middle, _BOTTOM + 29, class_="tick", text_anchor="middle")
    yield text("simulated, seconds", _LEFT, _TOP - 4, class_="tick")


def _band(scale: _Scale, view: CalibrationView) -> str:
    """Around the diagonal, from one side there and along the other back."""
    reals_s = [scale.end_s * (step / _STEPS) ** (1 / _ROOT) for step in range(_STEPS + 1)]
    above = [(one, one + view.bound_s(one)) for one in reals_s]
    below = [(one, one - view.bound_s(one)) for one in reversed(reals_s)]
    places = (f"{number(scale.x(x_s))} {number(scale.y(y_s))}" for x_s, y_s in above + below)
    return f"M{'L'.join(places)}z"


def _point(name: str, place: int, one: Compared, stores: Sequence[str], scale: _Scale) -> str:
    real_s, simulated_s = _both(one)
    look = f"mark {_colour(one.store, stores)}" + (" beyond" if one.within is False else "")
    mark = _mark(one.metric, scale.x(real_s), scale.y(simulated_s), look)
    words = tag("title", escape(one.title))
    return tag("a", words, mark, href=f"#{name}-row{place + 1}", aria_label=one.title)


def _colour(store: str, stores: Sequence[str]) -> str:
    return f"token{stores.index(store) % TOKENS}"


def _mark(metric: str, x: float, y: float, look: str) -> str:
    path = _SHAPES.get(metric, _OTHER).format(x=number(x), y=number(y))
    return tag("path", d=path, class_=look)


def _legend(rows: Sequence[Compared], stores: Sequence[str]) -> Iterator[str]:
    x, y = _RIGHT + 20, _TOP + 10
    for store in stores:
        yield _mark("gap", x, y - 4, f"mark {_colour(store, stores)}")
        yield text(store, x + 14, y, class_="row")
        y += 20
    for metric in dict.fromkeys(one.metric for one in rows):
        yield _mark(metric, x, y - 4, "mark outline")
        yield text(metric, x + 14, y, class_="row")
        y += 20
    yield tag("path", d=f"M{x - 8} {number(y - 9)}h16v10h-16z", class_="within")
    yield text("the bound", x + 14, y, class_="row")
    yield tag("path", d=f"M{x - 8} {number(y + 16)}h16", class_="part total")
    yield text("equal", x + 14, y + 20, class_="row")


def _row(name: str, place: int, one: Compared) -> str:
    look = {True: "kept", False: "broken", None: ""}[one.within]
    between = "–" if one.low_s is None else f"{one.low_s:.3f} to {one.high_s or 0.0:.3f}"
    cells = [
        escape(one.store),
        one.metric,
        _figure(one.real_s),
        between,
        str(one.rounds),
        _figure(one.simulated_s),
        tag("span", one.verdict, class_=look) if look else one.verdict,
    ]
    first = tag("th", escape(one.fault), scope="row")
    rest = (tag("td", cell) for cell in cells)
    why = tag("td", escape(one.why), class_="why")
    return tag("tr", first, *rest, why, id=f"{name}-row{place + 1}", tabindex="-1")


def _figure(value_s: float | None) -> str:
    return "–" if value_s is None else f"{value_s:.3f}"
