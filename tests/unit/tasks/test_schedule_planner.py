"""The planner's rules, one by one. Ticks every 60 s from the epoch on; t(n) is minute n."""

from __future__ import annotations

import pytest

from coord.tasks.schedule import (
    Every,
    Missed,
    Overlap,
    Plan,
    Policies,
    Seen,
    Tick,
    TickPart,
    UnitState,
    Why,
    first_cursor,
    jitter_offset_s,
    look,
    plan,
)
from coord.tasks.schedule.sight import AHEAD_MOST

_MINUTE = Every(60.0)
_CATCH_UP = Policies(missed=Missed.CATCH_UP)


def t(minute: int) -> Tick:
    return Tick.of(60.0 * minute)


def u(minute: int, part: int = 0) -> TickPart:
    return TickPart(t(minute), part)


def running(since_minute: float) -> Seen:
    return Seen(UnitState.IN_PROGRESS, 60.0 * since_minute)


def planned(
    cursor: int,
    now: float,
    policies: Policies | None = None,
    states: dict[TickPart, Seen] | None = None,
    *,
    parts: int = 1,
    mine: set[int] | None = None,
) -> Plan:
    """A plan; times in minutes."""
    rules = policies or Policies()
    return plan(_MINUTE, t(cursor), 60.0 * now, rules, states or {}, parts=parts, mine=mine)


def reasons(todo: Plan) -> dict[Why, int]:
    found: dict[Why, int] = {}
    for skip in todo.skipped:
        found[skip.why] = found.get(skip.why, 0) + skip.units
    return found


def test_a_new_task_catches_up_with_nothing() -> None:
    assert first_cursor(_MINUTE, 60.0 * 10.5) == t(10)
    assert planned(10, 10.5).start == ()
    assert planned(10, 10.5).look_again_s == 660.0


def test_a_tick_at_this_very_moment_is_due() -> None:
    assert first_cursor(_MINUTE, 600.0) == t(9)
    assert planned(9, 10).start == (u(10),)


def test_every_part_of_a_tick_starts_once() -> None:
    todo = planned(10, 11, states={u(11, 1): running(11), u(11, 2): Seen(UnitState.DONE)}, parts=4)
    assert todo.start == (u(11, 0), u(11, 3))
    assert todo.cursor == t(10)


def test_the_cursor_moves_on_when_all_parts_are_settled() -> None:
    done, skipped = Seen(UnitState.DONE), Seen(UnitState.SKIPPED)
    todo = planned(10, 11.5, states={u(11, 0): done, u(11, 1): skipped}, parts=2)
    assert (todo.start, todo.cursor) == ((), t(11))


def test_jitter_moves_the_start_and_not_the_tick() -> None:
    jitter = Policies(offset_s=15.0)
    assert planned(10, 11.2, jitter).start == ()
    assert planned(10, 11.2, jitter).look_again_s == 675.0
    assert planned(10, 11.25, jitter).start == (u(11),)


def test_jitter_is_the_same_for_all_members_and_spreads_tasks() -> None:
    offsets = [jitter_offset_s(f"task-{n}", "prod", 10.0) for n in range(1000)]
    assert offsets == [jitter_offset_s(f"task-{n}", "prod", 10.0) for n in range(1000)]
    assert all(0 <= offset < 10 for offset in offsets)
    tenths = [sum(1 for offset in offsets if int(offset) == second) for second in range(10)]
    assert min(tenths) > 50
    assert jitter_offset_s("task-0", "prod", 10.0) != jitter_offset_s("task-0", "test", 10.0)
    assert jitter_offset_s("task-0", "prod", 0.0) == 0.0


def test_once_runs_exactly_the_latest_however_late() -> None:
    todo = planned(10, 15.9, parts=2)
    assert todo.start == (u(15, 0), u(15, 1))
    assert reasons(todo) == {Why.MISSED: 8}
    assert (todo.cursor, todo.record) == (t(14), ())


def test_skip_drops_what_is_late_and_forgives_a_change_of_leaders() -> None:
    rules = Policies(missed=Missed.SKIP, grace_s=30.0)
    assert planned(10, 11.4, rules).start == (u(11),)
    todo = planned(10, 13.6, rules)
    assert (todo.start, todo.cursor) == ((), t(13))
    assert reasons(todo) == {Why.MISSED: 2, Why.LATE: 1}


def test_catch_up_runs_the_window_oldest_first_one_at_a_time() -> None:
    rules = Policies(missed=Missed.CATCH_UP, window_s=180.0)
    todo = planned(10, 17.5, rules)
    assert todo.start == (u(15),)
    assert todo.waiting == (u(16), u(17))
    assert reasons(todo) == {Why.OUT_OF_WINDOW: 4}
    assert todo.cursor == t(14)


def test_catch_up_takes_only_so_many() -> None:
    rules = Policies(missed=Missed.CATCH_UP, window_s=600.0, most=2)
    todo = planned(0, 20.5, rules)
    assert (todo.start, todo.waiting) == ((u(19),), (u(20),))
    assert reasons(todo) == {Why.OUT_OF_WINDOW: 10, Why.TOO_MANY: 8}


def test_a_caught_up_tick_is_no_overlap() -> None:
    """It was due before the running one began; only ticks due meanwhile overlap."""
    rules = Policies(missed=Missed.CATCH_UP, overlap=Overlap.SKIP)
    todo = planned(10, 14.1, rules, {u(11): running(13.5)})
    assert todo.waiting == (u(12), u(13))
    assert reasons(todo) == {Why.OVERLAP: 1}
    assert todo.record == (u(14),)


@pytest.mark.parametrize("since_s", [None, 660.0, 719.0])
def test_overlap_skip_drops_the_new_tick_and_writes_it_down(since_s: float | None) -> None:
    states = {u(11): Seen(UnitState.IN_PROGRESS, since_s)}
    todo = planned(10, 12.1, states=states)
    assert (todo.start, todo.waiting, todo.stop) == ((), (), ())
    assert reasons(todo) == {Why.OVERLAP: 1}
    assert (todo.cursor, todo.record) == (t(10), (u(12),))
    later = planned(10, 12.5, states=states | {u(12): Seen(UnitState.SKIPPED)})
    assert (later.start, later.skipped) == ((), ())
    ended = {u(11): Seen(UnitState.DONE), u(12): Seen(UnitState.SKIPPED)}
    assert planned(10, 12.9, states=ended).start == ()
    assert planned(10, 12.9, states=ended).cursor == t(12)


def test_overlap_is_judged_part_by_part() -> None:
    todo = planned(
        10, 12.1, states={u(11, 0): running(11), u(11, 1): Seen(UnitState.DONE)}, parts=2
    )
    assert todo.start == (u(12, 1),)
    assert todo.record == (u(12, 0),)


def test_overlap_queue_lets_the_latest_wait() -> None:
    rules = Policies(overlap=Overlap.QUEUE)
    todo = planned(10, 13.1, rules, {u(11): running(11)})
    assert (todo.start, todo.waiting) == ((), (u(13),))
    assert (reasons(todo), todo.record) == ({Why.MISSED: 1}, (u(12),))
    assert planned(10, 13.5, rules, {u(11): Seen(UnitState.DONE)}).start == (u(13),)


def test_a_tick_that_waited_is_not_late() -> None:
    rules = Policies(missed=Missed.SKIP, overlap=Overlap.QUEUE, grace_s=10.0)
    assert planned(10, 12.1, rules, {u(11): running(11)}).waiting == (u(12),)
    ended = {u(11): Seen(UnitState.DONE), u(12): Seen(UnitState.QUEUED)}
    assert planned(10, 12.9, rules, ended).start == (u(12),)


def test_overlap_replace_stops_the_running_one_before_the_next_starts() -> None:
    rules = Policies(overlap=Overlap.REPLACE)
    todo = planned(10, 12.1, rules, {u(11): running(11)})
    assert (todo.stop, todo.start, todo.waiting) == ((u(11),), (), (u(12),))
    assert todo.cursor == t(10)
    assert planned(10, 12.2, rules, {u(11): Seen(UnitState.SKIPPED)}).start == (u(12),)


def test_a_unit_in_a_queue_is_not_started_again() -> None:
    states = {u(11): Seen(UnitState.ENQUEUED, 660.0)}
    assert planned(10, 11.9, states=states).start == ()
    assert planned(10, 11.9, states=states).cursor == t(10)
    assert planned(10, 12.1, Policies(overlap=Overlap.QUEUE), states).waiting == (u(12),)


def test_a_unit_lost_in_a_queue_does_not_stop_the_task_for_ever() -> None:
    rules = Policies(window_s=120.0)
    states = {u(11): Seen(UnitState.ENQUEUED, 660.0)}
    assert planned(10, 12.5, rules, states).start == ()
    todo = planned(10, 13.5, rules, states)
    assert todo.start == (u(13),)
    assert reasons(todo) == {Why.LOST_IN_QUEUE: 1, Why.MISSED: 1}


def test_parts_of_others_hold_the_cursor_and_are_left_alone() -> None:
    todo = planned(10, 11.1, states={u(11, 0): Seen(UnitState.DONE)}, parts=3, mine={0, 1})
    assert todo.start == (u(11, 1),)
    assert todo.cursor == t(10)
    others = planned(10, 12.1, states={u(11, 2): running(11)}, parts=3, mine={0, 1})
    assert others.start == (u(12, 0), u(12, 1))
    assert others.record == (u(11, 0), u(11, 1))
    assert reasons(others) == {Why.MISSED: 2}


def test_ticks_that_nobody_wants_any_more_are_passed_by_whoever_plans() -> None:
    todo = planned(10, 13.1, parts=3, mine={0})
    assert todo.start == (u(13, 0),)
    assert (todo.cursor, reasons(todo)) == (t(12), {Why.MISSED: 6})


def test_a_failed_run_is_started_again_until_the_next_tick_is_due() -> None:
    assert planned(10, 11.9).start == (u(11),)
    todo = planned(10, 12.0)
    assert todo.start == (u(12),)
    assert reasons(todo) == {Why.MISSED: 1}


def test_a_clock_set_back_finds_nothing_to_do_until_it_has_caught_up() -> None:
    todo = planned(100, 40.5)
    assert (todo.start, todo.skipped, todo.cursor) == ((), (), t(100))
    assert todo.look_again_s == 60.0 * 101


def test_a_clock_set_back_drops_nothing_for_a_run_that_began_in_the_future() -> None:
    todo = planned(10, 12.1, states={u(11): running(500)})
    assert (todo.waiting, todo.skipped) == ((u(12),), ())


def test_a_year_of_silence_costs_no_more_than_an_hour() -> None:
    schedule, year_s = Every(0.5), 365 * 86_400.0
    sight = look(schedule, Tick.of(0.0), year_s, _CATCH_UP)
    assert len(sight.ticks) <= AHEAD_MOST + _CATCH_UP.most
    todo = plan(schedule, Tick.of(0.0), year_s, _CATCH_UP, {})
    counted = sum(skip.units for skip in todo.skipped)
    assert counted + _CATCH_UP.most == schedule.count(Tick.of(0.0), Tick.of(year_s))
    assert len(todo.start) + len(todo.waiting) == AHEAD_MOST
    assert len(todo.skipped) <= AHEAD_MOST + 2
    assert set(reasons(todo)) == {Why.OUT_OF_WINDOW, Why.TOO_MANY}
    assert todo.cursor.at_s == todo.start[0].tick.at_s - 0.5


def test_a_gap_is_passed_in_one_plan_when_nothing_runs_before_it() -> None:
    todo = planned(0, 1000.1, states={u(1): Seen(UnitState.DONE)})
    assert (todo.cursor, todo.more, todo.start) == (t(999), False, (u(1000),))
    assert reasons(todo) == {Why.MISSED: 998}


def test_parts_drift_apart_only_so_far_that_no_run_is_out_of_sight() -> None:
    states = {u(1, 0): Seen(UnitState.DONE), u(1, 1): running(1)}
    assert planned(0, AHEAD_MOST, states=states, parts=2).start == (u(AHEAD_MOST, 0),)
    far = planned(0, AHEAD_MOST + 5, states=states, parts=2)
    assert (far.start, far.cursor, far.more) == ((), t(0), False)


def test_a_run_that_lasts_holds_the_cursor_behind_a_gap() -> None:
    rules = Policies(overlap=Overlap.QUEUE)
    todo = planned(0, 1000.1, rules, {u(1): running(1)})
    assert (todo.cursor, todo.more, todo.start) == (t(0), False, ())
    assert todo.waiting == ()


def test_the_next_look_is_later_than_now_whatever_the_clock_reads() -> None:
    for now_s in (0.0, 59.9999999, 60.0, 1.7e9 + 1e-7, 1.7e9 / 60 * 60):
        todo = plan(_MINUTE, Tick.of(0.0), now_s, Policies(offset_s=0.1), {})
        assert todo.look_again_s > now_s


def test_the_same_arguments_give_the_same_plan() -> None:
    states = {u(11): running(11), u(12, 1): Seen(UnitState.DONE)}
    once, again = (planned(10, 13.5, _CATCH_UP, states, parts=3) for _ in range(2))
    assert once == again
