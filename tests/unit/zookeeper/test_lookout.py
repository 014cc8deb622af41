"""Who looks out for whom."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from coord_zookeeper.lookout import LOOKS_FOR, ring_after

_PLACES = st.sets(st.integers(0, 2**32 - 1), min_size=1, max_size=12)


def sids_of(places: set[int]) -> frozenset[str]:
    """Sessions of one server: ZooKeeper's own numbers tell nothing of their places."""
    return frozenset(f"{2**60 + n:x}-{place:08x}" for n, place in enumerate(sorted(places)[::-1]))


def seen_by(sids: frozenset[str]) -> dict[str, set[str]]:
    """Who looks out for each."""
    watched: dict[str, set[str]] = {sid: set() for sid in sids}
    for own in sids:
        for sid in ring_after(own, sids)[:LOOKS_FOR]:
            watched[sid].add(own)
    return watched


@given(_PLACES)
def test_everybody_looks_out_for_two_others_and_is_seen_by_two(places: set[int]) -> None:
    sids = sids_of(places)
    others = min(LOOKS_FOR, len(sids) - 1)
    assert all(len(by) == others and sid not in by for sid, by in seen_by(sids).items())


@given(_PLACES)
def test_two_that_die_at_once_are_both_seen_by_a_third(places: set[int]) -> None:
    sids = sids_of(places)
    for dead in combinations(sorted(sids), 2):
        if len(sids) > len(dead):
            assert all(seen_by(sids)[sid] - set(dead) for sid in dead)


def test_a_session_that_no_view_shows_has_its_place_in_the_ring() -> None:
    sids = frozenset({"1-10", "2-20", "3-30"})
    assert ring_after("9-25", sids) == ["3-30", "1-10", "2-20"]
    assert ring_after("9-25", frozenset()) == []
