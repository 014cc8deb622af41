"""Failover in its three parts, false failovers, and how durations are summed up."""

from __future__ import annotations

import pytest

from coord.lab.measure.failover import Failover, Stats, failovers, false_failovers, stats
from coord.lab.measure.intervals import Span
from tests.unit.lab.script import Script

WINDOW = Span(0, 10)


def parts(failover: Failover) -> tuple[object, ...]:
    found = failover.detect_s, failover.claim_s, failover.warm_up_s, failover.total_s
    return tuple(None if part is None else pytest.approx(part) for part in found)


def only(script: Script) -> Failover:
    (failover,) = failovers(script.timeline, WINDOW)
    return failover


def struck() -> Script:
    """Member a leads and is killed at 2."""
    s = Script()
    s.role(0)
    s.lead(0, "a", 1, until=3)
    s.act(1, "a", 1)
    s.fault("kill", "a", 2, effect=2.01)
    return s


def test_failover_is_detect_and_claim_and_warm_up() -> None:
    s = struck()
    s.lead(4.6, "b", 2, asked=4.5)
    s.act(4.9, "b", 2, accepted=False)  # an act that failed does not count
    s.act(5, "b", 2)
    s.last(10)
    # killed at 2, asked for at 4.5, led at 4.6, acted at 5
    assert parts(only(s)) == (2.5, 0.1, 0.4, 3)


def test_a_claim_asked_for_before_the_fault_counts_from_the_fault() -> None:
    s = struck()
    s.lead(2.2, "b", 2, asked=1.5)
    s.act(2.5, "b", 2)
    s.last(10)
    assert parts(only(s)) == (0, 0.2, 0.3, 0.5)


def test_without_the_moment_of_asking_all_is_detection() -> None:
    s = struck()
    s.lead(4, "b", 2)
    s.act(5, "b", 2)
    s.last(10)
    assert parts(only(s)) == (2, 0, 1, 3)


def test_each_claim_of_the_target_fails_over_by_itself() -> None:
    s = Script()
    s.role(0, shards=3)
    for shard, member in enumerate("aab"):
        s.lead(0, member, shard + 1, shard=shard)
    s.fault("kill", "a", 2, effect=2)
    s.lead(3, "b", 4, shard=0)
    s.act(3.5, "b", 4, shard=0)
    s.lead(5, "b", 5, shard=1)
    s.act(6, "b", 5, shard=1)
    s.last(10)
    totals = sorted(failover.total_s for failover in failovers(s.timeline, WINDOW))
    assert totals == [1.5, 4]


def test_a_slow_beginning_under_an_older_token_is_no_successor() -> None:
    s = Script()
    s.role(0)
    s.lead(0, "a", 5)
    s.fault("kill", "a", 2, effect=2)
    s.lead(2.5, "c", 4)
    s.lead(4, "b", 6)
    s.act(5, "b", 6)
    s.last(10)
    assert parts(only(s)) == (2, 0, 1, 3)


def test_a_successor_that_never_acts_counts_to_the_end_of_the_window() -> None:
    s = struck()
    s.lead(4, "b", 2, asked=3.5)
    s.last(10)
    assert parts(only(s)) == (1.5, 0.5, None, 8)


def test_a_claim_that_nobody_takes_counts_to_the_end_of_the_window() -> None:
    s = struck()
    s.last(10)
    assert parts(only(s)) == (None, None, None, 8)


def test_a_holder_that_goes_on_needs_no_successor() -> None:
    s = Script()
    s.role(0)
    s.lead(0, "a", 1)
    s.fault("pause", "a", 2, effect=2, end=3)
    s.last(10)
    assert failovers(s.timeline, WINDOW) == []


def test_a_holder_that_hands_over_is_not_failed_over_by_a_later_fault() -> None:
    s = Script()
    s.role(0)
    s.lead(0, "a", 1)
    s.end(1, "a", 1)
    s.lead(1.5, "b", 2)
    s.fault("kill", "a", 2, effect=2)
    s.last(10)
    assert failovers(s.timeline, WINDOW) == []


def test_a_fault_belongs_to_the_window_in_which_it_begins() -> None:
    s = struck()
    s.lead(4, "b", 2)
    s.act(5, "b", 2)
    s.last(10)
    assert failovers(s.timeline, Span(3, 10)) == []


def test_a_demotion_that_no_fault_explains_is_false() -> None:
    s = Script()
    s.role(0, shards=3)
    s.lead(0, "a", 1, shard=0)
    s.lead(0, "a", 2, shard=1)
    s.lead(0, "b", 3, shard=2)
    s.note(4, "a", "session-given-up")
    s.note(5, "b", "late")
    s.note(6, "b", "heartbeat-failed")
    s.last(10)
    # a's session held two claims, b was late with one; a failed heartbeat demotes nobody
    assert false_failovers(s.timeline, WINDOW, aftermath_s=2) == 3


@pytest.mark.parametrize(
    ("member", "moment", "expected"),
    [
        pytest.param("a", 4, 0, id="during"),
        pytest.param("a", 6.5, 0, id="aftermath"),
        pytest.param("a", 7.5, 1, id="after-the-aftermath"),
        pytest.param("a", 2.5, 1, id="before"),
        pytest.param("b", 4, 1, id="another-member"),
    ],
)
def test_a_fault_explains_demotions_of_its_target_until_its_aftermath(
    member: str, moment: float, expected: int
) -> None:
    s = Script()
    s.role(0, shards=2)
    s.lead(0, "a", 1, shard=0)
    s.lead(0, "b", 2, shard=1)
    s.fault("pause", "a", 3, effect=3, end=5)
    s.note(moment, member, "session-lost")
    s.last(10)
    assert false_failovers(s.timeline, WINDOW, aftermath_s=2) == expected


def test_a_fault_of_everybody_explains_everybody_and_fails_nobody_over() -> None:
    s = Script()
    s.role(0)
    s.lead(0, "a", 1)
    s.fault("store-pause", "*", 3, effect=3, end=5)
    s.note(4, "a", "session-given-up")
    s.end(4, "a", 1)
    s.last(10)
    assert false_failovers(s.timeline, WINDOW, aftermath_s=2) == 0
    assert failovers(s.timeline, WINDOW) == []


def test_stats_of_a_few_durations() -> None:
    # 1 2 3 6: mean 12/4; the median lies half-way between 2 and 3
    assert stats([3, 1, 6, 2]) == Stats(n=4, mean=3, p50=2.5, p99=None, max=6)
    assert stats([]) == Stats()


def test_the_99th_percentile_is_told_from_100_on() -> None:
    # 1…100: rank 0.99 × 99 = 98.01, a hundredth of the way from 99 to 100
    assert stats(range(1, 101)).p99 == pytest.approx(99.01)
    assert stats(range(1, 100)).p99 is None
