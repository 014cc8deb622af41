"""The words of `coord.core.wording` and the ranges of `coord.cli.summary`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.cli.summary import ranges
from coord.config import parse_duration_s
from coord.core.wording import duration_text, held_text, listed


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (0.0005, "0.5ms"),
        (0.25, "250ms"),
        (1.0, "1s"),
        (2.5, "2.5s"),
        (60.0, "1m"),
        (90.0, "90s"),
        (600.0, "10m"),
        (7200.0, "2h"),
        (86400.0, "1d"),
    ],
)
def test_a_duration_reads_as_users_write_it(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@given(st.floats(min_value=0.0, max_value=1e9))
def test_a_duration_can_be_read_back(seconds: float) -> None:
    assert parse_duration_s(duration_text(seconds)) == pytest.approx(seconds, abs=0.0006)


def test_names_read_as_a_sentence() -> None:
    assert listed(["a"]) == "a"
    assert listed(["a", "b"]) == "a and b"
    assert listed(["a", "b", "c"]) == "a, b and c"


def test_holders_are_counted() -> None:
    assert held_text({}) == "no claim is held any more"
    assert held_text({"a": [1, 2], "b": [3]}) == "still held: 2 by a and 1 by b"


def test_neighbours_make_a_range() -> None:
    assert ranges([4, 0, 1, 2, 7, 3]) == "0–4, 7"
    assert ranges([]) == ""
    assert ranges([3, 3]) == "3"


def test_what_does_not_fit_is_counted() -> None:
    assert ranges(range(0, 20, 2), width=16) == "0, 2 and 8 more"
    assert ranges([0, 2, 3, 4, 5], width=3) == "0 and 4 more"


@given(st.sets(st.integers(0, 300)), st.integers(1, 40))
def test_a_range_loses_no_number(numbers: set[int], width: int) -> None:
    shown, _, more = ranges(numbers, width=width).partition(" and ")
    count = int(more.removesuffix(" more")) if more else 0
    for span in filter(None, shown.split(", ")):
        first, _, last = span.partition("–")
        count += int(last or first) - int(first) + 1
    assert count == len(numbers)
