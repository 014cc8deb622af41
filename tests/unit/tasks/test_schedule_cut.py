"""Ticks that are cut into different numbers of parts, and what gives way to what.

Ticks every 60 s from the epoch on; t(n) is minute n.
"""

from __future__ import annotations

from coord.tasks.schedule import (
    Cut,
    Every,
    Missed,
    Overlap,
    Pin,
    Plan,
    Policies,
    Seen,
    Tick,
    TickPart,
    UnitState,
    Why,
    plan,
)

_CATCH_UP = Policies(missed=Missed.CATCH_UP, overlap=Overlap.QUEUE)
_DONE = Seen(UnitState.DONE)
_SKIPPED = Seen(UnitState.SKIPPED)
_RESTING = Seen(UnitState.RESTING)


def t(minute: int) -> Tick:
    return Tick.of(60.0 * minute)


def u(minute: int, part: int = 0) -> TickPart:
    return TickPart(t(minute), part)


def running(since_minute: float) -> Seen:
    return Seen(UnitState.IN_PROGRESS, 60.0 * since_minute)


def planned(
    now: float,
    states: dict[TickPart, Seen],
    cut: Cut | None = None,
    policies: Policies | None = None,
    *,
    shard: int = 0,
    shards: int = 1,
) -> Plan:
    """A plan after minute 10."""
    mine = range(shard, 1000, shards)
    rules = policies or Policies()
    return plan(Every(60.0), t(10), 60.0 * now, rules, states, parts=cut or Cut(1), mine=mine)


def test_a_tick_keeps_the_number_of_parts_that_it_began_with() -> None:
    cut = Cut(4).pinned(t(11))
    assert cut == Cut(4, (Pin(t(11), 4),))
    later = Cut(6, cut.pins).pinned(t(13))
    assert [later.of(t(minute)) for minute in (10, 11, 12, 13, 14)] == [4, 4, 6, 6, 6]
    assert Cut(3, later.pins).pinned(t(12)).pins == later.pins, "what is pinned stays"
    assert Cut(6, later.pins).pinned(t(15)).pins == (Pin(t(11), 4), Pin(t(15), 6))
    assert later.beyond(t(11)).pins == (Pin(t(13), 6),)


def test_what_is_left_of_a_tick_falls_to_the_shards_of_the_new_shape() -> None:
    """Of four parts, two were done by the four shards that there were."""
    cut = Cut(6, (Pin(t(11), 4),))
    states = {u(11, 0): _DONE, u(11, 2): _DONE}
    starts = [planned(11.5, states, cut, shard=s, shards=6).start for s in range(6)]
    assert starts == [(), (u(11, 1),), (), (u(11, 3),), (), ()]
    cut = Cut(3, cut.pins)
    starts = [planned(11.5, states, cut, shard=s, shards=3).start for s in range(3)]
    assert starts == [(u(11, 3),), (u(11, 1),), ()]


def test_a_tick_with_another_number_of_parts_waits_for_all_parts_before_it() -> None:
    """Part 5 of six is at what part 3 of four is at."""
    cut = Cut(6, (Pin(t(11), 4),))
    first = {u(11, part): _DONE for part in range(3)}
    for state in (running(11), Seen(UnitState.NONE)):
        todo = planned(12.1, first | {u(11, 3): state}, cut, _CATCH_UP, shard=5, shards=6)
        assert (todo.start, todo.waiting, todo.cursor) == ((), (u(12, 5),), t(10))
    todo = planned(12.1, first | {u(11, 3): _DONE}, cut, _CATCH_UP, shard=5, shards=6)
    assert (todo.start, todo.cursor) == ((u(12, 5),), t(11))


def test_a_run_of_another_number_of_parts_is_replaced_or_has_the_next_tick_dropped() -> None:
    cut = Cut(6, (Pin(t(11), 4),))
    states = {u(11, part): _DONE for part in range(3)} | {u(11, 3): running(11)}
    todo = planned(12.1, states, cut, Policies(overlap=Overlap.REPLACE), shards=6)
    assert (todo.stop, todo.waiting) == ((u(11, 3),), (u(12, 0),))
    todo = planned(12.1, states, cut, Policies(overlap=Overlap.SKIP), shards=6)
    assert [(skip.why, skip.part) for skip in todo.skipped] == [(Why.OVERLAP, 0)]


def test_a_run_for_which_a_tick_was_dropped_is_tried_again_when_it_dies() -> None:
    """Else neither of the two would ever run."""
    dropped = {u(12): _SKIPPED, u(13): _SKIPPED}
    todo = planned(13.5, dropped)
    assert (todo.start, todo.skipped, todo.cursor) == ((u(11),), (), t(10))
    todo = planned(14.1, dropped)
    assert todo.start == (u(14),), "until a later tick takes its place"
    assert [(skip.why, skip.first) for skip in todo.skipped] == [(Why.MISSED, t(11))]


def test_what_rests_is_in_no_later_ticks_way() -> None:
    """Nothing of it runs; it gives way, or goes first, as `missed` says."""
    for overlap in Overlap:
        todo = planned(12.1, {u(11): _RESTING}, policies=Policies(overlap=overlap))
        assert todo.start == (u(12),)
        assert [(skip.why, skip.first) for skip in todo.skipped] == [(Why.MISSED, t(11))]
        rules = Policies(missed=Missed.CATCH_UP, overlap=overlap)
        todo = planned(12.1, {u(11): _RESTING}, policies=rules)
        assert (todo.start, todo.stop, todo.waiting) == ((), (), (u(12),))
        assert (todo.skipped, todo.cursor) == ((), t(10))
    assert planned(11.5, {u(11): _RESTING}).start == ()
