"""Cutting claims into transactions: never too large, nothing lost, nothing asked twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.errors import InternalError, StoreRefused
from coord_dynamodb.cutting import Limit, first_cut

ROLES = st.lists(st.sampled_from("abcd"), max_size=250).map(sorted)


def _cut(roles: list[str], size: int) -> list[list[str]]:
    cuts = []
    while roles:
        now, roles = first_cut(roles, size, lambda role: role)
        cuts.append(now)
    return cuts


def test_a_hundred_items_are_the_head_one_role_and_98_claims() -> None:
    assert [len(cut) for cut in _cut(["a"] * 98, 100)] == [98]
    assert [len(cut) for cut in _cut(["a"] * 99, 100)] == [98, 1]
    assert [len(cut) for cut in _cut(["a"] * 20, 10)] == [8, 8, 4]
    assert [len(cut) for cut in _cut(["a"] * 3, 3)] == [1, 1, 1]


def test_each_role_takes_a_place() -> None:
    assert _cut(["a"] * 5 + ["b"] * 5, 10) == [["a"] * 5 + ["b"] * 2, ["b"] * 3]
    assert _cut(["a", "b", "c", "d"], 3) == [["a"], ["b"], ["c"], ["d"]]


def test_without_roles_there_is_only_the_head() -> None:
    assert first_cut(list(range(12)), 10) == ([*range(9)], [9, 10, 11])


@given(ROLES, st.integers(min_value=3, max_value=100))
def test_cuts_are_small_enough_whole_and_in_order(roles: list[str], size: int) -> None:
    cuts = _cut(roles, size)
    assert [role for cut in cuts for role in cut] == roles
    assert all(cut and 1 + len(set(cut)) + len(cut) <= size for cut in cuts)


def test_a_limit_is_lowered_to_what_the_server_names() -> None:
    limit = Limit(100)
    limit.lower(10, sent=100)
    assert limit.size == 10
    with pytest.raises(StoreRefused, match="takes 2 items"):
        limit.lower(2, sent=10)
    with pytest.raises(InternalError):
        limit.lower(10, sent=10)


def test_two_sessions_that_are_refused_by_one_limit_both_go_on() -> None:
    """Both had sent 100 when the first of them lowered the size that they share."""
    limit = Limit(100)
    for _ in range(2):
        limit.lower(10, sent=100)
    limit.lower(25, sent=100)
    assert limit.size == 10
