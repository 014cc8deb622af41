"""The invariants over a log: each planted violation is caught, and a clean run has none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coord.lab.measure import judge_log, recovered
from tests.unit.lab.script import Script


def clean() -> Script:
    """A kill and a pause, each survived as it should be."""
    s = Script()
    s.role(0)
    s.backlog(0, "u1")
    s.lead(0, "a", 10)
    s.act(1, "a", 10, units=["u1"])
    s.fault("kill", "a", 2, effect=2.1)
    s.lead(4, "b", 20, asked=3.9)
    s.act(4.5, "b", 20)
    s.fault("pause", "b", 5, effect=5.1, end=9)
    s.lead(7, "c", 30, asked=6.9)
    s.act(7.5, "c", 30)
    s.act(9.1, "b", 20, accepted=False, error="Fenced")
    s.end(9.2, "b", 20)
    s.last(20)
    return s


def test_a_clean_run_breaks_no_rule() -> None:
    assert judge_log(clean().timeline) == []


PLANTED: dict[str, Callable[[Script], None]] = {
    "stale-accepted": lambda s: s.act(9.15, "b", 20),
    "token-reused": lambda s: s.lead(12, "d", 30),
    "token-fell": lambda s: s.lead(12, "d", 25, asked=11),
    "generation-token-fell": lambda s: s.lead(12, "d", 30, generation=2),
    "act-without-tenure": lambda s: s.act(12, "d", 40),
    "acted-when-dead": lambda s: s.note(2.5, "a", "still here"),
    "fault-left-standing": lambda s: s.fault("wedge", "c", 12, effect=12),
}


@pytest.mark.parametrize("rule", PLANTED)
def test_a_planted_violation_is_caught(rule: str) -> None:
    s = clean()
    PLANTED[rule](s)
    assert [violation.rule for violation in judge_log(s.timeline)] == [rule]


def test_an_act_before_its_tenure_began_is_a_stranger_s() -> None:
    s = clean()
    s.act(6.5, "c", 30, resource="other")
    assert [violation.rule for violation in judge_log(s.timeline)] == ["act-without-tenure"]


def test_an_unfenced_resource_may_take_what_it_likes() -> None:
    s = clean()
    s.act(7.6, "c", 30, resource="bare", fenced=False)
    s.act(9.15, "b", 20, resource="bare", fenced=False)
    assert judge_log(s.timeline) == []


def test_a_slow_beginning_under_an_older_token_is_no_violation_of_the_store() -> None:
    """It was asked for before the newer tenure began, and only told afterwards."""
    s = clean()
    s.lead(12, "d", 25, asked=6)
    assert judge_log(s.timeline) == []


def test_violations_say_when_who_and_what() -> None:
    s = clean()
    s.act(9.15, "b", 20)
    (violation,) = judge_log(s.timeline)
    assert str(violation) == "9.150000 stale-accepted: table took reaper/1/0/0 token 20 of b"


def test_a_fleet_that_recovers_within_the_bound_is_recovered() -> None:
    # the last fault heals at 9, c leads all the time since 7
    assert recovered(clean().timeline, within_s=1, tau_s=1) == []


def test_a_shard_without_a_leader_after_the_bound_is_not_recovered() -> None:
    s = clean()
    s.end(12, "c", 30)
    (violation,) = recovered(s.timeline, within_s=1, tau_s=1)
    assert (violation.rule, violation.at_s) == ("not-recovered", 12)


def test_a_leader_that_does_nothing_after_the_bound_is_not_recovered() -> None:
    s = clean()
    s.backlog(11, "u2")
    (violation,) = recovered(s.timeline, within_s=1, tau_s=2)
    assert (violation.rule, violation.at_s) == ("not-recovered", 13)


def test_a_wait_no_longer_than_due_work_may_rest_is_none() -> None:
    """Workers of a queue that take a backlog in turns leave each shard for moments."""
    s = clean()
    s.end(12, "c", 30)
    s.lead(12.5, "d", 31)
    assert recovered(s.timeline, within_s=1, tau_s=1) == []
    [late] = recovered(s.timeline, within_s=1, tau_s=0.4)
    assert late.at_s == 12


def test_the_orderly_end_after_the_last_round_is_no_failure_to_recover() -> None:
    s = clean()
    s.round(1, 15, mode="single", fault="kill+pause")
    s.end(16, "c", 30)
    assert recovered(s.timeline, within_s=1, tau_s=1) == []


def test_each_round_has_to_recover_from_its_own_faults() -> None:
    s = clean()
    s.round(1, 6.5, number=1, mode="single", fault="kill")
    s.round(6.5, 15, number=2, mode="single", fault="pause")
    # b is stopped from 5.1 on, which is the last blow of the first round; c leads from 7 on
    (violation,) = recovered(s.timeline, within_s=1, tau_s=1)
    assert violation.at_s == pytest.approx(6.1)


def test_a_fleet_that_was_killed_has_to_recover_from_when_it_is_back() -> None:
    s = Script()
    s.role(0)
    s.lead(0, "a", 10)
    s.round(1, 40, mode="single", fault="kill")
    s.fault("kill", "a", 2, effect=2.1)
    s.member(20, "b", "start")
    s.lead(22, "b", 20, asked=21.9)
    s.last(40)
    assert recovered(s.timeline, within_s=3, tau_s=1) == []
    (violation,) = recovered(s.timeline, within_s=1, tau_s=1)
    assert (violation.rule, violation.at_s) == ("not-recovered", 21)


@pytest.mark.parametrize("kind", ["pause", "wedge", "partition", "store-paused"])
def test_whatever_stands_has_to_be_healed(kind: str) -> None:
    s = clean()
    s.fault(kind, "*", 12, effect=12)
    assert [violation.rule for violation in judge_log(s.timeline)] == ["fault-left-standing"]


@pytest.mark.parametrize("kind", ["kill", "sigterm"])
def test_an_end_cannot_be_left_standing(kind: str) -> None:
    s = clean()
    s.fault(kind, "c", 12, effect=12)
    assert judge_log(s.timeline) == []
