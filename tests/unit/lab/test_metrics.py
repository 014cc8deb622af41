"""Gap, split and faux on logs written by hand; the arithmetic stands beside each figure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.lab.measure import Shard, ShardTimes, shard_times
from coord.lab.measure.intervals import Span
from coord.lab.measure.metrics import affected_share, within
from tests.unit.lab.script import ROLE, Script

TAU_S = 1.0


def times(script: Script, shard: int = 0, *, generation: int = 1) -> ShardTimes:
    return shard_times(script.timeline, tau_s=TAU_S)[Shard(ROLE, generation, shard)]


def figures(of: ShardTimes) -> tuple[float, float, float]:
    """Gap, split, faux in seconds."""
    return tuple(pytest.approx(part.total_s) for part in (of.gap, of.split, of.faux))  # type: ignore[return-value]


def killed() -> Script:
    """A ttl of 3, a heartbeat a second; a is killed between two of them; b takes over."""
    s = Script()
    s.role(0)
    s.lead(0, "a", 1, until=3)
    s.trust(1, "a", 4)
    s.trust(2, "a", 5)
    s.fault("kill", "a", 2.5, effect=2.6)
    s.lead(5.3, "b", 2, until=8.3, asked=5.1)
    s.act(5.5, "b", 2)
    s.trust(6.3, "b", 9.3)
    s.trust(7.3, "b", 10.3)
    s.last(10)
    return s


def test_a_killed_holder_leaves_a_gap_from_its_death_to_its_successor() -> None:
    # a acts 0–2.6 (its trust to 5 dies with it), b from 5.3 to the end of the log
    # gap 5.3 − 2.6 = 2.7; covered 2.6 + (10 − 5.3) = 7.3; the kill's begin, 2.5, does not count
    found = times(killed())
    assert figures(found) == (2.7, 0, 0)
    assert found.covered.total_s == pytest.approx(7.3)


def test_trust_that_is_not_renewed_ends_the_acting_before_the_belief_ends() -> None:
    s = Script()
    s.role(0)
    s.lead(0, "a", 1, until=3)
    s.trust(1, "a", 4)
    s.end(6, "a", 1)
    s.lead(5, "b", 2, until=12)
    s.last(10)
    # a may act 0–4 although it believes to 6; b from 5: gap 1, and no split in 5–6
    assert figures(times(s)) == (1, 0, 0)


def test_a_stopped_process_holds_a_frozen_belief_and_is_not_acting() -> None:
    s = Script()
    s.role(0)
    s.lead(0, "a", 1, until=3)
    s.trust(1, "a", 4)
    s.fault("pause", "a", 1.9, effect=2, end=8)
    s.lead(4.5, "b", 2, until=12)
    s.end(8.1, "a", 1)
    s.last(10)
    # a acts 0–2; frozen 2–8, and its deadline passes at 4 meanwhile; b from 4.5: gap 2.5
    assert figures(times(s)) == (2.5, 0, 0)


def test_a_naive_holder_that_wakes_up_splits_until_it_notices() -> None:
    s = Script()
    s.role(0)
    s.lead(0, "a", 1, until=None)  # it knows no deadline
    s.fault("pause", "a", 1.9, effect=2, end=8)
    s.lead(4.5, "b", 2, until=12)
    s.end(8.6, "a", 1)
    s.last(10)
    # a acts 0–2 and again 8–8.6, beside b: split 0.6; gap 4.5 − 2 = 2.5; covered 7.5
    found = times(s)
    assert figures(found) == (2.5, 0.6, 0)
    assert found.covered.total_s == pytest.approx(7.5)


def test_co_leaders_gap_only_when_no_seat_leads_and_split_within_one_seat() -> None:
    s = Script()
    s.role(0, seats=2)
    s.lead(0, "a", 1, seat=0)
    s.lead(0, "b", 2, seat=1)
    s.end(4, "b", 2, seat=1)
    s.fault("kill", "a", 6, effect=6)
    s.lead(7, "c", 3, seat=1)
    s.lead(8, "d", 4, seat=1)
    s.end(8.5, "c", 3, seat=1)
    s.last(10)
    # seat 0: a 0–6. seat 1: b 0–4, c 7–8.5, d 8–10. Some seat: 0–6 and 7–10: gap 1.
    # a and b side by side 0–4 are no split; c and d on seat 1 are, 8–8.5: 0.5
    assert figures(times(s)) == (1, 0.5, 0)


def test_a_process_does_not_split_with_itself() -> None:
    s = Script()
    s.role(0)
    s.lead(0, "a", 1)
    s.lead(4, "a", 2)
    s.end(5, "a", 1)
    s.last(10)
    assert figures(times(s)) == (0, 0, 0)


def test_a_member_that_is_started_again_is_somebody_else() -> None:
    s = Script()
    s.role(0)
    s.lead(0, "a", 1)
    s.fault("kill", "a", 3, effect=3)
    s.lead(5, "a", 2, pid=999)
    s.last(10)
    # the new process is not struck by the old one's death: gap 3–5
    assert figures(times(s)) == (2, 0, 0)


def test_a_kill_without_a_pid_ends_the_process_of_that_time_only() -> None:
    s = Script()
    s.role(0)
    s.lead(0, "a", 1)
    s.fault("kill", "a", 3, effect=3, pid=0)
    s.lead(5, "a", 2, pid=999)
    s.last(10)
    assert figures(times(s)) == (2, 0, 0)


def test_a_process_that_dies_of_sigterm_is_dead_when_it_was_seen_so() -> None:
    s = Script()
    s.role(0)
    s.lead(0, "a", 1, until=9)
    s.fault("sigterm", "a", 2, effect=2, end=2.5)
    s.lead(3, "b", 2)
    s.last(10)
    # a acts 0–2.5, whatever its deadline says; b from 3: gap 0.5, no split
    assert figures(times(s)) == (0.5, 0, 0)


def test_a_process_that_is_asked_to_go_acts_until_it_says_otherwise() -> None:
    s = Script()
    s.role(0)
    s.lead(0, "a", 1, until=9)
    s.fault("sigterm", "a", 2, effect=2)
    s.end(4, "a", 1)
    s.lead(5, "b", 2)
    s.last(10)
    assert figures(times(s)) == (1, 0, 0)  # gap 4–5


def test_a_member_that_stops_ends_what_it_forgot_to_end() -> None:
    s = Script()
    s.role(0)
    s.lead(0, "a", 1)
    s.member(4, "a", "stop")
    s.last(10)
    assert figures(times(s)) == (6, 0, 0)


def test_a_shard_that_nobody_ever_led_is_a_gap_all_along() -> None:
    s = Script()
    s.role(2, shards=2)
    s.lead(2, "a", 1, shard=0)
    s.last(10)
    assert figures(times(s, 0)) == (0, 0, 0)
    assert figures(times(s, 1)) == (8, 0, 0)  # from the role's record on


def test_an_older_generation_beside_a_newer_one_is_a_split() -> None:
    s = Script()
    s.role(0, shards=1)
    s.lead(0, "a", 1)
    s.role(4, generation=2, shards=2)
    s.lead(5, "b", 2, generation=2, shard=0)
    s.lead(7, "c", 3, generation=2, shard=1)
    s.end(6, "a", 1)
    s.last(10)
    # generation 1 lives 0–4 and is covered. Generation 2 from 4: shard 0 led from 5 (gap 1), beside
    # the old leader 5–6 (split 1); shard 1 led from 7 (gap 3), the old one gone by then
    assert figures(times(s)) == (0, 0, 0)
    assert figures(times(s, 0, generation=2)) == (1, 1, 0)
    assert figures(times(s, 1, generation=2)) == (3, 0, 0)


def test_faux_is_due_work_that_rests_longer_than_tau_under_a_leader() -> None:
    s = Script()
    s.role(0)
    s.lead(0, "a", 1)
    s.backlog(2, "u1")
    s.act(5, "a", 1, units=["u1"])
    s.backlog(6, "u2", "u3")
    s.act(6.5, "a", 1, units=["u3"])
    s.act(9, "a", 1, units=["u2"])
    s.last(12)
    # τ = 1. Due 2–5: nothing done since it fell due at 2, so faux 3–5 = 2.
    # Due 6–9: something done at 6.5, so faux 7.5–9 = 1.5. Nothing due 9–12. Together 3.5
    found = times(s)
    assert figures(found) == (0, 0, 3.5)
    assert found.faux.parts == (Span(3, 5), Span(7.5, 9))


def test_a_new_leader_has_tau_before_it_counts_as_faux() -> None:
    s = Script()
    s.role(0)
    s.backlog(0, "u1")
    s.lead(0, "a", 1)
    s.fault("kill", "a", 4, effect=4)
    s.lead(6, "b", 2)
    s.act(8.5, "b", 2, units=["u1"])
    s.last(10)
    # a: faux 1–4 = 3. Gap 4–6. b: faux 7–8.5 = 1.5, not from 6
    assert figures(times(s)) == (2, 0, 4.5)


def test_a_paused_leader_is_a_gap_and_not_faux() -> None:
    s = Script()
    s.role(0)
    s.backlog(0, "u1")
    s.lead(0, "a", 1)
    s.fault("pause", "a", 0.5, effect=0.5, end=5)
    s.act(5.5, "a", 1, units=["u1"])
    s.last(6)
    assert figures(times(s)) == (4.5, 0, 0)


def test_work_refused_by_the_resource_is_no_work() -> None:
    s = Script()
    s.role(0)
    s.backlog(0, "u1")
    s.lead(0, "a", 1)
    for t in (0.5, 1.5, 2.5):
        s.act(t, "a", 1, units=["u1"], accepted=False)
    s.last(4)
    assert figures(times(s)) == (0, 0, 3)  # faux 1–4


def test_progress_that_is_only_said_is_no_work() -> None:
    s = Script()
    s.role(0)
    s.backlog(0, "u1")
    s.lead(0, "a", 1)
    for t in (0.5, 1.5, 2.5):
        s.progress(t, "a", 1)
    s.last(4)
    assert figures(times(s)) == (0, 0, 3)


def test_units_handed_to_another_shard_are_owed_there() -> None:
    s = Script()
    s.role(0, shards=2)
    s.lead(0, "a", 1, shard=0)
    s.lead(0, "b", 2, shard=1)
    s.backlog(0, "u1", shard=0)
    s.backlog(3, "u1", shard=1)
    s.act(8, "b", 2, shard=1, units=["u1"])
    s.last(10)
    assert figures(times(s, 0)) == (0, 0, 2)  # owed 0–3, faux 1–3
    assert figures(times(s, 1)) == (0, 0, 4)  # owed 3–8, faux 4–8


def test_a_window_shows_its_part() -> None:
    # the kill log: gap 2.6–5.3. In 3–4 all is gap; in 5–6 there are 0.3 s of it
    found = times(killed())
    assert found.within(Span(3, 4)).gap.total_s == pytest.approx(1)
    assert found.within(Span(5, 6)).gap.total_s == pytest.approx(0.3)


def test_the_blast_radius_is_the_share_of_shards_that_suffered() -> None:
    s = Script()
    s.role(0, shards=4)
    for shard, member in enumerate("aabb"):
        s.lead(0, member, shard + 1, shard=shard)
    s.fault("kill", "a", 4, effect=4)
    s.lead(6, "b", 9, shard=0)
    s.lead(6, "b", 10, shard=1)
    s.last(10)
    found = shard_times(s.timeline, tau_s=TAU_S)
    assert affected_share(within(found, Span(0, 10)), floor_s=0) == 0.5
    assert affected_share(within(found, Span(0, 10)), floor_s=2.5) == 0  # the gaps are 2 s
    assert affected_share(within(found, Span(7, 10)), floor_s=0) == 0
    assert affected_share({}, floor_s=0) == 0


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """Any history of four members on two shards: leading, trusting, ending, dying, freezing."""
    s = Script()
    s.role(0, shards=2)
    moment = st.integers(0, 40)
    for token in range(1, draw(st.integers(1, 8)) + 1):
        member, shard, start = draw(st.sampled_from("abcd")), draw(st.integers(0, 1)), draw(moment)
        until = draw(st.none() | st.integers(start, start + 15))
        s.lead(start, member, token, shard=shard, until=until)
        if draw(st.booleans()):
            s.end(start + draw(st.integers(0, 20)), member, token, shard=shard)
    for _ in range(draw(st.integers(0, 6))):
        start = draw(moment)
        s.trust(start, draw(st.sampled_from("abcd")), start + draw(st.integers(0, 10)))
    for _ in range(draw(st.integers(0, 3))):
        begin = draw(moment)
        kind = draw(st.sampled_from(["pause", "kill"]))
        s.fault(kind, draw(st.sampled_from("abcd")), begin, effect=begin, end=begin + 5)
    for number in range(draw(st.integers(0, 4))):
        s.backlog(draw(moment), f"u{number}", shard=draw(st.integers(0, 1)))
    s.last(60)
    return s


@given(scripts())
def test_gap_and_covered_make_the_whole_and_the_rest_are_parts_of_covered(script: Script) -> None:
    for found in shard_times(script.timeline, tau_s=TAU_S).values():
        assert found.gap.total_s + found.covered.total_s == pytest.approx(found.watched.total_s)
        assert not found.gap & found.covered
        assert not found.split - found.covered
        assert not found.faux - found.covered
        assert not found.faux & found.split


@given(scripts(), st.integers(0, 60))
def test_the_parts_of_a_divided_window_add_up(script: Script, cut: int) -> None:
    for found in shard_times(script.timeline, tau_s=TAU_S).values():
        early, late = found.within(Span(0, cut)), found.within(Span(cut, 60))
        for part in ("gap", "split", "faux", "covered"):
            whole = getattr(found, part).total_s
            halves = getattr(early, part).total_s + getattr(late, part).total_s
            assert halves == pytest.approx(whole)


@given(scripts())
def test_nobody_acts_while_frozen_or_dead(script: Script) -> None:
    line = script.timeline
    for tenure in line.tenures:
        for fault in line.faults:
            if fault.kind == "pause" and fault.strikes(tenure.who):
                assert not tenure.acting.clip(Span(fault.effect_s, fault.end_s))
        assert not tenure.acting.clip(Span(line.killed.get(tenure.who, 1e9), 1e9))
