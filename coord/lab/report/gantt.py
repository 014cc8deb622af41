"""The leadership Gantt of one shard in one round, and the overview of all its shards.

Owns their geometry, and which act ticks are drawn: of those that look the same and fall on the same
half pixel, one, and the figure says so. Knows no files and no colours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from coord.lab.measure.intervals import Spans
from coord.lab.report.model import ActMark, Band, RoundView, RunView, ShardView
from coord.lab.report.palette import TOKENS
from coord.lab.report.svg import Axis, frame, number, tag, text

__all__ = ["LEFT", "RIGHT", "WIDTH", "drawn_acts", "gantt", "name_of", "overview", "thinned"]

WIDTH, LEFT, RIGHT = 960.0, 118.0, 944.0
_BAND, _STRIP, _ROW, _BAR, _FOOT = 15.0, 18.0, 40.0, 18.0, 38.0
_LABELLED, _LETTERED, _NAMED = 22.0, 12.0, 48.0
"""So wide must a bar be for its token, a state for its letter, a frozen belief for its word."""

_LETTERS = 17
_MOST_SPANS = 500
_STATES = (("gap", "G"), ("split", "S"), ("faux", "F"))


def name_of(shard: ShardView) -> str:
    """A shard in words."""
    role, generation, index = shard.shard
    more = "" if generation == 1 else f", generation {generation}"
    return f"{role} shard {index}{more}"


def drawn_acts(acts: Iterable[ActMark], axis: Axis) -> list[ActMark]:
    """Those that can be told apart: one for each half pixel and look."""
    seen: dict[tuple[int, int, int, bool, bool, bool], ActMark] = {}
    for act in acts:
        place = round(axis.at(act.at_s) * 2)
        seen.setdefault((place, *act[1:]), act)
    return list(seen.values())


def thinned(spans: Spans) -> bool:
    """Whether some of these are too many and too short for each to be drawn."""
    return len(spans.parts) > _MOST_SPANS


def gantt(name: str, run: RunView, one: RoundView, shard: ShardView) -> str:
    """The whole figure: strip of states, a row for each member, faults behind."""
    axis = Axis(one.length_s, LEFT, RIGHT)
    lanes = _lanes(one.bands, axis)
    strip = 6 + _BAND * max(1, lanes[1])
    top = strip + _STRIP + 10
    bottom = top + _ROW * len(one.rows)
    acts = drawn_acts(shard.acts, axis)
    inside = [
        _patterns(name),
        axis.marks(strip, bottom, f"seconds into round {one.number}"),
        *_bands(one.bands, lanes[0], axis, top, bottom),
        text("shard", LEFT - 8, strip + 13, class_="row", text_anchor="end"),
        _states(name, shard, axis, strip, _STRIP),
        *_rows(one, axis, top),
        *_splits(shard, axis, top, bottom),
        *_bars(shard, axis, top),
        *_frozen(name, shard, axis, top),
        *_ticks(acts, axis, top),
    ]
    facts = run.facts
    title = f"{name_of(shard)}, {one.fault} on {facts.store} ({facts.mode}), round {one.number}"
    return frame(name, (WIDTH, bottom + _FOOT), (title, _told(one, shard)), inside, role="img")


def overview(name: str, one: RoundView, links: Iterable[str]) -> str:
    """A strip for each shard, which leads to its Gantt."""
    axis = Axis(one.length_s, LEFT, RIGHT)
    lanes = _lanes(one.bands, axis)
    top = 6 + _BAND * max(1, lanes[1])
    bottom = top + 16 * len(one.shards)
    alike = len({shard.shard[:2] for shard in one.shards}) == 1
    rows = [
        tag(
            "a",
            tag("title", name_of(shard)),
            text(_short(f"shard {shard.shard[2]}" if alike else name_of(shard)), LEFT - 8,
                 top + 16 * place + 11, class_="row", text_anchor="end"),
            _states(name, shard, axis, top + 16 * place + 2, 12),
            href=f"#{link}",
            class_="strip",
        )
        for place, (shard, link) in enumerate(zip(one.shards, links, strict=True))
    ]  # fmt: skip
    inside = [
        _patterns(name),
        axis.marks(top, bottom, f"seconds into round {one.number}"),
        *_bands(one.bands, lanes[0], axis, top, bottom),
        *rows,
    ]
    title = f"All {len(one.shards)} shards in round {one.number} under {one.fault}"
    desc = "A strip for each shard: plain where one member could act, G gap, S split, F faux."
    return frame(name, (WIDTH, bottom + _FOOT), (title, desc), inside, role="group")


def _short(words: str) -> str:
    return words if len(words) <= _LETTERS else f"…{words[1 - _LETTERS :]}"


def _told(one: RoundView, shard: ShardView) -> str:
    parts = [
        f"{state} {getattr(shard, state).total_s:.3f} s"
        for state, _ in _STATES
        if getattr(shard, state)
    ]
    struck = [f"{band.kind} of {band.target} at {band.start_s:.2f} s" for band in one.bands]
    return (
        f"{one.length_s:.2f} s. {', '.join(parts) or 'No gap, split or faux'}. "
        f"Faults: {', '.join(struck) or 'none'}. {len(shard.acts)} acts."
    )


def _lanes(bands: Iterable[Band], axis: Axis) -> tuple[list[int], int]:
    """For each band a line for its label, so that no two lie on each other; how many lines."""
    ends: list[float] = []
    found: list[int] = []
    for band in bands:
        words = 7.0 * len(_label(band)) + 12
        start = min(axis.at(band.start_s), axis.right - words)
        lane = next((lane for lane, end in enumerate(ends) if end <= start), len(ends))
        ends[lane : lane + 1] = [start + words]
        found.append(lane)
    return found, len(ends)


def _label(band: Band) -> str:
    return f"{band.kind} {band.target}"


def _bands(
    bands: Iterable[Band], lanes: list[int], axis: Axis, top: float, bottom: float
) -> Iterator[str]:
    for band, lane in zip(bands, lanes, strict=True):
        left = axis.at(band.start_s)
        width = max(2.0, axis.at(band.end_s) - left)
        label_y = 12 + _BAND * lane
        yield tag("rect", x=left, y=label_y + 3, width=width, height=bottom - label_y - 3,
                  class_="fault")  # fmt: skip
        if band.row is not None and bottom - top >= _ROW * (band.row + 1):
            yield tag("rect", x=left, y=top + _ROW * band.row, width=width, height=_ROW,
                      class_="fault struck")  # fmt: skip
        words = _label(band)
        at = min(left, axis.right - 7.0 * len(words))
        yield text(words, at + 2, label_y, class_="faultname")


def _states(name: str, shard: ShardView, axis: Axis, top: float, height: float) -> str:
    inside = [
        tag("rect", x=axis.left, y=top, width=axis.right - axis.left, height=height, class_="led")
    ]
    for state, letter in _STATES:
        for left, width in _seen(getattr(shard, state), axis):
            place = {"x": left, "y": top, "width": width, "height": height}
            inside.append(tag("rect", **place, class_=state))
            inside.append(tag("rect", **place, fill=f"url(#{name}-{state})"))
            if width >= _LETTERED:
                middle = {"class_": "letter", "text_anchor": "middle"}
                inside.append(text(letter, left + width / 2, top + height / 2 + 4, **middle))
    return tag("g", *inside)


def _seen(spans: Spans, axis: Axis) -> Iterator[tuple[float, float]]:
    """Pixels of spans, each at least one wide; of very many, one for each pixel of beginning."""
    last = -1
    many = thinned(spans)
    for span in spans:
        left = axis.at(span.start_s)
        width = max(1.0, axis.at(span.end_s) - left)
        if many and width <= 1.0 and int(left) == last:
            continue
        last = int(left)
        yield left, width


def _rows(one: RoundView, axis: Axis, top: float) -> Iterator[str]:
    for row, member in enumerate(one.rows):
        middle = top + _ROW * row + _ROW / 2
        yield text(_short(member), LEFT - 8, middle + 4, class_="row", text_anchor="end")
        for left, width in _seen(one.present[row], axis):
            yield tag("rect", x=left, y=middle - 1, width=width, height=2, class_="present")


def _bars(shard: ShardView, axis: Axis, top: float) -> Iterator[str]:
    labelled: set[tuple[int, int]] = set()
    for bar in shard.bars:
        left = axis.at(bar.start_s)
        width = max(1.0, axis.at(bar.end_s) - left)
        y = top + _ROW * bar.row + (_ROW - _BAR) / 2
        look = "joined" if bar.token == 0 else f"token{bar.token % TOKENS}"
        yield tag("rect", x=left, y=y, width=width, height=_BAR, class_=f"bar {look}")
        words = f"seat {bar.seat}, token {bar.token}" if bar.seat else f"token {bar.token}"
        if bar.token and (bar.row, bar.token) not in labelled and width >= _LABELLED:
            labelled.add((bar.row, bar.token))
            yield text(words, min(left, axis.right - 7.0 * len(words)), y - 2, class_="token")


def _frozen(name: str, shard: ShardView, axis: Axis, top: float) -> Iterator[str]:
    for row, spans in shard.frozen:
        y = top + _ROW * row + (_ROW - _BAR) / 2
        for left, width in _seen(spans, axis):
            yield tag("rect", x=left, y=y, width=width, height=_BAR, class_="frozen",
                      fill=f"url(#{name}-frozen)")  # fmt: skip
            if width >= _NAMED:
                yield tag("rect", x=left + 2, y=y + 3, width=43, height=12, class_="plate")
                yield text("frozen", left + 5, y + 13, class_="token")


def _splits(shard: ShardView, axis: Axis, top: float, bottom: float) -> Iterator[str]:
    for left, width in _seen(shard.split, axis):
        yield tag("rect", x=left, y=top, width=width, height=bottom - top, class_="splitting")


def _ticks(acts: Iterable[ActMark], axis: Axis, top: float) -> Iterator[str]:
    """Paths, one for each look: fenced above the middle, unfenced below it."""
    lines: dict[str, list[str]] = {}
    for act in acts:
        x, middle = axis.at(act.at_s), top + _ROW * act.row + _ROW / 2
        if not act.accepted:
            look, drawn = "refused", f"M{number(x - 3)} {number(middle - 3)}l6 6m0-6l-6 6"
        elif act.stale:
            side = -1 if act.fenced else 1
            tip = middle + side * 10
            look, drawn = "stale", f"M{number(x)} {number(tip)}l4 {7 * side}h-8z"
        else:
            length = -8 if act.fenced else 8
            look = f"act token{act.token % TOKENS}"
            drawn = f"M{number(x)} {number(middle)}v{length}"
        lines.setdefault(look, []).append(drawn)
    for look, strokes in sorted(lines.items()):
        yield tag("path", d="".join(strokes), class_=look)


def _patterns(name: str) -> str:
    """Hatchings, so that states are told apart without colours."""
    drawings = {
        "gap": "M0 6L6 0",
        "split": "M0 0L6 6M0 6L6 0",
        "faux": "M3 0V6",
        "frozen": "M0 0L6 6",
    }
    return tag(
        "defs",
        *(
            tag(
                "pattern",
                tag("path", d=path, class_=f"hatch {kind}hatch"),
                id=f"{name}-{kind}",
                width=6,
                height=6,
                patternUnits="userSpaceOnUse",
            )
            for kind, path in drawings.items()
        ),
    )
