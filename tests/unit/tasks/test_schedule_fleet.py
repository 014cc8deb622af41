"""No tick is lost, doubled or forgotten: whatever the clock does and whoever crashes when."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from coord.tasks.schedule import Cron, Every, Missed, Overlap, Policies, Schedule, Why
from tests.unit.tasks.ticking import Desk

_MOST = 40
_START_S = 1_774_740_000.0  # 2026-03-28T23:20:00Z: Berlin's clocks go forward in the night
_SCHEDULES: list[Schedule] = [
    Every(30.0),
    Every(0.5),
    Every(3600.0),
    Cron("*/5 * * * *", "Europe/Berlin"),
    Cron("30 * * * *", "America/New_York"),
]


class _Event(NamedTuple):
    what: str
    amount: float = 0.0


def _moves(period_s: float) -> st.SearchStrategy[_Event]:
    """The clock moves: within a period, over one, over a few, and backwards."""
    lengths = [0.4, 1.0, 3.5, -0.7, -20.0]
    return st.sampled_from(lengths).map(lambda periods: _Event("time", periods * period_s))


def _long_gaps(period_s: float) -> st.SearchStrategy[_Event]:
    """Nobody plans for a long time; or not."""
    return st.sampled_from([0.0, 0.0, 12.0, 300.0]).map(lambda n: _Event("time", n * period_s))


_ACTS = st.one_of(
    st.just(_Event("round")),
    st.sampled_from([_Event("record"), _Event("cursor")]),
    st.integers(0, 5).map(lambda which: _Event("finish", which)),
    st.integers(0, 5).map(lambda which: _Event("fail", which)),
)


def _events(period_s: float) -> st.SearchStrategy[list[_Event]]:
    return st.lists(st.one_of(_moves(period_s), _ACTS, _ACTS), max_size=12)


_PERIODS_S = [30.0, 0.5, 3600.0, 300.0, 3600.0]
_CASES = st.sampled_from(list(zip(_SCHEDULES, _PERIODS_S, strict=True))).flatmap(
    lambda case: st.tuples(
        st.just(case),
        st.tuples(_events(case[1]), _long_gaps(case[1]), _events(case[1])).map(
            lambda three: [*three[0], three[1], *three[2]]
        ),
    )
)
_Case = tuple[tuple[Schedule, float], list[_Event]]


def _lived(
    case: _Case,
    missed: Missed,
    overlap: Overlap,
    window: float,
    *,
    parts: int = 2,
    most: int = 1000,
) -> Desk:
    (schedule, period_s), events = case
    if missed is Missed.CATCH_UP and most > _MOST:  # each tick is run: a long silence takes long
        events = [one for one in events if one.amount != 300.0 * period_s]
    policies = Policies(
        missed=missed,
        overlap=overlap,
        window_s=window * period_s,
        grace_s=period_s / 2,
        offset_s=period_s / 4,
        most=most,
    )
    desk = Desk(schedule, policies, parts=parts, now_s=_START_S)
    for event in events:
        _happen(desk, event)
    desk.drain()
    return desk


def _happen(desk: Desk, event: _Event) -> None:
    running = desk.running()
    match event.what:
        case "time":
            desk.pass_time(event.amount)
        case "round":
            desk.round()
        case "finish" if running:
            desk.finish(running[int(event.amount) % len(running)])
        case "fail" if running:
            desk.fail(running[int(event.amount) % len(running)])
        case "record" | "cursor":
            desk.round(crash_after=event.what)
        case _:
            pass


@given(_CASES)
def test_catching_up_within_the_window_runs_every_tick_exactly_once(case: _Case) -> None:
    desk = _lived(case, Missed.CATCH_UP, Overlap.QUEUE, window=1e6, parts=1)
    assert set(desk.completed) == desk.due_units()
    assert set(desk.completed.values()) <= {1}
    assert not desk.dropped


@given(_CASES, st.sampled_from(Missed), st.sampled_from(Overlap), st.sampled_from([2.5, 70.0]))
def test_every_unit_is_completed_once_or_given_up_once(
    case: _Case, missed: Missed, overlap: Overlap, window: float
) -> None:
    desk = _lived(case, missed, overlap, window, most=_MOST)
    assert set(desk.completed) | set(desk.dropped) == desk.due_units()
    assert not set(desk.completed) & set(desk.dropped)
    assert set(desk.completed.values()) <= {1}
    assert set(desk.drops.values()) <= {1}, "a unit was counted as skipped twice"


@given(_CASES)
def test_once_gives_up_a_tick_only_for_a_later_one(case: _Case) -> None:
    desk = _lived(case, Missed.ONCE, Overlap.QUEUE, window=1.0)
    assert set(desk.dropped.values()) <= {Why.MISSED}
    for part in range(desk.parts):
        last = max((unit for unit in desk.due_units() if unit.part == part), default=None)
        assert last is None or desk.completed[last] == 1


@given(_CASES)
def test_a_clock_that_is_set_back_repeats_nothing_and_loses_nothing(case: _Case) -> None:
    steady, shaken = case, (case[0], [one for event in case[1] for one in _shaken(event)])
    calm = _lived(steady, Missed.CATCH_UP, Overlap.QUEUE, window=1e6, parts=1)
    other = _lived(shaken, Missed.CATCH_UP, Overlap.QUEUE, window=1e6, parts=1)
    assert other.completed == calm.completed


def _shaken(event: _Event) -> list[_Event]:
    """The event with the clock set back an hour for the length of a round before it."""
    return [_Event("time", -3600.0), _Event("round"), _Event("time", 3600.0), event]
