"""Sets of moments as half-open intervals: the algebra that all quantities are computed with.

Owns union, intersection, difference and counting on the time axis. Knows no events and no clock.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["EMPTY", "Span", "Spans"]


class Span(NamedTuple):
    """The moments from `start_s` up to but not including `end_s`."""

    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        """Its duration in seconds; 0 if it is empty."""
        return max(0.0, self.end_s - self.start_s)


@dataclass(frozen=True, slots=True)
class Spans:
    """A set of moments: sorted spans, none empty, none touching another. Never changes."""

    parts: tuple[Span, ...] = ()

    @classmethod
    def of(cls, spans: Iterable[tuple[float, float]]) -> Spans:
        """The union of any spans, in any order; those that end before they start are empty."""
        merged: list[Span] = []
        for start, end in sorted(spans):
            if end <= start:
                continue
            if merged and start <= merged[-1].end_s:
                merged[-1] = Span(merged[-1].start_s, max(end, merged[-1].end_s))
            else:
                merged.append(Span(start, end))
        return cls(tuple(merged))

    @classmethod
    def union(cls, sets: Iterable[Spans]) -> Spans:
        """The moments in any of the sets."""
        return cls.of(span for one in sets for span in one.parts)

    @classmethod
    def shared(cls, sets: Iterable[Spans], *, least: int = 2) -> Spans:
        """The moments in at least `least` of the sets."""
        edges: list[tuple[float, int]] = []
        for one in sets:
            for start, end in one.parts:
                edges += [(start, 1), (end, -1)]
        found: list[tuple[float, float]] = []
        depth, since = 0, 0.0
        for moment, step in sorted(edges):  # at one moment, ends come before starts
            if depth >= least > depth + step:
                found.append((since, moment))
            elif depth < least <= depth + step:
                since = moment
            depth += step
        return cls.of(found)

    def __or__(self, other: Spans) -> Spans:
        return Spans.union((self, other))

    def __and__(self, other: Spans) -> Spans:
        return Spans.shared((self, other))

    def __sub__(self, other: Spans) -> Spans:
        left: list[tuple[float, float]] = []
        for span in self.parts:
            since = span.start_s
            for cut in other.clip(span):
                left.append((since, cut.start_s))
                since = cut.end_s
            left.append((since, span.end_s))
        return Spans.of(left)

    def __iter__(self) -> Iterator[Span]:
        return iter(self.parts)

    def __bool__(self) -> bool:
        return bool(self.parts)

    def __contains__(self, moment_s: float) -> bool:
        index = bisect_right(self.parts, (moment_s, float("inf"))) - 1
        return index >= 0 and moment_s < self.parts[index].end_s

    @property
    def total_s(self) -> float:
        """The sum of their lengths, in seconds."""
        return sum(span.length_s for span in self.parts)

    def clip(self, window: Span) -> Spans:
        """The part within `window`; cheap however many spans lie outside."""
        first = max(0, bisect_right(self.parts, (window.start_s, float("inf"))) - 1)
        last = bisect_right(self.parts, (window.end_s, float("-inf")))
        return Spans.of(
            (max(start, window.start_s), min(end, window.end_s))
            for start, end in self.parts[first:last]
        )

    def after(self, delay_s: float, *, again_at: Iterable[float] = ()) -> Spans:
        """What remains of each span after its first `delay_s`, the count starting anew at each
        moment of `again_at`.
        """
        moments = sorted(again_at)
        late: list[tuple[float, float]] = []
        for span in self.parts:
            since = span.start_s
            inside = moments[bisect_right(moments, since) : bisect_left(moments, span.end_s)]
            for moment in (*inside, span.end_s):
                late.append((since + delay_s, moment))
                since = moment
        return Spans.of(late)


EMPTY = Spans()
