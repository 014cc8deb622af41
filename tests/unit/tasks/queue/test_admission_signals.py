"""What a worker tells of its admission."""

from __future__ import annotations

from typing import Any

import pytest

from coord.errors import ConfigError, UsageError
from coord.tasks import Job, Worker, task
from coord.tasks.queue.admission import Deferral, Fair, FixedLimit, Load
from coord.tasks.queue.backlog import Backlog
from coord.tasks.queue.signals import Signals
from coord.testing.clock import ManualClock
from tests.unit.tasks.queue.admission_world import limits
from tests.unit.tasks.queue.hands import hand

LOAD = Load(limit=4, most=64, why="given", waiting=3, resting=2)


@task("work")
def work(job: Job) -> None:
    """Nothing."""


def test_the_age_is_of_the_oldest_that_is_undone_and_never_below_zero() -> None:
    def age(*sent: float) -> float | None:
        return Signals.of(LOAD, sent, running=1, deferrals={}, wall_s=1000.0).oldest_s

    assert age(990.0, 700.0, 999.0) == 300.0
    assert age(1003.0) == 0.0, "clocks differ"
    assert age() is None


@pytest.mark.parametrize("beside", [{"concurrency": 3}, {"tenant": "customer"}])
def test_an_admission_says_all_of_it(beside: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="beside it"):
        Worker("sqlite:///q.db", tasks=[work], admission=Fair(), **beside)


def test_a_concurrency_of_none_at_all_is_refused() -> None:
    with pytest.raises(ConfigError, match="1 or more"):
        Worker("sqlite:///q.db", tasks=[work], concurrency=0)


def test_a_worker_that_does_not_run_has_no_signals() -> None:
    with pytest.raises(UsageError, match="Start it first"):
        Worker("sqlite:///q.db", tasks=[work]).signals()


def test_what_is_in_the_way_is_given_back_before_more_is_asked_for_and_counts_no_more() -> None:
    clock = ManualClock()
    given_back: list[Deferral] = []
    admission = Fair(FixedLimit(4), draw=lambda: 0.5)
    admission.opened(limits())
    backlog = Backlog(clock=clock, admission=admission, deferred=given_back.append, limited=_told)
    for _ in range(300):
        backlog.put([hand(clock, n, group=g) for n, g in enumerate("abc")])
        begun = [backlog.take() for _ in range(3)]
        clock.advance(1.0)
        for one in begun:
            assert one is not None
            backlog.ended(one, 1.0)
    backlog.put([hand(clock, n, group="x") for n in range(20)])
    assert backlog.take() is not None
    assert backlog.take() is not None
    waiting = backlog.waiting
    assert backlog.room() > 0
    assert len(given_back) == waiting - backlog.waiting > 0
    assert len(backlog.close()) == backlog.waiting + 20 - 2 - len(given_back)
    assert backlog.waiting == 0


def _told(limit: int, why: str) -> None:
    raise AssertionError("a given limit does not move")
