"""A task under a term, in virtual time: which units run, are left out, run again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

import pytest

from coord.config import Role, Timing
from coord.errors import ConfigError, JobCancelled
from coord.tasks import Job, Ledger, Tick, spec_of, task
from coord.tasks.backoff import Backoff
from coord.tasks.job import Unit
from coord.tasks.ledger import Attempt, State
from coord.tasks.loop import Loop
from coord.tasks.memory import LedgerMemory, NoMemory
from coord.tasks.runner.leading import Duty, Leading
from coord.tasks.runner.notes import LedgerNotes, Notes, OwnNotes
from coord.tasks.runner.round import Rounds
from coord.tasks.runner.serving import FleetTasks
from coord.tasks.schedule import TickPart
from coord.testing.clock import ManualClock
from coord.testing.terms import FakeTerm, fake_term

_START_S = 1_800_000_000.0
_NUMBERS = count()


def _tick(seconds: float) -> Tick:
    return Tick.of(_START_S + seconds)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1000.0)


@pytest.fixture
def ledger(clock: ManualClock) -> Iterator[Ledger]:
    made = Ledger.open(f"memory://runner-{next(_NUMBERS)}", clock=clock, lease_s=30.0)
    yield made
    made.close()


class Scene:
    """One ledger, and terms that serve a task one after another."""

    def __init__(self, ledger: Ledger, clock: ManualClock, function: Callable[..., object]) -> None:
        self.ledger = ledger
        self.clock = clock
        self.function = function
        self.loop = Loop()

    def wall(self) -> float:
        return _START_S + self.clock.now() - 1000.0

    def lead(
        self,
        waits: int,
        *,
        token: int = 1,
        shard: int = 0,
        seat: int = 0,
        role: Role | None = None,
        before: Callable[[FakeTerm], None] | None = None,
    ) -> None:
        """One term: so many waits, each until something is due, then it is asked to stop."""
        spec = spec_of(self.function)
        schedule = spec.schedule
        assert schedule is not None
        role = Role("sweep") if role is None else role
        term = fake_term(
            role, waits=waits, token=token, shard=shard, seat=seat, clock=self.clock, ttl_s=100.0
        )
        if before is not None:
            before(term)
        parts = spec.parts or role.shards
        notes: Notes = OwnNotes(schedule)
        if spec.once:
            notes = LedgerNotes(self.ledger, spec, schedule, scope=str(term.key), token=token)
        mine = range(shard, parts, role.shards)
        rounds = Rounds(notes, schedule, spec.policies("g"), parts=parts, mine=mine)
        duty = Duty(
            spec=spec,
            function=self.function,
            is_async=asyncio.iscoroutinefunction(self.function),
            memory=LedgerMemory(self.ledger),
            loop=self.loop,
            clock=self.clock,
            backoff=Backoff(base_s=1.0),
            stagger_s=2.0,
            wall=self.wall,
        )
        Leading(term, duty, notes, rounds).run()


def _ran(jobs: list[Job]) -> list[tuple[str, int]]:
    return [(job.tick, job.shard) for job in jobs]


def test_each_tick_runs_once_while_a_term_lasts(ledger: Ledger, clock: ManualClock) -> None:
    jobs: list[Job] = []

    @task(every="10s")
    def sweep(job: Job) -> None:
        jobs.append(job)

    Scene(ledger, clock, sweep).lead(5)
    assert [tick for tick, _ in _ran(jobs)] == [str(_tick(10.0 * n)) for n in range(len(jobs))]
    assert len(jobs) >= 3
    assert {job.attempt for job in jobs} == {1}


def test_a_successor_goes_on_where_the_last_term_stopped(
    ledger: Ledger, clock: ManualClock
) -> None:
    jobs: list[Job] = []

    @task(every="10s", missed="catch-up")
    def sweep(job: Job) -> None:
        jobs.append(job)

    scene = Scene(ledger, clock, sweep)
    scene.lead(3)
    first = len(jobs)
    clock.advance(35.0)
    scene.lead(5, token=2)
    assert [tick for tick, _ in _ran(jobs)] == [str(_tick(10.0 * n)) for n in range(len(jobs))]
    assert {job.token for job in jobs[first:]} == {2}
    assert len(jobs) >= first + 4


def test_of_missed_ticks_the_latest_runs_by_default(ledger: Ledger, clock: ManualClock) -> None:
    jobs: list[Job] = []

    @task(every="10s")
    def sweep(job: Job) -> None:
        jobs.append(job)

    scene = Scene(ledger, clock, sweep)
    scene.lead(2)
    first = len(jobs)
    clock.advance(1000.0)
    due = scene.wall() // 10 * 10
    scene.lead(1, token=2)
    assert jobs[first].tick == str(Tick.of(due))


def test_parts_are_shared_by_shards_and_a_single_leader_runs_all(
    ledger: Ledger, clock: ManualClock
) -> None:
    jobs: list[Job] = []
    lock = threading.Lock()

    @task(every="10s", parts=4)
    def sweep(job: Job) -> None:
        with lock:
            jobs.append(job)

    scene = Scene(ledger, clock, sweep)
    scene.lead(1, role=Role("half", shards=2), shard=1)
    assert {job.shard for job in jobs} == {1, 3}
    first = len(jobs)
    scene.lead(3, token=2)
    assert {job.shard for job in jobs[first:]} == {0, 1, 2, 3}
    assert len(_ran(jobs)) == len(set(_ran(jobs)))


def test_a_unit_that_died_with_its_leader_is_run_by_a_larger_token_at_once(
    ledger: Ledger, clock: ManualClock
) -> None:
    jobs: list[Job] = []

    @task(every="10s")
    def sweep(job: Job) -> None:
        jobs.append(job)

    scene = Scene(ledger, clock, sweep)
    spec = spec_of(sweep)
    assert spec.schedule is not None
    scope = str(fake_term("sweep").key)
    notes = LedgerNotes(ledger, spec, spec.schedule, scope=scope, token=1)
    notes.cursor(scene.wall())
    died = notes.begin(TickPart(_tick(0.0), 0), lost=lambda: None)
    assert isinstance(died, Attempt)
    scene.lead(1, token=2)
    assert (jobs[0].tick, jobs[0].attempt) == (str(_tick(0.0)), 2)


def test_a_run_that_raises_is_tried_again_after_a_rest(ledger: Ledger, clock: ManualClock) -> None:
    jobs: list[Job] = []

    @task(every="1h")
    def sweep(job: Job) -> None:
        jobs.append(job)
        if len(jobs) < 3:
            raise RuntimeError("not yet")

    Scene(ledger, clock, sweep).lead(4)
    assert [job.attempt for job in jobs] == [1, 2, 3]
    assert len({job.tick for job in jobs}) == 1
    known = ledger.look([str(jobs[0].unit)])[str(jobs[0].unit)]
    assert known.state is State.DONE


def test_without_a_ledger_every_seat_runs_every_tick(ledger: Ledger, clock: ManualClock) -> None:
    jobs: list[Job] = []

    @task(every="10s", once=False)
    def sweep(job: Job) -> None:
        jobs.append(job)

    scene = Scene(ledger, clock, sweep)
    role = Role("sweep", seats=2)
    scene.lead(3, role=role)
    first = len(jobs)
    scene.lead(3, role=role, seat=1)
    assert first >= 2
    assert len(jobs) >= 2 * first - 1


def test_a_later_seat_begins_later(ledger: Ledger, clock: ManualClock) -> None:
    began: list[float] = []

    @task(every="10s", once=False)
    def sweep(job: Job) -> None:
        began.append(clock.now())

    clock.advance(1.0)
    Scene(ledger, clock, sweep).lead(2, role=Role("sweep", seats=2), seat=1)
    assert began
    assert all((at_s - 1000.0) % 10.0 == pytest.approx(2.0, abs=0.1) for at_s in began)


def test_what_was_told_to_stop_and_comes_back_counts_as_undone(
    ledger: Ledger, clock: ManualClock
) -> None:
    running = threading.Event()
    ended: list[str] = []
    terms: list[FakeTerm] = []

    @task(every="10s")
    def sweep(job: Job) -> None:
        running.set()
        terms[0].ask_to_stop("the test says so")
        while job.wait(0.01):
            pass
        ended.append(job.tick)

    Scene(ledger, clock, sweep).lead(5, before=terms.append)
    assert running.is_set()
    assert ended
    known = ledger.look([str(Unit("sweep", str(_tick(0.0))))])
    assert [one.state for one in known.values()] == [State.FAILED], "the next term may begin it"


def test_a_coroutine_is_cancelled_when_its_term_ends(ledger: Ledger, clock: ManualClock) -> None:
    cancelled: list[bool] = []
    terms: list[FakeTerm] = []

    @task(every="10s")
    async def sweep(job: Job) -> None:
        terms[0].ask_to_stop()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    scene = Scene(ledger, clock, sweep)
    scene.lead(5, before=terms.append)
    assert cancelled == [True]
    assert scene.loop.close(5.0)


def test_a_term_that_is_gone_ends_the_right_to_go_on(clock: ManualClock, ledger: Ledger) -> None:
    raised: list[str] = []
    terms: list[FakeTerm] = []

    @task(every="10s")
    def sweep(job: Job) -> None:
        job.check()
        terms[0].expire()
        try:
            job.check()
        except JobCancelled as error:
            raised.append(str(error))

    Scene(ledger, clock, sweep).lead(5, before=terms.append)
    assert raised
    assert "the test let it expire" in raised[0]


# --- serving ---------------------------------------------------------------------------------


def _tasks(clock: ManualClock) -> FleetTasks:
    url = f"memory://serving-{next(_NUMBERS)}"
    return FleetTasks(url, "g", timing=Timing.of(10.0), clock=clock)


def test_a_task_without_a_schedule_cannot_be_led(clock: ManualClock) -> None:
    @task("resize")
    def resize(job: Job) -> None:
        """For messages."""

    tasks = _tasks(clock)
    with pytest.raises(ConfigError, match="has no schedule"):
        tasks.under(Role("r"), spec_of(resize), resize)
    tasks.close()


def test_a_scheduled_task_takes_a_job_and_nothing_more(clock: ManualClock) -> None:
    @task(every="1s")
    def sweep(job: Job, bucket: str) -> None:
        """Wants a bucket that nobody gives."""

    tasks = _tasks(clock)
    with pytest.raises(ConfigError, match="bucket"):
        tasks.under(Role("r"), spec_of(sweep), sweep)
    tasks.close()


def test_a_tasks_own_progress_timeout_is_the_roles(clock: ManualClock) -> None:
    @task(every="1s", progress_timeout="7s")
    def sweep(job: Job) -> None:
        """Slow."""

    tasks = _tasks(clock)
    role, _ = tasks.under(Role("r", shards=3), spec_of(sweep), sweep)
    assert role == replace(Role("r", shards=3), progress_timeout_s=7.0)
    tasks.close()


def test_without_a_ledger_a_job_says_what_is_missing(clock: ManualClock) -> None:
    job = Job(fake_term("r"), Unit("t"), clock=clock, memory=NoMemory(), scope="s", token=1)
    with pytest.raises(ConfigError, match="there is no ledger"):
        job.once("k", lambda: 1)
    with pytest.raises(ConfigError, match="there is no ledger"):
        job.budget("b", per_hour=1)
