"""What a runner counts on: progress run by run, cursors that others move, its own notes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from coord.config import Role
from coord.core import events as e
from coord.errors import StoreUnavailable
from coord.tasks import Job, Tick, spec_of, task
from coord.tasks.job import Unit
from coord.tasks.memory import LedgerMemory
from coord.tasks.runner.ground import TermGround
from coord.tasks.runner.notes import LedgerNotes, OwnNotes, kept_s
from coord.tasks.runner.round import Rounds
from coord.tasks.schedule import Policies, Seen, TickPart, UnitState
from coord.testing.clock import ManualClock
from coord.testing.terms import FakeTerm, fake_term
from tests.unit.tasks.troubled import START_S, Scene


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.ledger.close()


# --- progress -------------------------------------------------------------------------------------


def _due_s(term: FakeTerm, timeout_s: float) -> float:
    """When the term must have made progress, as the core reckons it."""
    due_s = float("inf")
    for event in term._heard:
        match event:
            case e.WorkBegan():
                due_s = event.now + (timeout_s if event.max_s is None else event.max_s)
            case e.WorkRested():
                due_s = float("inf")
            case e.WorkProgressed() if due_s != float("inf"):
                due_s = event.now + timeout_s
    return due_s


def test_a_run_that_hangs_is_found_out_beside_runs_that_get_on() -> None:
    clock = ManualClock(1000.0)
    term = fake_term(Role("r", progress_timeout_s=60.0), clock=clock)
    ground = TermGround(term, clock)
    hangs, busy = ground.began(), ground.began()
    for _ in range(5):
        clock.advance(10.0)
        busy.progress()
        busy.rest()
        clock.advance(1.0)
        busy.work()
    assert _due_s(term, 60.0) == pytest.approx(1060.0, abs=0.1)
    hangs.progress()
    assert _due_s(term, 60.0) == pytest.approx(1055.0 + 60.0, abs=0.1), "from its last word"
    hangs.ended()
    busy.ended()
    assert _due_s(term, 60.0) == float("inf")


def test_a_run_that_has_ended_says_nothing_for_the_term() -> None:
    clock = ManualClock(1000.0)
    term = fake_term(Role("r", progress_timeout_s=60.0), clock=clock)
    ground = TermGround(term, clock)
    first, second = ground.began(), ground.began()
    first.ended()
    first.rest()
    first.work()
    first.progress()
    assert term.progressed == 0
    second.ended()
    assert _due_s(term, 60.0) == float("inf")


def test_a_run_whose_timeout_is_over_makes_no_progress(scene: Scene) -> None:
    term = fake_term(Role("r"), clock=scene.clock)
    ground = TermGround(term, scene.clock).began()
    job = Job(
        ground,
        Unit("t"),
        clock=scene.clock,
        memory=LedgerMemory(scene.ledger),
        scope="s",
        token=1,
        timeout_s=5.0,
    )
    job.progress()
    scene.clock.advance(6.0)
    term.renew()
    job.progress()
    assert not job.wait(1.0)
    assert term.progressed == 1
    assert _due_s(term, 60.0) == pytest.approx(1060.0), "and coming back to wait is none"


# --- cursors and own notes ------------------------------------------------------------------------


def test_a_plan_from_a_cursor_that_others_moved_is_made_anew(scene: Scene) -> None:
    @task(every="10s")
    def sweep(job: Job) -> None:
        """For its schedule."""

    spec = spec_of(sweep)
    schedule = spec.schedule
    assert schedule is not None
    slow = LedgerNotes(scene.ledger, spec, schedule, scope="a", token=1)
    quick = LedgerNotes(scene.ledger, spec, schedule, scope="b", token=1)
    slow.cursor(START_S - 5.0)
    states = slow.states

    def meanwhile(units: Any) -> Any:  # noqa: ANN401
        found = states(units)
        if quick.cursor(START_S) < Tick.of(START_S + 20.0):  # it plans 20 s later
            quick.move(Tick.of(START_S + 20.0))
        return found

    slow.states = meanwhile  # type: ignore[method-assign]
    plan, _ = Rounds(slow, schedule, Policies(), parts=1).plan(START_S + 15.0, {})
    assert not plan.start, "the tick lies behind the cursor, where no plan looks"


def test_records_of_units_outlast_the_window(scene: Scene) -> None:
    @task(every="1h", missed="catch-up", window="30d")
    def sweep(job: Job) -> None:
        """For its window."""

    scene.leading(sweep, 2).run()
    key = str(Unit("sweep", str(Tick.of(START_S))))
    assert scene.store.keeps[key] == kept_s(spec_of(sweep)) > 30 * 86_400.0


def test_without_a_ledger_other_shards_hold_nothing_up() -> None:
    @task(every="10s", once=False)
    def sweep(job: Job) -> None:
        """For its schedule."""

    schedule = spec_of(sweep).schedule
    assert schedule is not None
    notes = OwnNotes(schedule, range(0, 4, 2))
    rounds = Rounds(notes, schedule, Policies(), parts=4, mine=range(0, 4, 2))
    rounds.plan(START_S - 5.0, {})
    for n in range(5):
        now_s = START_S + 10.0 * n + 1.0
        plan, _ = rounds.plan(now_s, {})
        assert plan.start == (
            TickPart(Tick.of(START_S + 10.0 * n), 0),
            TickPart(Tick.of(START_S + 10.0 * n), 2),
        )
        for unit in plan.start:
            notes.done(unit)
        plan, _ = rounds.plan(now_s, {})
        assert plan.cursor == Tick.of(START_S + 10.0 * n)
        assert not plan.skipped, "what others run is not given up here"


def test_own_notes_forget_nothing_that_ends_while_the_cursor_moves() -> None:
    @task(every="10s", once=False)
    def sweep(job: Job) -> None:
        """For its schedule."""

    schedule = spec_of(sweep).schedule
    assert schedule is not None
    notes = OwnNotes(schedule)
    units = [TickPart(Tick.of(START_S + n), 0) for n in range(3000)]

    def end_all() -> None:
        for unit in units:
            notes.done(unit)

    ending = threading.Thread(target=end_all)
    ending.start()
    while ending.is_alive():
        notes.move(Tick.of(START_S - 1.0))
    ending.join()
    assert notes.states(units) == dict.fromkeys(units, Seen(UnitState.DONE))


# --- crashes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("overlap", ["skip", "queue", "replace"])
def test_a_leader_that_dies_between_any_two_requests_loses_and_doubles_no_tick(
    overlap: str,
) -> None:
    """Each life of it ends with the n-th request: what it has begun is never ended, as in a crash.

    A request may have been done before it died, or not.
    """
    for last in range(1, 26):
        for is_done in (False, True):
            done = _lives(overlap, last, is_done=is_done)
            ticks = sorted(Tick.parse(tick) for tick in done)
            spread = [(tick.us - ticks[0].us) / 1e6 for tick in ticks]
            assert spread == [10.0 * n for n in range(len(ticks))], f"request {last}"
            assert all(len(set(attempts)) == len(attempts) for attempts in done.values())
            assert sum(len(attempts) - 1 for attempts in done.values()) <= 1, "the one it died in"


def _lives(overlap: str, last: int, *, is_done: bool) -> dict[str, list[int]]:
    """Two lives, the first cut short; of each tick the attempts that ran."""
    scene, ran = Scene(), dict[str, list[int]]()

    @task(every="10s", missed="catch-up", parts=1, overlap=overlap)
    def sweep(job: Job) -> None:
        ran.setdefault(job.tick, []).append(job.attempt)

    leading = scene.leading(sweep, 8)
    scene.store.dies(last, is_done=is_done, then=scene.terms[0].expire)
    with suppress(StoreUnavailable):
        leading.run()
    scene.store.revive()
    scene.leading(sweep, 8, token=2).run()
    scene.ledger.close()
    return ran
