"""The interval algebra, beside sets of whole moments as its plain model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.lab.measure.intervals import EMPTY, Span, Spans

pairs = st.tuples(st.integers(0, 40), st.integers(0, 40))
spans = st.builds(Spans.of, st.lists(pairs, max_size=8))
windows = st.builds(Span, st.integers(0, 40), st.integers(0, 40))


def moments(of: Spans) -> set[int]:
    """The whole seconds that begin inside."""
    return {moment for span in of for moment in range(int(span.start_s), int(span.end_s))}


def test_touching_spans_are_one() -> None:
    assert Spans.of([(3, 5), (1, 3), (7, 7), (9, 8)]).parts == (Span(1, 5),)


def test_a_span_holds_its_start_and_not_its_end() -> None:
    found = Spans.of([(1, 3)])
    assert 1 in found
    assert 2.999 in found
    assert 3 not in found
    assert 0.999 not in found


@given(spans, spans)
def test_union_intersection_and_difference_are_those_of_sets(one: Spans, other: Spans) -> None:
    assert moments(one | other) == moments(one) | moments(other)
    assert moments(one & other) == moments(one) & moments(other)
    assert moments(one - other) == moments(one) - moments(other)


@given(st.lists(spans, max_size=4), st.integers(1, 3))
def test_shared_counts_how_many_cover_a_moment(sets: list[Spans], least: int) -> None:
    expected = {m for m in range(41) if sum(m in one for one in sets) >= least}
    assert moments(Spans.shared(sets, least=least)) == expected


@given(spans, windows)
def test_clip_is_what_lies_within_the_window(one: Spans, window: Span) -> None:
    assert one.clip(window) == one & Spans.of([window])


@given(spans, spans)
def test_every_result_is_sorted_and_no_two_spans_touch(one: Spans, other: Spans) -> None:
    for found in (one | other, one & other, one - other):
        edges = [edge for span in found for edge in span]
        assert edges == sorted(set(edges))


@given(spans, spans)
def test_what_is_cut_off_and_what_remains_make_the_whole(one: Spans, other: Spans) -> None:
    assert (one - other).total_s + (one & other).total_s == pytest.approx(one.total_s)


@given(spans, st.integers(1, 5), st.lists(st.integers(0, 40), max_size=6))
def test_after_keeps_what_lies_further_than_the_delay_from_the_last_start(
    one: Spans, delay: int, again: list[int]
) -> None:
    expected = set()
    for span in one:
        for moment in range(int(span.start_s), int(span.end_s)):
            last = max([span.start_s, *(m for m in again if span.start_s < m <= moment)])
            if moment - last >= delay:
                expected.add(moment)
    assert moments(one.after(delay, again_at=again)) == expected


def test_nothing_is_an_empty_set() -> None:
    assert not EMPTY
    assert EMPTY.total_s == 0
    assert Span(3, 1).length_s == 0
