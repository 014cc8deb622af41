"""How the limit of concurrency finds its place, in virtual time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.errors import ConfigError
from coord.tasks.queue.admission import AdaptiveLimit, FixedLimit

Work = Callable[[Random], float]


class Loop:
    """Always as many handlers as the limit allows, each of which needs one of some places."""

    def __init__(
        self, limit: AdaptiveLimit, places: int, work: Work, *, is_fair: bool = True
    ) -> None:
        self.limit = limit
        self.places = places
        self.work = work
        self.slower = 1.0
        self.now = 0.0
        self.done = 0
        self.values: list[tuple[float, int]] = []
        self._random = Random(1)
        self._is_fair = is_fair
        self._began: dict[int, float] = {}
        self._in_line: list[int] = []
        self._served: list[tuple[float, int]] = []
        self._next = 0

    def run_until(self, end_s: float) -> None:
        self._fill()
        while self._served and self._served[0][0] <= end_s:
            self.now, number = heapq.heappop(self._served)
            running = len(self._began)
            seconds = self.now - self._began.pop(number)
            self.limit.ended("task", seconds, was_done=True, running=running, now=self.now)
            self.done += 1
            self.values.append((self.now, self.limit.value))
            self._fill()

    def _fill(self) -> None:
        while len(self._began) < self.limit.value:
            self._next += 1
            self.limit.began(len(self._began), self.now)
            self._began[self._next] = self.now
            self._in_line.append(self._next)
        while self._in_line and len(self._served) < self.places:
            took_s = self.work(self._random) * self.slower
            is_first = self._is_fair or self._random.random() < 0.2
            number = self._in_line.pop(0 if is_first else -1)
            heapq.heappush(self._served, (self.now + took_s, number))

    def usual(self, from_s: float, to_s: float) -> float:
        return median(value for at_s, value in self.values if from_s <= at_s < to_s)


def steady(_: Random) -> float:
    return 0.05


def uneven(random: Random) -> float:
    return random.expovariate(1 / 0.05)


def very_uneven(random: Random) -> float:
    return random.lognormvariate(-3.5, 1.0)


@pytest.mark.parametrize("work", [steady, uneven, very_uneven])
@pytest.mark.parametrize("places", [1, 2, 8, 30])
def test_it_finds_what_a_shared_resource_takes(places: int, work: Work) -> None:
    loop = Loop(AdaptiveLimit(), places, work)
    loop.run_until(160.0)
    assert 0.6 * places <= loop.usual(80.0, 160.0) <= 2 * places + 4


@pytest.mark.parametrize("work", [steady, uneven])
def test_what_it_finds_uses_the_resource(work: Work) -> None:
    loop = Loop(AdaptiveLimit(), 8, work)
    loop.run_until(160.0)
    assert loop.done >= 0.9 * 160 * 8 / 0.05


@pytest.mark.parametrize("places", [1, 4, 8])
def test_a_resource_that_serves_its_line_out_of_order_does_not_deceive_it(places: int) -> None:
    """What ends looks quick while those that began before it wait and wait."""
    loop = Loop(AdaptiveLimit(), places, uneven, is_fair=False)
    loop.run_until(300.0)
    assert 0.6 * places <= loop.usual(150.0, 300.0) <= 2 * places + 6


def test_handlers_that_share_nothing_run_as_many_as_are_allowed() -> None:
    loop = Loop(AdaptiveLimit(most=64), 1000, uneven)
    loop.run_until(200.0)
    assert loop.usual(100.0, 200.0) >= 48
    assert max(value for _, value in loop.values) == 64


def test_it_begins_small_and_doubles_until_the_first_resistance() -> None:
    loop = Loop(AdaptiveLimit(start=4), 1000, steady)
    loop.run_until(30.0)
    assert loop.values[0][1] == 4
    assert loop.limit.value == 64


def test_a_slow_dependency_is_not_mistaken_for_too_much_concurrency() -> None:
    """Slow for everybody, however few: less at a time would only make it worse."""
    loop = Loop(AdaptiveLimit(), 8, uneven)
    loop.run_until(100.0)
    loop.slower = 10.0
    loop.run_until(300.0)
    assert loop.usual(200.0, 300.0) >= 6


def test_after_a_slow_period_it_is_where_it_was() -> None:
    loop = Loop(AdaptiveLimit(), 8, uneven)
    loop.run_until(100.0)
    loop.slower = 10.0
    loop.run_until(200.0)
    loop.slower = 1.0
    loop.run_until(400.0)
    assert 6 <= loop.usual(300.0, 400.0) <= 19


def test_it_does_not_stay_at_one_when_the_resource_grows() -> None:
    loop = Loop(AdaptiveLimit(start=1), 1, steady)
    loop.run_until(100.0)
    assert min(value for _, value in loop.values) >= 1
    assert loop.usual(50.0, 100.0) <= 4
    loop.places = 30
    loop.run_until(300.0)
    assert loop.usual(250.0, 300.0) >= 20


def test_it_follows_a_resource_that_shrinks() -> None:
    loop = Loop(AdaptiveLimit(), 30, steady)
    loop.run_until(100.0)
    loop.places = 3
    loop.run_until(400.0)
    assert loop.usual(300.0, 400.0) <= 9


def _ended(limit: AdaptiveLimit, count: int, seconds: float, running: int, now: float) -> float:
    """So many handlers, one after the other on `running` lines; when the last one ended."""
    for _ in range(count):
        now += seconds / running
        limit.ended("task", seconds, was_done=True, running=running, now=now)
    return now


def test_while_less_than_half_is_used_nothing_grows() -> None:
    limit = AdaptiveLimit(start=8)
    _ended(limit, 2000, 0.1, 3, 0.0)
    assert limit.value == 8
    assert "half" in limit.why


def test_what_fails_fast_is_not_taken_for_speed_and_what_fails_slowly_counts() -> None:
    def after(seconds: float) -> int:
        limit = AdaptiveLimit(most=8)
        now = _ended(limit, 400, 0.2, 8, 0.0)
        for _ in range(4000):
            now += seconds / limit.value
            limit.ended("task", seconds, was_done=False, running=limit.value, now=now)
        now = _ended(limit, 60, 0.2, 8, now)
        return limit.value

    assert after(0.05) == 8, "the base is what it was, or 0.2 s would look slow now"

    limit = AdaptiveLimit(most=8)
    now = _ended(limit, 400, 0.2, 8, 0.0)
    for _ in range(400):  # as slow as they are many: what a queue in front of a resource does
        seconds = 0.2 * limit.value
        now += seconds / limit.value
        limit.ended("task", seconds, was_done=False, running=limit.value, now=now)
    assert limit.value <= 4


def test_another_mix_of_tasks_is_no_change_of_speed() -> None:
    limit = AdaptiveLimit(most=8)
    now = 0.0
    for number in range(4000):
        is_long = number % 10 == 0 if number < 2000 else number % 10 != 0
        seconds = 2.0 if is_long else 0.1
        now += seconds / limit.value
        kind = "long" if is_long else "short"
        limit.ended(kind, seconds, was_done=True, running=limit.value, now=now)
    assert limit.value >= 7, limit.why


def test_a_probe_whose_samples_do_not_come_is_given_up() -> None:
    limit = AdaptiveLimit(start=8)
    now = 0.0
    while limit.value == 8:
        now = _ended(limit, 1, 0.1, 8, now)
    assert limit.value == 4, "it probes"
    limit.look(now + 60.0)
    assert limit.value == 8


@given(
    st.integers(1, 100),
    st.integers(1, 100),
    st.lists(
        st.tuples(
            st.floats(0.0, 1000.0),
            st.floats(0.0, 1000.0),
            st.booleans(),
            st.integers(1, 200),
            st.sampled_from("ab"),
        ),
        max_size=300,
    ),
)
def test_whatever_ends_it_stays_between_one_and_the_most(
    most: int, start: int, ends: list[tuple[float, float, bool, int, str]]
) -> None:
    limit = AdaptiveLimit(most=most, start=start)
    now = 0.0
    for passed_s, seconds, was_done, running, kind in ends:
        now += passed_s
        limit.ended(kind, seconds, was_done=was_done, running=running, now=now)
        assert 1 <= limit.value <= most


def test_a_given_limit_stays() -> None:
    limit = FixedLimit(3)
    limit.ended("task", 100.0, was_done=False, running=3, now=0.0)
    limit.look(1e9)
    assert (limit.value, limit.most) == (3, 3)


def test_limits_that_allow_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="1 or more"):
        FixedLimit(0)
    with pytest.raises(ConfigError, match="1 or more"):
        AdaptiveLimit(most=0)
