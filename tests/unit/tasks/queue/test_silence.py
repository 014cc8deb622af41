"""Handlers that say no progress for their task's `progress_timeout`."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from coord.errors import JobCancelled
from coord.tasks import Job, task
from coord.tasks.job import Unit
from coord.tasks.memory import NoMemory
from coord.tasks.queue.hand import InHand, Outcome
from coord.tasks.queue.leases import LeaseBook
from coord.tasks.queue.silence import Silence
from coord.testing.clock import ManualClock
from tests.unit.tasks.queue.hands import PATIENCE, hand, message
from tests.unit.tasks.queue.scripted import WITHIN_S, Desk, Scripted

_LIMIT_S = 5.0
_REST_S = 8.0


class Run:
    """A run in hand whose task has a progress timeout, and the book that looks after it."""

    def __init__(self, timeout_s: float | None = None) -> None:
        self.clock = ManualClock()
        self.book = LeaseBook(PATIENCE, 10)
        self.hand: InHand = hand(self.clock)
        self.book.take([self.hand], self.clock.now())
        self.job = Job(
            self.hand,
            Unit("work", message="m1"),
            clock=self.clock,
            memory=NoMemory(),
            scope="q/m1",
            token=1,
            timeout_s=timeout_s,
        )
        if timeout_s is not None:
            self.hand.bound(self.job.end_s, _REST_S)
        self.hand.silence = Silence(_LIMIT_S, _REST_S, self.clock.now())
        self.hand.stands_under(self.job)
        self.shown: list[tuple[InHand, float]] = []

    def goes_on(self, seconds: float) -> None:
        """Time passes, and the clerk looks as often as it does."""
        end_s = self.clock.now() + seconds
        while self.clock.now() < end_s:
            self.clock.advance(min(PATIENCE.look_s, end_s - self.clock.now()))
            self.shown += self.book.give_up([self.hand], self.clock.now())
            while hands := self.book.due(self.clock.now()):
                now = self.clock.now()
                changes = self.book.changes(hands, now)
                answers = [None] * len(hands)
                self.book.answered(hands, changes, answers, sent_at_s=now, now=now)


def test_a_run_that_says_nothing_for_so_long_is_told_and_given_up_a_grace_later() -> None:
    run = Run()
    run.goes_on(_LIMIT_S - 0.5)
    run.job.check()
    run.goes_on(0.5)
    with pytest.raises(JobCancelled, match="no progress for 5 s"):
        run.job.check()
    assert not run.hand.lapsed, "one that ends now is a failure, and rests"
    run.goes_on(PATIENCE.grace_s)
    assert run.hand.why == "no progress for 5 s"
    ((shown, seconds),) = run.shown
    assert shown is run.hand
    assert seconds == pytest.approx(_REST_S)


def test_a_run_that_gets_things_done_goes_on() -> None:
    run = Run()
    for _ in range(60):
        run.goes_on(_LIMIT_S - 1.0)
        run.job.progress()
    run.job.check()
    assert not run.job.why


def test_progress_that_comes_too_late_is_none() -> None:
    run = Run()
    run.clock.advance(_LIMIT_S)
    run.job.progress()
    run.goes_on(PATIENCE.look_s)
    assert run.job.why == "no progress for 5 s"


def test_a_run_that_rests_owes_nothing_and_its_clock_begins_anew_after_it() -> None:
    run = Run()
    run.goes_on(_LIMIT_S - 1.0)
    run.hand.rest()
    run.goes_on(10 * _LIMIT_S)
    run.hand.work()
    run.goes_on(_LIMIT_S - 1.0)
    assert not run.job.why
    run.goes_on(1.0)
    assert run.job.why


def test_progress_does_not_outlast_the_timeout() -> None:
    run = Run(timeout_s=12.0)
    for _ in range(4):
        run.goes_on(_LIMIT_S - 1.0)
        run.job.progress()
    assert run.hand.why == "the timeout of its task is over"


def test_silence_shortly_before_a_timeout_shows_the_message_by_the_earlier_of_the_two() -> None:
    """Also if the queue was asked already to hide it until the later one."""
    run = Run(timeout_s=25.0)
    for _ in range(7):
        run.goes_on(2.0)
        run.job.progress()
    assert run.hand.is_full
    run.goes_on(_LIMIT_S + PATIENCE.grace_s)
    ((shown, seconds),) = run.shown
    assert shown is run.hand
    assert seconds == pytest.approx(_REST_S)


def test_a_process_that_stood_still_accuses_no_run() -> None:
    run = Run()
    run.goes_on(1.0)
    run.clock.advance(9.0)
    run.goes_on(PATIENCE.look_s)
    assert not run.job.why
    run.goes_on(_LIMIT_S)
    assert run.job.why, "what it does after that is seen"


def test_a_silent_handler_fails_and_its_message_rests() -> None:
    @task("work", progress_timeout=0.1)
    def silent(job: Job) -> None:
        while True:
            job.check()
            time.sleep(0.01)

    queue = Scripted([message()])
    with Desk(queue, silent, visibility_s=6.0) as desk:
        assert 4.0 <= queue.rest_of("r1.1") <= 8.0
    assert [end.outcome for end in desk.notes.ends] == [Outcome.FAILED]
    assert desk.notes.ends[0].why == "no progress for 0.1 s"


def test_a_silent_coroutine_is_cancelled() -> None:
    cancelled = threading.Event()

    @task("work", progress_timeout=0.1)
    async def silent(job: Job) -> None:
        try:
            await asyncio.sleep(WITHIN_S)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    queue = Scripted([message()])
    with Desk(queue, silent, visibility_s=6.0) as desk:
        assert cancelled.wait(WITHIN_S)
        assert queue.rest_of("r1.1") >= 4.0
    assert desk.notes.ends[0].why == "no progress for 0.1 s"


def test_a_silent_handler_that_ignores_it_is_given_up_and_its_group_goes_back() -> None:
    go_on = threading.Event()

    @task("work", progress_timeout=0.1)
    def deaf(job: Job) -> None:
        assert go_on.wait(WITHIN_S)
        raise ValueError("late")

    queue = Scripted([message(n, group="a") for n in range(2)], ordered=True)
    with Desk(queue, deaf, visibility_s=6.0) as desk:
        assert queue.rest_of("r1.1") == 0.0
        assert queue.rest_of("r0.1") >= 2.0
        assert desk.engine.running == 1
        go_on.set()
    counts = desk.end()
    assert (counts["lapsed"], counts["returned"]) == (1, 1)
    assert desk.notes.of["r0.1"].why.startswith("no progress for 0.1 s")


def test_one_that_waits_by_its_job_is_not_silent() -> None:
    @task("work", progress_timeout=0.3)
    def patient(job: Job) -> None:
        assert job.wait(1.5)

    queue = Scripted([message()])
    with Desk(queue, patient, visibility_s=6.0):
        queue.wait_for(lambda: bool(queue.deleted))


def test_without_a_progress_timeout_nothing_is_asked_of_a_run() -> None:
    run = Run()
    run.hand.silence = None
    run.goes_on(3600.0)
    run.job.check()
