"""A runner in trouble: ledgers that are away or refuse, threads that are not to be had, runs that
hang or only fail, cursors that others have moved.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from coord.config import Role
from coord.core import events as e
from coord.errors import Certainty, StoreRefused, StoreUnavailable
from coord.spi import Probe
from coord.tasks import Job, Ledger, Tick, spec_of, task
from coord.tasks.backoff import Backoff
from coord.tasks.job import Unit
from coord.tasks.ledger import Attempt, State
from coord.tasks.loop import Loop
from coord.tasks.memory import LedgerMemory
from coord.tasks.opening import open_ledger
from coord.tasks.runner.ground import TermGround
from coord.tasks.runner.leading import Duty, Leading
from coord.tasks.runner.notes import LedgerNotes, OwnNotes, kept_s
from coord.tasks.runner.round import Rounds
from coord.tasks.schedule import Policies, Seen, TickPart, UnitState
from coord.tasks.spi import Entry, LedgerGuarantees, LedgerStore
from coord.testing.clock import ManualClock
from coord.testing.terms import FakeTerm, fake_term

_START_S = 1_800_000_000.0
_NUMBERS = count()
_ANSWER_S = 10.0


class Moody:
    """A ledger store whose next writes fail as `errors` say; and reads too, if `away`."""

    def __init__(self, inner: LedgerStore) -> None:
        self.inner = inner
        self.errors: list[Exception] = []
        self.away: Exception | None = None
        self.keeps: dict[str, float] = {}
        self.requests: Counter[str] = Counter()

    @property
    def guarantees(self) -> LedgerGuarantees:
        return self.inner.guarantees

    def read(self, keys: Sequence[str]) -> Mapping[str, Entry]:
        self.requests["read"] += 1
        if self.away is not None:
            raise self.away
        return self.inner.read(keys)

    def write(self, key: str, body: bytes, *, expect: str | None, keep_s: float) -> str:
        self.requests["write"] += 1
        if self.away is not None:
            raise self.away
        if self.errors:
            raise self.errors.pop(0)
        self.keeps[key] = keep_s
        return self.inner.write(key, body, expect=expect, keep_s=keep_s)

    def probe(self) -> list[Probe]:
        return self.inner.probe()

    def close(self) -> None:
        self.inner.close()


class Scene:
    """One ledger on a moody store, one term, one task."""

    def __init__(self) -> None:
        self.clock = ManualClock(1000.0)
        url = f"memory://troubles-{next(_NUMBERS)}"
        self.store = Moody(open_ledger(url, clock=self.clock))
        self.ledger = Ledger(self.store, clock=self.clock, lease_s=30.0)
        self.terms: list[FakeTerm] = []

    def wall(self) -> float:
        return _START_S + self.clock.now() - 1000.0

    def leading(
        self, function: Callable[..., object], waits: int, role: Role | None = None
    ) -> Leading:
        spec = spec_of(function)
        schedule = spec.schedule
        assert schedule is not None
        role = Role("sweep", progress_timeout_s=60.0) if role is None else role
        term = fake_term(role, waits=waits, clock=self.clock, ttl_s=100.0)
        self.terms.append(term)
        parts = spec.parts or role.shards
        notes = LedgerNotes(self.ledger, spec, schedule, scope=str(term.key), token=1)
        duty = Duty(
            spec=spec,
            function=function,
            is_async=asyncio.iscoroutinefunction(function),
            memory=LedgerMemory(self.ledger),
            loop=Loop(),
            clock=self.clock,
            backoff=Backoff(base_s=1.0),
            stagger_s=0.0,
            wall=self.wall,
        )
        return Leading(term, duty, notes, Rounds(notes, schedule, spec.policies("g"), parts=parts))

    def state(self, seconds: float, part: int = 0) -> State | None:
        key = str(Unit("sweep", str(Tick.of(_START_S + seconds)), part))
        known = self.ledger.look([key]).get(key)
        return None if known is None else known.state


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
    assert ran == [str(Tick.of(_START_S + 10.0 * n)) for n in range(len(ran))]
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
    slow.cursor(_START_S - 5.0)
    states = slow.states

    def meanwhile(units: Any) -> Any:  # noqa: ANN401
        found = states(units)
        if quick.cursor(_START_S) < Tick.of(_START_S + 20.0):  # it plans 20 s later
            quick.move(Tick.of(_START_S + 20.0))
        return found

    slow.states = meanwhile  # type: ignore[method-assign]
    plan, _ = Rounds(slow, schedule, Policies(), parts=1).plan(_START_S + 15.0, {})
    assert not plan.start, "the tick lies behind the cursor, where no plan looks"


def test_records_of_units_outlast_the_window(scene: Scene) -> None:
    @task(every="1h", missed="catch-up", window="30d")
    def sweep(job: Job) -> None:
        """For its window."""

    scene.leading(sweep, 2).run()
    key = str(Unit("sweep", str(Tick.of(_START_S))))
    assert scene.store.keeps[key] == kept_s(spec_of(sweep)) > 30 * 86_400.0


def test_without_a_ledger_other_shards_hold_nothing_up() -> None:
    @task(every="10s", once=False)
    def sweep(job: Job) -> None:
        """For its schedule."""

    schedule = spec_of(sweep).schedule
    assert schedule is not None
    notes = OwnNotes(schedule, range(0, 4, 2))
    rounds = Rounds(notes, schedule, Policies(), parts=4, mine=range(0, 4, 2))
    rounds.plan(_START_S - 5.0, {})
    for n in range(5):
        now_s = _START_S + 10.0 * n + 1.0
        plan, _ = rounds.plan(now_s, {})
        assert plan.start == (
            TickPart(Tick.of(_START_S + 10.0 * n), 0),
            TickPart(Tick.of(_START_S + 10.0 * n), 2),
        )
        for unit in plan.start:
            notes.done(unit)
        plan, _ = rounds.plan(now_s, {})
        assert plan.cursor == Tick.of(_START_S + 10.0 * n)
        assert not plan.skipped, "what others run is not given up here"


def test_own_notes_forget_nothing_that_ends_while_the_cursor_moves() -> None:
    @task(every="10s", once=False)
    def sweep(job: Job) -> None:
        """For its schedule."""

    schedule = spec_of(sweep).schedule
    assert schedule is not None
    notes = OwnNotes(schedule)
    units = [TickPart(Tick.of(_START_S + n), 0) for n in range(3000)]

    def end_all() -> None:
        for unit in units:
            notes.done(unit)

    ending = threading.Thread(target=end_all)
    ending.start()
    while ending.is_alive():
        notes.move(Tick.of(_START_S - 1.0))
    ending.join()
    assert notes.states(units) == dict.fromkeys(units, Seen(UnitState.DONE))


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
