"""The runs of one term: how a unit begins, is called, ends and is written down.

Owns what runs here, and what has failed here and rests. Plans nothing: `leading` says which units
begin. Law: every run that was begun ends exactly once, whatever its function does and whatever the
system refuses; one that does not come back is told of, and its term is not over before it is: only
so the runtime knows that old code still runs (`on_overrun`), and does not claim beside it.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from coord.clock import Clock
from coord.errors import Fenced, InProgress, JobCancelled, StoreUnavailable
from coord.runtime.term import Term
from coord.tasks.backoff import Backoff
from coord.tasks.job import Job, Memory
from coord.tasks.ledger import Attempt, Finished
from coord.tasks.loop import Loop
from coord.tasks.mark import TaskSpec
from coord.tasks.runner.ground import RunGround, TermGround
from coord.tasks.runner.notes import SKIPPED, Notes, OwnNotes, unit_of
from coord.tasks.runner.patience import Patience
from coord.tasks.schedule import Seen, Tick, TickPart, UnitState, Why
from coord.telemetry.log import bound_logger
from coord.threads import DaemonThread

__all__ = ["Duty", "Runs"]

_AT_ONCE = 8
_NAP_S = 0.05
_RETRY_S = 0.2
_MOST_RETRY_S = 5.0
_OVERRUN_S = 5.0

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

    __slots__ = (
        "attempt",
        "failures",
        "ground",
        "is_lost",
        "is_over",
        "is_replaced",
        "is_reported",
        "job",
        "late_since_s",
        "since_s",
    )

    def __init__(self, failures: int, since_s: float) -> None:
        self.failures = failures
        self.since_s = since_s
        self.attempt: Attempt | None = None
        self.ground: RunGround | None = None
        self.job: Job | None = None
        self.is_lost = False
        self.is_over = False
        self.is_replaced = False
        self.is_reported = False
        self.late_since_s: float | None = None


class _Rest(NamedTuple):
    """A unit that has failed so often, and is not tried again before."""

    failures: int
    until_s: float


class Runs:
    """Of one term. `began` and `ended` from the runner's thread, ends from any."""

    def __init__(self, term: Term, duty: Duty, notes: Notes, patience: Patience) -> None:
        self._term = term
        self._duty = duty
        self._notes = notes
        self._patience = patience
        self._ground = TermGround(term, duty.clock)
        self._changed = threading.Condition()
        self._runs: dict[TickPart, _Run] = {}
        self._resting: dict[TickPart, _Rest] = {}
        self._is_stopping = False

    def now_s(self) -> float:
        """The wall clock, as this seat goes by it: each seat begins after the one before it."""
        return self._duty.wall() - self._term.seat * self._duty.stagger_s

    @property
    def room(self) -> int:
        """How many more may begin."""
        return max(0, _AT_ONCE - len(self._runs))

    def __bool__(self) -> bool:
        return bool(self._runs)

    def own(self, now_s: float) -> dict[TickPart, Seen]:
        """What runs here, and what has failed here and rests: no record knows the latter."""
        with self._changed:
            own = {u: Seen(UnitState.IN_PROGRESS, run.since_s) for u, run in self._runs.items()}
            for unit, rest in self._resting.items():
                if rest.until_s > now_s:
                    own.setdefault(unit, Seen(UnitState.RESTING))
        return own

    def passed(self, cursor: Tick) -> None:
        """What has failed and lies behind the cursor is not tried again."""
        with self._changed:
            for unit in [unit for unit in self._resting if unit.tick <= cursor]:
                del self._resting[unit]

    def rested_in_s(self, now_s: float) -> list[float]:
        """When each of those that rest may be tried again."""
        with self._changed:
            return [r.until_s - now_s for r in self._resting.values() if r.until_s > now_s]

    def replace(self, unit: TickPart) -> None:
        """Tell a run to stop: a newer tick takes its place."""
        with self._changed:
            run = self._runs.get(unit)
            if run is not None and run.job is not None:
                run.is_replaced = True
                run.job.cancel("a newer tick replaces it")

    def watch(self, seconds: float) -> None:
        """Until a run ends, the term is to end, or so long."""
        clock = self._duty.clock
        end_s = clock.now() + seconds
        with self._changed:
            while clock.now() < end_s and not self._term.stopping:
                if any(run.is_over for run in self._runs.values()):
                    break
                self._tell_overruns()
                self._changed.wait(min(_NAP_S, max(0.0, end_s - clock.now())))
            self._runs = {unit: run for unit, run in self._runs.items() if not run.is_over}

    def stop(self) -> None:
        """Tell what runs, and wait for it, for as long as it takes.

        The runtime judges the wait: it takes the claim from work that does not stop, says so, and
        does with the process as `on_overrun` wants.
        """
        why = self._term.why or "the term ends"
        with self._changed:
            self._is_stopping = True
            for run in self._runs.values():
                if run.job is not None:
                    run.job.cancel(why)
            self._changed.notify_all()
            while any(not run.is_over for run in self._runs.values()):
                self._tell_overruns()
                self._changed.wait(_NAP_S)

    def _tell_overruns(self) -> None:
        """Under the lock: name each run, once, that was told to stop and does not."""
        now = self._duty.clock.now()
        for unit, run in self._runs.items():
            if run.is_over or run.is_reported or run.job is None or not run.job.is_over:
                continue
            if run.late_since_s is None:
                run.late_since_s = now
            elif now - run.late_since_s >= _OVERRUN_S:
                run.is_reported = True
                why = run.job.why or "its timeout is over"
                task = self._duty.spec.name
                _log.error("overrun", task=task, tick=str(unit.tick), part=unit.part, why=why)

    # ------------------------------------------------------------------------------- one run

    def begin(self, unit: TickPart, *, parts: int) -> bool:
        """Run a unit of a tick that is cut into so many parts; False if it is another's by now.

        Raises the store's errors.
        """
        now_s = self.now_s()
        rest = self._resting.get(unit, _Rest(0, now_s))
        run = _Run(rest.failures, now_s)
        try:
            found = self._notes.begin(unit, lost=lambda: self._lost(unit, run))
        except (InProgress, Fenced) as error:
            _log.debug("unit-taken", task=self._duty.spec.name, why=str(error))
            return False
        if isinstance(found, Finished):
            return False
        run.attempt = found
        run.ground = self._ground.began()
        number = found.number if found is not None else rest.failures + 1
        run.job = self._job(unit, run, number, parts)
        if run.is_lost:  # while the job was not there to be told
            run.job.cancel(_LOST)
        with self._changed:
            self._runs[unit] = run
        if self._term.stopping:  # while the ledger was asked
            why = self._term.why or "the term ends"
            run.job.cancel(why)
            self._end(unit, run, JobCancelled(why))
        else:
            self._call(unit, run, run.job)
        return True

    def _job(self, unit: TickPart, run: _Run, attempt: int, parts: int) -> Job:
        term, spec = self._term, self._duty.spec
        assert run.ground is not None  # noqa: S101  it has just begun
        return Job(
            run.ground,
            unit_of(spec.name, unit, parts),
            clock=self._duty.clock,
            memory=self._duty.memory,
            scope=str(term.key),
            token=term.token,
            is_under_term=True,
            role=term.key.role,
            seat=term.seat,
            attempt=attempt,
            timeout_s=spec.timeout_s,
        )

    def _call(self, unit: TickPart, run: _Run, job: Job) -> None:
        function = self._duty.function
        try:
            if self._duty.is_async:

                async def awaited() -> object:
                    return await function(job)  # type: ignore[misc]

                self._duty.loop.run(
                    job, awaited, lambda _, error: self._spawn_end(unit, run, error)
                )
                return
            DaemonThread(self._called, f"coord-task-{job.unit}", (unit, run, job)).start()
        except RuntimeError as error:  # no thread is to be had, or the event loop is closed
            self._end(unit, run, error)

    def _called(self, unit: TickPart, run: _Run, job: Job) -> None:
        failure: BaseException | None = None
        try:
            self._duty.function(job)
        except BaseException as error:  # noqa: BLE001  it must be written down whatever it is
            failure = error
        self._end(unit, run, failure)

    def _spawn_end(self, unit: TickPart, run: _Run, error: BaseException | None) -> None:
        """Write down the end of a coroutine: on a thread, since its loop must not wait."""
        args = (unit, run, error)
        try:
            DaemonThread(self._end, "coord-task-end", args).start()
        except RuntimeError:  # none is to be had: better a loop that waits than a unit for ever
            self._end(*args)

    def _end(self, unit: TickPart, run: _Run, error: BaseException | None) -> None:
        """Write down how a run ended; then the next plan may count on it."""
        job, task = run.job, self._duty.spec.name
        assert job is not None  # noqa: S101  it has run
        assert run.ground is not None  # noqa: S101
        run.ground.ended()
        if error is None and job.is_told:
            error = JobCancelled("it was told to stop, and came back")
        replaced = error is not None and run.is_replaced
        if error is not None and not replaced:
            self._judge(unit, job, error)
        try:
            self._write(unit, run, error, replaced=replaced)
            if replaced:
                error = None
                self._tell_replaced(unit)
        except Exception as trouble:  # noqa: BLE001  whatever it was, the unit is not settled
            _log.warning("unit-not-recorded", task=task, tick=str(unit.tick), why=str(trouble))
            error = error or trouble
        with self._changed:
            run.is_over = True
            if error is not None:
                failures = run.failures + 1
                rest_s = self._duty.backoff.seconds(failures, random.random)
                self._resting[unit] = _Rest(failures, self.now_s() + rest_s)
            else:
                self._patience.good()
            self._changed.notify_all()

    def _tell_replaced(self, unit: TickPart) -> None:
        """It is given up, as a plan gives up others."""
        task, tick, why = self._duty.spec.name, str(unit.tick), Why.REPLACED.value
        told = {"first": tick, "last": tick, "part": unit.part, "units": 1}
        _log.info("tick-skipped", task=task, why=why, **told)

    def _judge(self, unit: TickPart, job: Job, error: BaseException) -> None:
        """Tell of a failure, unless the run was told to stop or waits for another."""
        task, tick = self._duty.spec.name, str(unit.tick)
        if job.why or self._term.stopping:
            return
        if isinstance(error, InProgress):
            _log.info("unit-waits", task=task, tick=tick, why=str(error))
            return
        self._patience.bad(error)
        trace = None if isinstance(error, JobCancelled) else error
        _log.warning("unit-failed", task=task, tick=tick, why=str(error), exc_info=trace)

    def _write(
        self, unit: TickPart, run: _Run, error: BaseException | None, *, replaced: bool
    ) -> None:
        """Record the end. While the ledger is away it is tried again until the term ends, or what
        was done would be done anew (`test_what_is_done_while_the_ledger_is_away_is_not_repeated`).
        """
        attempt, pause_s = run.attempt, _RETRY_S
        if attempt is None:
            if (error is None or replaced) and isinstance(self._notes, OwnNotes):
                self._notes.done(unit)
            return
        while True:
            try:
                if error is not None and not replaced:
                    attempt.failed(f"{type(error).__name__}: {error}")
                else:
                    attempt.done(SKIPPED if replaced else None)
            except StoreUnavailable as trouble:
                if self._is_stopping or self._term.stopping:
                    raise
                if pause_s == _RETRY_S:
                    task, tick = self._duty.spec.name, str(unit.tick)
                    _log.warning("unit-recorded-later", task=task, tick=tick, why=str(trouble))
                with self._changed:
                    self._changed.wait(random.uniform(pause_s / 2, pause_s))
                pause_s = min(_MOST_RETRY_S, 2 * pause_s)
            else:
                return

    def _lost(self, unit: TickPart, run: _Run) -> None:
        """Its record is, or may be, another run's. On the ledger's thread."""
        run.is_lost = True
        task, tick = self._duty.spec.name, str(unit.tick)
        _log.warning("unit-lost", task=task, tick=tick, part=unit.part, why=_LOST)
        if run.job is not None:
            run.job.cancel(_LOST)


_LOST = "its record in the ledger could not be renewed in time"
