"""A runner in trouble: ledgers that are away or refuse, threads that are not to be had, runs that
hang or only fail, cursors that others have moved.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from coord.errors import Certainty, StoreRefused, StoreUnavailable
from coord.tasks import Job, Tick, task
from coord.tasks.ledger import Attempt, State
from coord.tasks.loop import Loop
from coord.testing.terms import FakeTerm
from tests.unit.tasks.troubled import START_S, Scene

_ANSWER_S = 10.0


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.ledger.close()


def _away() -> StoreUnavailable:
    return StoreUnavailable("the ledger is away", cure="Wait.", certainty=Certainty.NOT_APPLIED)


def _refused() -> StoreRefused:
    return StoreRefused("no right to write", cure="Grant it.")


# --- the ledger -----------------------------------------------------------------------------------


def test_what_is_done_while_the_ledger_is_away_is_not_repeated(scene: Scene) -> None:
    ran: list[str] = []

    @task(every="1h")
    def sweep(job: Job) -> None:
        ran.append(job.tick)
        scene.store.errors += [_away(), _away()]

    scene.leading(sweep, 3).run()
    assert len(ran) == 1
    assert scene.state(0.0) is State.DONE


def test_a_result_that_is_no_json_fails_no_tick(scene: Scene) -> None:
    ran: list[str] = []

    @task(every="1h")
    def sweep(job: Job) -> object:
        ran.append(job.tick)
        return object()

    scene.leading(sweep, 3).run()
    assert len(ran) == 1
    assert scene.state(0.0) is State.DONE


def test_a_ledger_that_cannot_be_written_is_asked_seldom(scene: Scene) -> None:
    """A reader's rights: each plan is made, and nothing of it can begin."""

    @task(every="1h")
    def sweep(job: Job) -> None:
        """Never comes to it."""

    scene.leading(sweep, 1).run()
    scene.clock.advance(3600.0)
    scene.store.requests.clear()
    scene.store.errors = [_refused() for _ in range(10_000)]
    with pytest.raises(StoreRefused):
        scene.leading(sweep, 1000).run()
    assert scene.store.requests["write"] < 20, "within a minute"


def test_a_leader_whom_the_ledger_refuses_hands_over_and_is_barred(scene: Scene) -> None:
    @task(every="10s")
    def sweep(job: Job) -> None:
        """Never comes to it."""

    scene.store.away = _refused()
    began_s = scene.clock.now()
    with pytest.raises(StoreRefused, match="no right"):
        scene.leading(sweep, 1000).run()
    assert 60.0 <= scene.clock.now() - began_s < 150.0


def test_a_ledger_that_is_away_for_longer_than_the_patience_bars_nobody(scene: Scene) -> None:
    @task(every="10s")
    def sweep(job: Job) -> None:
        """Never comes to it."""

    scene.store.away = _away()
    scene.leading(sweep, 1000).run()  # comes back: the term is returned, not failed
    assert not scene.terms[0].stopping


def test_a_ledger_that_is_away_for_a_while_costs_no_term_and_no_tick(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    @task(every="10s", missed="catch-up")
    def sweep(job: Job) -> None:
        ran.append(job.tick)

    wait = FakeTerm.wait

    def waits(term: FakeTerm, seconds: float) -> bool:
        scene.store.away = _away() if 12.0 < scene.clock.now() - 1000.0 < 50.0 else None
        return wait(term, seconds)

    monkeypatch.setattr(FakeTerm, "wait", waits)
    scene.leading(sweep, 30).run()
    assert ran == [str(Tick.of(START_S + 10.0 * n)) for n in range(len(ran))]
    assert len(ran) > 8


# --- runs -----------------------------------------------------------------------------------------


def test_a_leader_whose_runs_only_fail_hands_over(scene: Scene) -> None:
    ran: list[str] = []

    @task(every="1h")
    def sweep(job: Job) -> None:
        ran.append(job.tick)
        raise OSError("this host's disk is full")

    with pytest.raises(OSError, match="disk is full"):
        scene.leading(sweep, 1000).run()
    assert 4 <= len(ran) < 12


def test_one_part_that_fails_beside_others_that_do_not_ends_no_term(scene: Scene) -> None:
    failed = Counter[int]()

    @task(every="10s", parts=2)
    def sweep(job: Job) -> None:
        if job.shard == 1:
            failed[job.shard] += 1
            raise OSError("this part's alone")

    scene.leading(sweep, 60).run()
    assert failed[1] > 5


def test_a_thread_that_cannot_be_had_fails_its_run_and_no_more(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[int] = []
    refusals = [True, True]
    start = threading.Thread.start

    def starting(thread: threading.Thread) -> None:
        if thread.name.startswith("coord-task-") and refusals and refusals.pop():
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", starting)

    @task(every="1h")
    def sweep(job: Job) -> None:
        ran.append(job.attempt)

    scene.leading(sweep, 5).run()
    assert ran == [3]


def test_a_loop_that_is_closed_fails_the_run_and_holds_no_term(scene: Scene) -> None:
    @task(every="1h")
    async def sweep(job: Job) -> None:
        """Never runs."""

    closed = asyncio.new_event_loop()
    closed.close()
    leading = scene.leading(sweep, 2)
    runs: Any = leading._runs
    runs._duty = replace(runs._duty, loop=Loop(closed))
    leading.run()
    assert scene.state(0.0) is State.FAILED


def test_a_coroutine_that_swallows_its_cancellation_counts_as_undone(scene: Scene) -> None:
    @task(every="1h")
    async def sweep(job: Job) -> None:
        scene.terms[0].ask_to_stop()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return

    scene.leading(sweep, 2).run()
    assert scene.state(0.0) is State.FAILED


def test_a_term_that_ends_while_the_ledger_is_asked_calls_nothing(scene: Scene) -> None:
    ran: list[str] = []

    @task(every="1h", parts=4)
    def sweep(job: Job) -> None:
        ran.append(job.tick)

    leading = scene.leading(sweep, 2)
    begin = scene.ledger.begin

    def beginning(*args: Any, **settings: Any) -> Any:  # noqa: ANN401
        found = begin(*args, **settings)
        scene.terms[0].ask_to_stop()
        return found

    scene.ledger.begin = beginning  # type: ignore[method-assign]
    leading.run()
    assert not ran
    assert scene.state(0.0) is State.FAILED, "the next term may begin it at once"
    assert scene.state(0.0, 1) is None, "and nothing more was begun"


def test_a_term_does_not_end_before_what_runs_under_it(scene: Scene) -> None:
    """Else the claim would pass for clean, and this member could claim beside its old code."""
    told, over = threading.Event(), threading.Event()

    @task(every="1h")
    def sweep(job: Job) -> None:
        scene.terms[0].ask_to_stop()
        told.set()
        over.wait(_ANSWER_S)

    runner = threading.Thread(target=scene.leading(sweep, 2).run)
    runner.start()
    assert told.wait(_ANSWER_S)
    scene.clock.advance(3600.0)
    runner.join(0.3)
    assert runner.is_alive()
    over.set()
    runner.join(_ANSWER_S)
    assert not runner.is_alive()


def test_many_parts_do_not_cost_a_plan_each(scene: Scene) -> None:
    ran: list[int] = []

    @task(every="1h", parts=100)
    def sweep(job: Job) -> None:
        ran.append(job.shard)

    scene.leading(sweep, 1).run()
    assert sorted(ran) == list(range(100))
    assert scene.store.requests["read"] < 170, "one to begin each, and few plans"


def test_a_unit_that_is_lost_before_its_job_is_there_is_told_all_the_same(scene: Scene) -> None:
    seen: list[str] = []

    @task(every="1h")
    def sweep(job: Job) -> None:
        seen.append(job.why)

    leading = scene.leading(sweep, 2)
    begin = scene.ledger.begin

    def beginning(*args: Any, **settings: Any) -> Any:  # noqa: ANN401
        found = begin(*args, **settings)
        if isinstance(found, Attempt) and not seen:
            settings["lost"]()
        return found

    scene.ledger.begin = beginning  # type: ignore[method-assign]
    leading.run()
    assert "could not be renewed" in seen[0]
