"""The checkers of chaos: each planted violation is caught by its name; a healthy run passes."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from coord.errors import UsageError
from coord.lab.chaos import verdict as verdict_module
from coord.lab.chaos.ground import groundless
from coord.lab.chaos.run import waits_of
from coord.lab.chaos.scenario import FaultPlan, FleetPlan, Scenario, StorePlan
from coord.lab.chaos.verdict import Facts, bound_of, judge
from coord.lab.measure import judge as judge_module
from coord.lab.work.modes import visibility_s
from tests.lab.chaos_runs import FACTS, QUEUE_FACTS, healthy, healthy_queue, item
from tests.unit.lab.script import Script


def _rules(script: Script, facts: Facts = FACTS) -> set[str]:
    return {violation.rule for violation in judge(script.log, facts).violations}


def test_a_healthy_run_keeps_all_rules() -> None:
    found = judge(healthy().log, FACTS)
    assert found.kept
    assert (found.violations, found.excused, found.damaged) == ((), (), ())
    [run] = found.report["runs"]
    assert (run["mode"], run["fault"], run["split_s"]["worst"]) == ("single", "kill+pause", 0.0)
    assert run["stale_acts"] == {"attempted": 2, "accepted": 0, "accepted_unfenced": 1}
    assert run["gap_s"]["worst"] == pytest.approx(1.9 + 1.9)  # 2.1 to 4, 5.1 to 7


def test_a_healthy_run_of_a_queue_keeps_all_rules() -> None:
    found = judge(healthy_queue().log, QUEUE_FACTS)
    assert (found.violations, found.excused) == ((), ())
    [run] = found.report["runs"]
    assert run["gap_s"]["worst"] == pytest.approx(1.9)  # 2.3 to 4.2


def _again(s: Script, token: int, *, asked: float = 11.95) -> None:
    """After c has let go, d leads under such a token."""
    s.end(11.9, "c", 30)
    s.lead(12, "d", token, asked=asked)


def _next_generation(s: Script) -> None:
    s.end(11.9, "c", 30)
    s.role(12, generation=2)
    s.lead(12, "d", 30, generation=2)


def _ghost(s: Script) -> None:
    s.fault("kill", "b", 16, effect=16.1)
    s.act(16.2, "b", 2, seat=1)


PLANTED: dict[str, Callable[[Script], None]] = {
    "stale-accepted": lambda s: s.act(9.15, "b", 20),
    "token-reused": lambda s: _again(s, 30),
    "token-fell": lambda s: _again(s, 25, asked=11),
    "generation-token-fell": _next_generation,
    "act-without-tenure": lambda s: s.act(12, "d", 40),
    "acted-when-dead": lambda s: s.note(2.5, "a", "still here"),
    "fault-left-standing": lambda s: s.fault("partition", "*", 8, effect=8),
    "not-recovered": lambda s: s.end(13.5, "c", 30),
    "split": lambda s: s.lead(12, "d", 40, until=12.01, asked=11.9),
    "missed": lambda s: s.backlog(18, "u3"),
}
QUEUE_PLANTED: dict[str, Callable[[Script], None]] = {
    "stale-accepted": lambda s: s.act(8.15, "a", 1, seat=1),
    "token-reused": lambda s: s.lead(6, "b", 2, until=6.1, seat=1),
    "act-without-tenure": lambda s: s.act(12, "b", 1, seat=7),
    "acted-when-dead": _ghost,
    "fault-left-standing": lambda s: s.fault("pause", "b", 16, effect=16),
    "not-recovered": lambda s: s.backlog(11, "i3", seat=3),
    "split": lambda s: s.lead(10.15, "a", 2, until=10.2, seat=2),
    "missed": lambda s: s.backlog(18, "i4", seat=4),
}


@pytest.mark.parametrize("rule", PLANTED)
def test_a_planted_violation_is_caught(rule: str) -> None:
    s = healthy()
    PLANTED[rule](s)
    assert _rules(s) == {rule}


@pytest.mark.parametrize("rule", QUEUE_PLANTED)
def test_a_planted_violation_of_a_queue_is_caught(rule: str) -> None:
    s = healthy_queue()
    QUEUE_PLANTED[rule](s)
    expected = {rule, "missed"} if rule == "not-recovered" else {rule}  # what waits is not done
    assert _rules(s, QUEUE_FACTS) == expected


def test_every_rule_there_is_has_a_violation_planted() -> None:
    named = set()
    for module in (verdict_module, judge_module):
        tree = ast.parse(Path(str(module.__file__)).read_text())
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        named |= {
            call.args[0].value
            for call in calls
            if isinstance(call.func, ast.Name)
            and call.func.id == "Violation"
            and isinstance(call.args[0], ast.Constant)
        }
    assert named == PLANTED.keys()


# --- whose a split is ------------------------------------------------------------------------

BROKEN = replace(FACTS, breaks={"store-pause": "a revived leader of this etcd revokes leases"})


def _split_after_store_pause() -> Script:
    s = healthy()
    s.fault("store-pause", "*", 10, effect=10, end=11)
    s.lead(11.5, "d", 40, until=11.6, asked=11.4)
    return s


def test_a_split_under_a_fault_that_breaks_the_store_s_promises_is_the_store_s() -> None:
    found = judge(_split_after_store_pause().log, BROKEN)
    assert found.kept
    [excused] = found.excused
    assert (excused.violation.rule, excused.violation.at_s) == ("split", 11.5)
    assert excused.reason == "a revived leader of this etcd revokes leases"
    assert found.report["runs"][0]["split_s"]["worst"] == pytest.approx(0.1), "and it is shown"


def test_the_same_split_is_the_fleet_s_where_the_store_keeps_its_promises() -> None:
    assert _rules(_split_after_store_pause()) == {"split"}


def test_a_split_that_such_a_fault_cannot_explain_is_the_fleet_s() -> None:
    s = healthy()
    s.fault("store-pause", "*", 13, effect=13, end=13.5)
    s.lead(12, "d", 40, until=12.1, asked=11.9)
    assert "split" in _rules(s, replace(BROKEN, bound_s=1.0))


def test_a_stale_act_is_never_excused() -> None:
    s = _split_after_store_pause()
    s.act(11.55, "d", 40)
    s.act(11.7, "c", 30)
    assert _rules(s, BROKEN) == {"stale-accepted"}


def test_a_successor_before_a_killed_leader_is_seen_dead_is_no_split() -> None:
    s = healthy()
    s.lead(2.05, "d", 15, until=2.08, asked=2.04)
    found = judge(s.log, FACTS)
    assert found.kept
    assert "had not been seen dead yet" in found.excused[0].reason


def test_a_successor_before_the_blow_is_a_split() -> None:
    s = healthy()
    s.lead(1.95, "d", 15, until=1.97, asked=1.9)
    assert _rules(s) == {"split"}


def _found_dead(*, last_word_s: float) -> Script:
    """C ends by itself, is found dead at 12, and had its last say then."""
    s = healthy()
    s.note(last_word_s, "c", "here")
    s.fault("died", "c", 12, effect=12)
    s.lead(11.9, "d", 40, asked=11.8)
    s.lines = [one for one in s.lines if one["t"] < 12 or one["member"] != "c" or "fault" in one]
    return s


def test_a_successor_of_one_that_is_found_dead_a_little_later_is_no_split() -> None:
    found = judge(_found_dead(last_word_s=11.8).log, FACTS)
    assert found.kept
    assert len(found.excused) == 1


def test_one_that_spoke_after_its_successor_began_was_not_dead() -> None:
    assert _rules(_found_dead(last_word_s=11.95)) == {"split"}


# --- what is missed --------------------------------------------------------------------------


def test_a_unit_that_the_resource_has_done_is_excused_though_no_record_tells_so() -> None:
    s = healthy()
    s.backlog(1.5, "u9", "u8")
    s.backlog(18, "u7")
    found = judge(s.log, replace(FACTS, unrecorded=("u8", "u9")))
    [broken] = found.violations
    [excused] = found.excused
    assert (broken.rule, broken.at_s, broken.detail) == ("missed", 18, "reaper shard 0: u7")
    assert excused.violation.detail == "reaper shard 0: u9, u8"
    assert "record of it died" in excused.reason


def test_what_falls_due_just_before_the_end_is_not_missed() -> None:
    s = healthy()
    s.backlog(19.8, "u3")
    assert _rules(s) == set()


def test_many_missed_units_are_told_in_one_line_for_each_shard() -> None:
    s = healthy()
    s.backlog(18, *(f"u{number}" for number in range(3, 53)))
    [broken] = judge(s.log, FACTS).violations
    assert broken.detail == "reaper shard 0: u3, u4, u5 and 47 more"


# --- recovery --------------------------------------------------------------------------------


def test_a_leader_that_does_nothing_after_the_bound_is_not_recovered() -> None:
    s = healthy()
    s.backlog(10.6, "u3")
    s.act(15.5, "c", 30, units=["u3"])
    [broken] = judge(s.log, FACTS).violations
    assert (broken.rule, broken.at_s) == ("not-recovered", 13.0)


def test_a_slow_recovery_within_the_bound_is_recovery() -> None:
    s = healthy()
    s.backlog(9.5, "u3")
    s.act(12.9, "c", 30, units=["u3"])
    assert _rules(s) == set()


def test_each_round_is_judged_by_itself() -> None:
    s = healthy()
    s.round(15, 19.5, number=2, mode="single", fault="kill+pause")
    # c ends at 16 in this round, nobody follows, and nothing struck: the bound is over at 19
    assert _rules(s, replace(FACTS, rounds=2)) == {"not-recovered"}


@pytest.mark.parametrize(
    ("observed", "bound_s"), [(False, 12.0), (True, 10 * 1.002 + 1 + 2)], ids=["told", "watched"]
)
def test_the_bound_is_that_of_the_store(observed: bool, bound_s: float) -> None:
    assert bound_of(ttl_s=10, observed=observed, drift=0.002, poll_s=1) == pytest.approx(bound_s)


def test_workers_of_a_queue_get_as_long_as_the_faults_lasted_for_what_piled_up_meanwhile() -> None:
    strikes = (
        FaultPlan(kind="kill", target="all", at_s=0.5, for_s=5.0),
        FaultPlan(kind="pause", target="one", at_s=2.0, for_s=6.0),
    )
    plan = Scenario(
        title="t",
        store=StorePlan(place="sqlite"),
        fleet=FleetPlan(mode="queue"),
        faults=strikes,
        ttl_s=3.0,
    )
    waits = waits_of(plan, groundless("sqlite", 3.0))
    assert waits.bound_s == pytest.approx(visibility_s(3.0) + 2.0 + 7.5)
    none = waits_of(replace(plan, faults=()), groundless("sqlite", 3.0))
    assert none.bound_s == pytest.approx(visibility_s(3.0) + 2.0)


def test_the_moment_of_a_violation_is_told_by_its_round() -> None:
    s = healthy()
    PLANTED["split"](s)
    found = judge(s.log, FACTS)
    inside = found.round_at(found.violations[0].at_s)
    assert inside is not None
    assert (inside.number, inside.window.start_s) == (1, 1)
    assert found.round_at(18) is None


def test_a_log_that_lacks_rounds_is_not_judged() -> None:
    with pytest.raises(UsageError, match="1 of 2 rounds"):
        judge(healthy().log, replace(FACTS, rounds=2))
    s = healthy()
    s.lines = [one for one in s.lines if one.get("state") != "end" or one["kind"] != "round"]
    with pytest.raises(UsageError, match="a start without an end"):
        judge(s.log, FACTS)


def test_items_that_are_done_in_time_have_no_gap() -> None:
    s = healthy_queue()
    item(s, 12, "a", 9)
    assert judge(s.log, QUEUE_FACTS).report["runs"][0]["gap_s"]["worst"] == pytest.approx(1.9)
