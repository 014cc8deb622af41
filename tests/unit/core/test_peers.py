"""The other members: since when they are here, and when one of them may be evicted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.config import Timing
from coord.core.peers import Peers
from coord.model import LiveMember
from coord.spi import Expiry, Guarantees, Observed
from tests.unit.core.views import live, view_of

TIMING = Timing.of(10.0, drift=0.01)
GUARANTEES = Guarantees(
    kind="hand-made",
    token_source="none",  # noqa: S106  a fencing token
    expiry=Expiry.PROVEN,
    pushes_changes=True,
    peers_evict=True,
    batch_size=10,
)
OWN = "s-a"
_INF = float("inf")


class Watcher:
    """One member that looks at its peers."""

    def __init__(self, guarantees: Guarantees = GUARANTEES, own: str = OWN) -> None:
        self.peers = Peers(TIMING, guarantees)
        self.own = own

    def see(self, *members: LiveMember, now: float, sent_at_s: float | None = None) -> None:
        sent = now if sent_at_s is None else sent_at_s
        self.peers.on_view(view_of(members, None), own=self.own, sent_at_s=sent, now=now)

    def evicts(self, now: float) -> list[str]:
        return [observed.session for observed in self.peers.dead(now)[0]]


# --- presence --------------------------------------------------------------------------------


def test_a_peer_is_present_since_the_first_view_that_shows_it_without_a_break() -> None:
    watcher = Watcher()
    watcher.see(live("b"), now=10.0)
    watcher.see(live("b", seq=2), now=20.0)
    assert watcher.peers.present_since_s("s-b") == 10.0
    watcher.see(now=30.0)
    assert watcher.peers.present_since_s("s-b") == _INF
    watcher.see(live("b", seq=3), now=40.0)
    assert watcher.peers.present_since_s("s-b") == 40.0


def test_we_are_no_peer_of_ours() -> None:
    watcher = Watcher()
    watcher.see(live("a", expires_at_s=1.0), live("b", expires_at_s=99.0), now=10.0)
    assert watcher.peers.present_since_s("s-a") == _INF
    assert watcher.peers.present_since_s("s-b") == 10.0
    assert watcher.evicts(50.0) == []


# --- expiry at a known moment ----------------------------------------------------------------


def test_a_peer_is_evicted_only_after_a_view_that_was_asked_for_after_its_end() -> None:
    """It may have renewed since our last look: the moment alone is no reason."""
    watcher = Watcher()
    watcher.see(live("b", expires_at_s=50.0), now=45.0)
    assert watcher.peers.dead(49.9) == ([], False)
    assert watcher.peers.dead(50.1) == ([], True), "first look again"
    watcher.see(live("b", expires_at_s=50.0), sent_at_s=50.2, now=50.3)
    assert watcher.peers.dead(50.3) == ([Observed("s-b", 1)], False)


def test_a_view_that_was_asked_for_before_the_end_does_not_count_though_it_came_after() -> None:
    watcher = Watcher()
    watcher.see(live("b", expires_at_s=50.0), sent_at_s=49.9, now=51.0)
    assert watcher.peers.dead(51.0) == ([], True)


def test_a_peer_that_has_renewed_is_left_alone() -> None:
    watcher = Watcher()
    watcher.see(live("b", expires_at_s=50.0), now=45.0)
    watcher.see(live("b", seq=2, expires_at_s=60.0), sent_at_s=50.2, now=50.3)
    assert watcher.peers.dead(50.3) == ([], False)
    assert watcher.peers.next_due_s() == 60.0


# --- expiry by patience ----------------------------------------------------------------------


def test_a_peer_whose_end_nobody_knows_is_watched_for_a_whole_ttl_with_drift() -> None:
    watcher = Watcher()
    watcher.see(live("b", ttl_s=10.0), sent_at_s=95.0, now=100.0)
    assert watcher.evicts(110.0) == []
    assert watcher.evicts(110.099) == [], "counted from the reply, not from the request"
    assert watcher.evicts(110.1) == ["s-b"]


def test_a_newer_heartbeat_begins_the_watch_anew() -> None:
    watcher = Watcher()
    watcher.see(live("b"), now=100.0)
    watcher.see(live("b", seq=2), now=109.0)
    assert watcher.evicts(119.0) == []
    assert watcher.evicts(119.2) == ["s-b"]


def test_views_that_show_the_same_heartbeat_do_not_prolong_the_watch() -> None:
    watcher = Watcher()
    for now in (100.0, 104.0, 109.0):
        watcher.see(live("b"), now=now)
    assert watcher.evicts(110.2) == ["s-b"]


def test_the_watch_counts_from_when_the_store_was_shown_the_heartbeat() -> None:
    watcher = Watcher(replace(GUARANTEES, expiry=Expiry.OBSERVED))
    watcher.see(live("b", seen_at_s=97.0), now=100.0)
    assert watcher.evicts(107.09) == []
    assert watcher.evicts(107.1) == ["s-b"]
    watcher.see(live("b", seq=2, seen_at_s=108.0), now=109.0)
    assert watcher.evicts(118.09) == []
    assert watcher.evicts(118.1) == ["s-b"]


def test_presence_begins_with_the_view_whatever_the_store_has_seen_before() -> None:
    watcher = Watcher()
    watcher.see(live("b", seen_at_s=97.0), now=100.0)
    assert watcher.peers.present_since_s("s-b") == 100.0


def test_where_the_store_watches_heartbeats_a_peer_is_evicted_only_after_another_look() -> None:
    """Our view is rare there: a later heartbeat may have been seen since."""
    watcher = Watcher()
    watcher.see(live("b", seen_at_s=99.0), now=100.0)
    assert watcher.peers.dead(109.09) == ([], False)
    assert watcher.peers.dead(109.1) == ([], True), "first look again"
    watcher.see(live("b", seq=4, seen_at_s=107.0), sent_at_s=109.1, now=109.2)
    assert watcher.peers.dead(117.09) == ([], False)
    assert watcher.peers.dead(117.2) == ([], True)
    watcher.see(live("b", seq=4, seen_at_s=107.0), sent_at_s=117.2, now=117.3)
    assert watcher.peers.dead(117.3) == ([Observed("s-b", 4)], False)


def test_a_refused_eviction_of_a_watched_peer_is_asked_for_again_after_another_look() -> None:
    watcher = Watcher()
    watcher.see(live("b", seen_at_s=99.0), sent_at_s=109.2, now=109.3)
    (observed,) = watcher.peers.dead(109.3)[0]
    watcher.peers.not_dead(observed, 109.4)
    again_s = 109.4 + TIMING.rpc_timeout_s
    assert watcher.peers.dead(again_s) == ([], True)
    watcher.see(live("b", seen_at_s=99.0), sent_at_s=again_s, now=again_s + 0.1)
    assert watcher.evicts(again_s + 0.1) == ["s-b"]


def test_who_was_killed_right_after_a_heartbeat_is_evicted_once_that_was_silent_for_a_ttl() -> None:
    """However old our view is by then: what it shows is due earlier, which makes us look."""
    for last_seen_s in (100.0, 99.9, 97.5, 90.1):
        watcher = Watcher()
        watcher.see(live("b", seen_at_s=last_seen_s), now=100.0)
        looked_s = watcher.peers.next_due_s()
        assert watcher.peers.dead(looked_s) == ([], True)
        watcher.see(live("b", seq=2, seen_at_s=100.1), sent_at_s=looked_s, now=looked_s)
        due_s = watcher.peers.next_due_s()
        assert due_s == pytest.approx(110.2)
        watcher.see(live("b", seq=2, seen_at_s=100.1), sent_at_s=due_s, now=due_s)
        assert watcher.evicts(due_s) == ["s-b"]


def test_time_in_which_we_were_not_awake_is_no_patience() -> None:
    """A clock that leaps, or a machine that slept: the peer had no chance to be seen."""
    watcher = Watcher()
    watcher.see(live("b"), now=100.0)
    watcher.peers.on_lost(60.0, now=165.0)
    assert watcher.peers.next_due_s() == pytest.approx(170.1)
    assert watcher.evicts(170.0) == []
    watcher.see(live("b"), now=170.05)
    assert watcher.evicts(170.2) == ["s-b"], "views that show the same prolong nothing"


def test_what_was_lost_before_a_heartbeat_was_seen_does_not_prolong_its_watch() -> None:
    watcher = Watcher()
    watcher.see(live("b"), now=100.0)
    watcher.peers.on_lost(20.0, now=125.0)
    watcher.see(live("b", seq=2), now=126.0)
    assert watcher.evicts(136.2) == ["s-b"]


def test_a_heartbeat_that_the_store_saw_while_we_slept_has_the_time_we_lost() -> None:
    watcher = Watcher(replace(GUARANTEES, expiry=Expiry.OBSERVED))
    watcher.see(live("b", seen_at_s=99.0), now=100.0)
    watcher.peers.on_lost(60.0, now=165.0)
    watcher.see(live("b", seq=2, seen_at_s=101.0), live("c", seen_at_s=101.0), now=165.0)
    assert watcher.evicts(171.0) == []
    assert watcher.evicts(171.2) == ["s-b", "s-c"]


@given(
    st.lists(st.tuples(st.floats(0.1, 30.0), st.floats(0.0, 1.0), st.booleans()), max_size=20),
)
def test_lost_time_only_ever_makes_eviction_later(
    steps: list[tuple[float, float, bool]],
) -> None:
    """Whatever is lost between whichever heartbeats: nobody goes before a ttl of silence."""
    watcher, now, lost, seq, seen_s = Watcher(), 100.0, 0.0, 1, 100.0
    watcher.see(live("b"), now=now)
    for pause_s, share, beat in steps:
        now += pause_s
        lost += pause_s * share
        watcher.peers.on_lost(lost, now)
        if beat:
            seq, seen_s = seq + 1, now
        watcher.see(live("b", seq=seq), now=now)
        if watcher.evicts(now):
            assert now >= seen_s + 10.1
            return


@given(st.floats(-0.01, 0.01), st.floats(0.0, 3.0), st.floats(0.0, 9.0))
def test_a_peer_that_still_trusts_itself_is_not_evicted_by_patience(
    rate: float, reply_s: float, seen_after_s: float
) -> None:
    """Its last heartbeat left at 0; its clock is slower than ours by no more than the bound."""
    watcher = Watcher()
    watcher.see(live("b"), sent_at_s=seen_after_s, now=seen_after_s + reply_s)
    trusted_until_s = 10.0 * (1 - TIMING.drift) / (1 + min(rate, 0.0))
    assert watcher.evicts(min(trusted_until_s, seen_after_s + reply_s + 10.0)) == []


# --- provably gone ---------------------------------------------------------------------------


def test_a_peer_whose_process_is_gone_is_evicted_at_once() -> None:
    watcher = Watcher()
    watcher.see(live("b", expires_at_s=500.0, gone=True), live("c", gone=True), now=100.0)
    assert watcher.evicts(100.0) == ["s-b", "s-c"]


# --- asking ----------------------------------------------------------------------------------


def test_an_eviction_is_conditional_on_the_heartbeat_that_was_seen() -> None:
    watcher = Watcher()
    watcher.see(live("b", seq=7, gone=True), now=100.0)
    assert watcher.peers.dead(100.0)[0] == [Observed("s-b", 7)]


def test_one_eviction_is_asked_for_at_a_time() -> None:
    watcher = Watcher()
    watcher.see(live("b", gone=True), now=100.0)
    assert watcher.evicts(100.0) == ["s-b"]
    assert watcher.evicts(100.1) == []
    assert watcher.peers.next_due_s() == _INF


def test_who_is_not_dead_after_all_is_asked_about_again_but_not_at_once() -> None:
    watcher = Watcher()
    watcher.see(live("b", gone=True), now=100.0)
    (observed,) = watcher.peers.dead(100.0)[0]
    watcher.peers.not_dead(observed, 100.2)
    assert watcher.evicts(100.2 + TIMING.rpc_timeout_s - 0.01) == []
    assert watcher.peers.next_due_s() == pytest.approx(100.2 + TIMING.rpc_timeout_s)
    assert watcher.evicts(100.2 + TIMING.rpc_timeout_s) == ["s-b"]


def test_an_answer_about_an_older_heartbeat_says_nothing_of_the_newer() -> None:
    watcher = Watcher()
    watcher.see(live("b", gone=True), now=100.0)
    (observed,) = watcher.peers.dead(100.0)[0]
    watcher.see(live("b", seq=2, gone=True), now=100.1)
    assert watcher.evicts(100.1) == ["s-b"]
    watcher.peers.not_dead(observed, 100.2)
    assert watcher.evicts(200.0) == [], "the second question is still open"


def test_members_ask_one_after_another_and_not_all_at_once() -> None:
    crew = [live(name, expires_at_s=50.0) for name in "abcde"]
    dues = []
    for name in "bcde":
        watcher = Watcher(own=f"s-{name}")
        others = [m if m.session == "s-a" else replace(m, expires_at_s=999.0) for m in crew]
        watcher.see(*others, now=45.0)
        dues.append(watcher.peers.next_due_s())
    assert len(set(dues)) == 4
    assert min(dues) >= 50.0
    assert max(dues) < 50.0 + 0.1


def test_the_last_of_many_members_asks_soon_enough() -> None:
    crew = [live(f"m{number:03}", expires_at_s=50.0) for number in range(300)]
    watcher = Watcher(own="s-m299")
    watcher.see(*crew, now=45.0)
    assert watcher.peers.next_due_s() <= 50.11


def test_where_the_store_ends_sessions_itself_nobody_evicts() -> None:
    watcher = Watcher(replace(GUARANTEES, peers_evict=False))
    watcher.see(live("b", gone=True), live("c"), now=100.0)
    assert watcher.peers.dead(500.0) == ([], False)
    assert watcher.peers.next_due_s() == _INF


# --- how often to look -----------------------------------------------------------------------


def test_heartbeats_that_must_be_watched_are_read_as_often_as_they_come() -> None:
    watcher = Watcher()
    watcher.see(live("b"), now=100.0)
    assert watcher.peers.refresh_s() == TIMING.heartbeat_s


def test_where_the_store_watches_heartbeats_for_us_the_view_is_read_once_a_ttl() -> None:
    watcher = Watcher()
    watcher.see(live("b", seen_at_s=99.0), now=100.0)
    assert watcher.peers.refresh_s() == TIMING.ttl_s


def test_where_nothing_but_patience_ends_sessions_heartbeats_are_read_whoever_else_sees_them() -> (
    None
):
    watcher = Watcher(replace(GUARANTEES, expiry=Expiry.OBSERVED))
    watcher.see(live("b", seen_at_s=99.0), now=100.0)
    assert watcher.peers.refresh_s() == TIMING.heartbeat_s
    assert watcher.evicts(109.2) == ["s-b"]


def test_where_the_store_tells_of_changes_and_ends_the_view_is_read_once_a_ttl() -> None:
    watcher = Watcher()
    watcher.see(live("b", expires_at_s=150.0), now=100.0)
    assert watcher.peers.refresh_s() == TIMING.ttl_s
