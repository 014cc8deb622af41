"""Stale acts, duplicates and missed units: the verdict is taken at the resource."""

from __future__ import annotations

from coord.lab.measure.effects import StaleActs, Units, stale_acts
from coord.lab.measure.intervals import Span
from tests.unit.lab.script import Script

ALWAYS = Span(0, 1000)


def stale(script: Script, window: Span = ALWAYS) -> tuple[int, int, int]:
    """Attempted, accepted, accepted by an unfenced resource."""
    found = stale_acts(script.log, window)
    return found.attempted, found.accepted, found.accepted_unfenced


def succession() -> Script:
    """Member a is superseded by b on a fenced and on an unfenced table, and comes back to both."""
    s = Script()
    for table, fenced in (("table", True), ("bare", False)):
        s.act(1, "a", 10, resource=table, fenced=fenced)
        s.act(5, "b", 20, resource=table, fenced=fenced)
    s.act(6, "a", 10, resource="table", accepted=False, error="Fenced")
    s.act(6, "a", 10, resource="bare", fenced=False)
    s.act(7, "a", 10, resource="bare", fenced=False)
    s.act(8, "b", 20, resource="table")
    return s


def test_stale_acts_are_refused_by_the_fenced_and_taken_by_the_unfenced_resource() -> None:
    # three attempts after b's first act: one refused at "table", two taken at "bare"
    assert stale(succession()) == (3, 0, 2)


def test_a_fenced_resource_that_takes_a_stale_act_is_seen() -> None:
    s = succession()
    s.act(9, "a", 10, resource="table", accepted=True)
    assert stale(s) == (4, 1, 2)


def test_the_window_counts_and_what_came_before_it_is_known() -> None:
    assert stale(succession(), Span(6.5, 8)) == (1, 0, 1)  # the act at 7 alone


def test_an_act_before_the_successor_s_first_act_is_not_stale_whoever_was_elected() -> None:
    s = Script()
    s.act(1, "a", 10)
    s.lead(2, "b", 20)
    s.act(3, "a", 10)
    s.act(4, "b", 20)
    assert stale(s) == (0, 0, 0)


def test_the_resource_s_own_order_decides_where_it_gives_one() -> None:
    s = Script()
    s.act(1, "a", 10, seq=1)
    s.act(6, "a", 10, seq=2)  # told late, taken before b's
    s.act(5, "b", 20, seq=3)
    assert stale(s) == (0, 0, 0)
    s.act(7, "a", 10, seq=4)
    assert stale(s) == (1, 1, 0)


def test_any_shard_of_an_older_generation_is_stale_after_the_newer_has_acted() -> None:
    s = Script()
    s.act(1, "a", 90, shard=5)
    s.act(2, "b", 95, generation=2, shard=17)
    s.act(3, "a", 90, shard=5)
    s.act(4, "c", 93, shard=6)
    assert stale(s) == (2, 2, 0)


def test_other_shards_seats_and_resources_have_tokens_of_their_own() -> None:
    s = Script()
    s.act(1, "a", 20)
    s.act(2, "b", 10, shard=1)
    s.act(3, "c", 5, seat=1)
    s.act(4, "d", 3, resource="other table")
    assert stale(s) == (0, 0, 0)


def test_a_refusal_by_the_guard_is_an_attempt_even_if_the_log_shows_nothing_newer() -> None:
    s = Script()
    s.act(1, "a", 10, accepted=False, error="Fenced")
    s.act(2, "a", 10, accepted=False, error="OperationalError")
    assert stale(s) == (1, 0, 0)


def test_stale_acts_of_rounds_add_up() -> None:
    assert StaleActs(3, 1, 2) + StaleActs(4, 0, 1) == StaleActs(7, 1, 3)


def test_duplicates_are_effects_beyond_one_and_missed_are_units_without_any() -> None:
    s = Script()
    s.backlog(1, "u1", "u2", "u3", "u4")
    s.act(2, "a", 1, units=["u1", "u2"])
    s.act(3, "b", 2, units=["u2", "u3"])
    s.act(4, "b", 2, units=["u2"])
    s.last(10)
    units = Units(s.log)
    assert units.duplicates(ALWAYS) == 2  # u2 thrice
    assert units.missed(ALWAYS, grace_s=0) == 1  # u4


def test_units_belong_to_the_window_in_which_they_fell_due() -> None:
    s = Script()
    s.backlog(1, "u1", "u2")
    s.backlog(6, "u3")
    s.act(7, "a", 1, units=["u1", "u3"])
    s.act(8, "a", 1, units=["u1", "u3"])
    s.last(10)
    units = Units(s.log)
    assert (units.duplicates(Span(0, 5)), units.missed(Span(0, 5), grace_s=0)) == (1, 1)
    assert (units.duplicates(Span(5, 10)), units.missed(Span(5, 10), grace_s=0)) == (1, 0)


def test_units_that_nobody_had_the_time_for_are_not_missed() -> None:
    s = Script()
    s.backlog(1, "u1")
    s.backlog(9, "u2")
    s.last(10)
    assert Units(s.log).missed(ALWAYS, grace_s=2) == 1  # u1; u2 came 1 s before the end


def test_an_unfenced_contrast_does_not_count_each_unit_twice() -> None:
    s = Script()
    s.backlog(1, "u1")
    s.act(2, "a", 1, units=["u1"], resource="bare", fenced=False)
    s.act(2, "a", 1, units=["u1"], resource="table", fenced=True)
    s.last(3)
    assert Units(s.log).duplicates(ALWAYS) == 0


def test_without_any_fenced_resource_all_count() -> None:
    s = Script()
    s.act(2, "a", 1, units=["u1"], resource="bare", fenced=False)
    s.act(3, "b", 2, units=["u1"], resource="bare", fenced=False)
    assert Units(s.log).duplicates(ALWAYS) == 1  # due, unannounced, at its first effect


def test_an_act_that_was_refused_does_no_unit() -> None:
    s = Script()
    s.backlog(1, "u1")
    s.act(2, "a", 1, units=["u1"], accepted=False)
    s.last(3)
    assert Units(s.log).missed(ALWAYS, grace_s=0) == 1
