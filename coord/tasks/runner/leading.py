"""A task under one term: its ticks are run while the term lasts.

Owns one loop on the term's thread, and the runs it has started. Law: when it returns, nothing of
the term runs any more, except what ignores that it was told to stop, which is reported.

The term owes progress while anything runs, and none while the runner waits for a tick: `progress`
is for the task to say. A runner that said it for the task would let a faux leader look alive.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from coord.clock import Clock
from coord.errors import CoordError, Fenced, InProgress, JobCancelled
from coord.runtime.term import Term
from coord.tasks.backoff import Backoff
from coord.tasks.job import Job, Memory
from coord.tasks.ledger import Attempt, Finished
from coord.tasks.loop import Loop
from coord.tasks.mark import TaskSpec
from coord.tasks.runner.ground import TermGround
from coord.tasks.runner.notes import SKIPPED, Notes, OwnNotes, unit_of
from coord.tasks.runner.round import Rounds
from coord.tasks.schedule import Plan, Seen, TickPart, UnitState
from coord.telemetry.log import bound_logger

__all__ = ["Duty", "Leading"]

_AT_ONCE = 8
_NAP_S = 0.05
_REST_S = 1.0
_RETRY_S = 0.2
_LONGEST_S = 30.0
_ELSEWHERE_S = 2.0
_STOPPING_S = 60.0
_AHEAD_S = 60.0

_log = bound_logger("coord.tasks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """What is to be run, and with what. `stagger_s`: by how much each seat begins after the one
    before it. `wall`: the wall clock in seconds since the epoch, by which schedules go.
    """

    spec: TaskSpec
    function: Callable[..., object]
    is_async: bool
    memory: Memory
    loop: Loop
    clock: Clock
    backoff: Backoff
    stagger_s: float
    wall: Callable[[], float]


class _Run:
    """One unit that was begun here."""

    __slots__ = ("attempt", "failures", "is_over", "is_replaced", "job", "since_s")

    def __init__(self, failures: int, since_s: float) -> None:
        self.failures = failures
        self.since_s = since_s
        self.attempt: Attempt | None = None
        self.job: Job | None = None
        self.is_over = False
        self.is_replaced = False


class _Rest(NamedTuple):
    """A unit that has failed so often, is not tried again before, and was first begun then."""

    failures: int
    until_s: float
    since_s: float


class Leading:
    """Runs the parts of one task that fall to one term. `run` returns when the term is to end."""

    def __init__(self, term: Term, duty: Duty, notes: Notes, rounds: Rounds) -> None:
        self._term = term
        self._duty = duty
        self._notes = notes
        self._rounds = rounds
        self._ground = TermGround(term)
        self._changed = threading.Condition()
        self._runs: dict[TickPart, _Run] = {}
        self._resting: dict[TickPart, _Rest] = {}
        self._pause_s = 0.0

    def run(self) -> None:
        """Plan, run, wait; until the term is to end."""
        try:
            while not self._term.stopping:
                self._wait(self._turn())
        finally:
            self._stop()

    def _turn(self) -> float:
        """One round; for how long to wait at most before the next."""
        now_s = self._now_s()
        try:
            plan, elsewhere = self._rounds.plan(now_s, self._own(now_s))
        except CoordError as error:
            _log.warning("plan-failed", task=self._duty.spec.name, why=str(error))
            self._pause_s = min(_LONGEST_S, max(_REST_S, 2 * self._pause_s))
            return random.uniform(self._pause_s / 2, self._pause_s)
        self._pause_s = 0.0
        self._tell(plan, now_s)
        for unit in [unit for unit in self._resting if unit.tick <= plan.cursor]:
            del self._resting[unit]
        if not self._act(plan):
            elsewhere = elsewhere | set(plan.start)
        waits = [plan.look_again_s - now_s, _LONGEST_S]
        waits += [r.until_s - now_s for r in self._resting.values() if r.until_s > now_s]
        if elsewhere:
            waits.append(_ELSEWHERE_S)
        return max(0.0, min(waits))

    def _now_s(self) -> float:
        """The wall clock, as this seat goes by it: each seat begins after the one before it."""
        return self._duty.wall() - self._term.seat * self._duty.stagger_s

    def _own(self, now_s: float) -> dict[TickPart, Seen]:
        """What runs here, and what has failed here and rests: no record knows the latter."""
        with self._changed:
            own = {unit: run.since_s for unit, run in self._runs.items()}
            for unit, rest in self._resting.items():
                if rest.until_s > now_s:
                    own.setdefault(unit, rest.since_s)
        return {unit: Seen(UnitState.IN_PROGRESS, since_s) for unit, since_s in own.items()}

    def _tell(self, plan: Plan, now_s: float) -> None:
        if plan.cursor.at_s > now_s + _AHEAD_S:
            _log.warning(
                "cursor-ahead",
                task=self._duty.spec.name,
                cursor=str(plan.cursor),
                why="some member's wall clock was ahead: nothing is due before that time",
            )
        for skip in plan.skipped:
            _log.info(
                "tick-skipped",
                task=self._duty.spec.name,
                why=skip.why.value,
                first=str(skip.first),
                last=str(skip.last),
                units=skip.units,
            )

    def _act(self, plan: Plan) -> bool:
        """Stop and start; False if somebody else was quicker with one of them."""
        with self._changed:
            for unit in plan.stop:
                run = self._runs.get(unit)
                if run is not None and run.job is not None:
                    run.is_replaced = True
                    run.job.cancel("a newer tick replaces it")
            room = _AT_ONCE - len(self._runs)
        begun = [self._begin(unit) for unit in plan.start[: max(0, room)]]
        return all(begun)

    # ------------------------------------------------------------------------------- waiting

    def _wait(self, seconds: float) -> None:
        """Until something ended, the term is to end, or so long; resting if nothing runs."""
        with self._changed:
            if self._runs:
                self._watch(seconds)
                return
        if seconds > 0:
            self._term.wait(seconds)

    def _watch(self, seconds: float) -> None:
        """Under the lock: until a run ends, the term is to end, or so long."""
        clock = self._duty.clock
        end_s = clock.now() + seconds
        while clock.now() < end_s and not self._term.stopping:
            if any(run.is_over for run in self._runs.values()):
                break
            self._changed.wait(min(_NAP_S, max(0.0, end_s - clock.now())))
        self._runs = {unit: run for unit, run in self._runs.items() if not run.is_over}

    def _stop(self) -> None:
        """Tell what runs, and wait for it."""
        why = self._term.why or "the term ends"
        clock = self._duty.clock
        end_s = clock.now() + _STOPPING_S
        with self._changed:
            for run in self._runs.values():
                if run.job is not None:
                    run.job.cancel(why)
            while any(not run.is_over for run in self._runs.values()) and clock.now() < end_s:
                self._changed.wait(_NAP_S)
            left = [str(unit.tick) for unit, run in self._runs.items() if not run.is_over]
        if left:
            _log.error("overrun", task=self._duty.spec.name, ticks=left, why=why)

    # ------------------------------------------------------------------------------- one run

    def _begin(self, unit: TickPart) -> bool:
        """Run a unit; False if it is another's by now."""
        now_s = self._now_s()
        rest = self._resting.get(unit, _Rest(0, now_s, now_s))
        run = _Run(rest.failures, rest.since_s)
        try:
            found = self._notes.begin(unit, lost=lambda: self._lost(run))
        except (InProgress, Fenced) as error:
            _log.debug("unit-taken", task=self._duty.spec.name, why=str(error))
            return False
        except CoordError as error:
            _log.warning("unit-not-begun", task=self._duty.spec.name, why=str(error))
            self._resting[unit] = rest._replace(until_s=now_s + _RETRY_S)
            return True
        if isinstance(found, Finished):
            return False
        run.attempt = found
        run.job = self._job(unit, found.number if found is not None else rest.failures + 1)
        with self._changed:
            self._runs[unit] = run
        self._ground.began()
        self._call(unit, run, run.job)
        return True

    def _job(self, unit: TickPart, attempt: int) -> Job:
        term, spec = self._term, self._duty.spec
        return Job(
            self._ground,
            unit_of(spec.name, unit),
            clock=self._duty.clock,
            memory=self._duty.memory,
            scope=str(term.key),
            token=term.token,
            role=term.key.role,
            seat=term.seat,
            attempt=attempt,
            timeout_s=spec.timeout_s,
        )

    def _call(self, unit: TickPart, run: _Run, job: Job) -> None:
        function = self._duty.function
        if self._duty.is_async:

            async def awaited() -> object:
                return await function(job)  # type: ignore[misc]

            self._duty.loop.run(
                job, awaited, lambda result, error: self._spawn_end(unit, run, result, error)
            )
            return

        def call() -> None:
            result: object = None
            failure: BaseException | None = None
            try:
                result = function(job)
            except BaseException as error:  # noqa: BLE001  it must be written down whatever it is
                failure = error
            self._end(unit, run, result, failure)

        name = f"coord-task-{job.unit}"
        threading.Thread(target=call, name=name, daemon=True).start()

    def _spawn_end(
        self, unit: TickPart, run: _Run, result: object, error: BaseException | None
    ) -> None:
        """Write down the end of a coroutine: on a thread, since its loop must not wait."""
        threading.Thread(
            target=self._end, args=(unit, run, result, error), name="coord-task-end", daemon=True
        ).start()

    def _end(self, unit: TickPart, run: _Run, result: object, error: BaseException | None) -> None:
        """Write down how a run ended; then the next plan may count on it."""
        if error is None and run.job is not None and run.job.is_told:
            error = JobCancelled("it was told to stop, and came back")
        try:
            error = self._written(unit, run, result, error)
        finally:
            with self._changed:
                run.is_over = True
                if error is not None:
                    failures = run.failures + 1
                    rest_s = self._duty.backoff.seconds(failures, random.random)
                    self._resting[unit] = _Rest(failures, self._now_s() + rest_s, run.since_s)
                self._changed.notify_all()
            self._ground.ended()

    def _written(
        self, unit: TickPart, run: _Run, result: object, error: BaseException | None
    ) -> BaseException | None:
        task, attempt = self._duty.spec.name, run.attempt
        if error is not None and run.is_replaced:
            result, error = SKIPPED, None
        try:
            if error is None:
                if attempt is not None:
                    attempt.done(result)
                elif isinstance(self._notes, OwnNotes):
                    self._notes.done(unit)
                return None
            if attempt is not None:
                attempt.failed(f"{type(error).__name__}: {error}")
        except CoordError as trouble:
            _log.warning("unit-not-recorded", task=task, tick=str(unit.tick), why=str(trouble))
            return error or trouble
        cancelled = isinstance(error, JobCancelled) or (run.job is not None and run.job.is_over)
        if not cancelled:
            _log.warning("unit-failed", task=task, tick=str(unit.tick), exc_info=error)
        return error

    def _lost(self, run: _Run) -> None:
        """Its record is, or may be, another run's. On the ledger's thread."""
        if run.job is not None:
            run.job.cancel("its record in the ledger could not be renewed in time")
