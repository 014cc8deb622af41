"""A task under one term: its ticks are run while the term lasts.

Owns one loop on the term's thread. Law: when it returns, nothing of the term runs any more.

The term owes progress while anything runs, and none while the runner waits for a tick: `progress`
is for the task to say. A runner that said it for the task would let a faux leader look alive. What
no progress clock sees (a ledger that cannot be used, runs that only fail) `patience` bounds.
"""

from __future__ import annotations

import random
from collections import deque

from coord.errors import CoordError
from coord.runtime.term import Term
from coord.tasks.runner.notes import Notes
from coord.tasks.runner.patience import Patience
from coord.tasks.runner.round import Rounds
from coord.tasks.runner.runs import Duty, Runs
from coord.tasks.schedule import Plan, TickPart
from coord.telemetry.log import bound_logger

__all__ = ["Duty", "Leading"]

_REST_S = 1.0
_LONGEST_S = 30.0
_ELSEWHERE_S = 2.0
_PLAN_HOLDS_S = 2.0
_AHEAD_S = 60.0

_log = bound_logger("coord.tasks")


class Leading:
    """Runs the parts of one task that fall to one term. `run` returns when the term is to end."""

    def __init__(self, term: Term, duty: Duty, notes: Notes, rounds: Rounds) -> None:
        self._term = term
        self._duty = duty
        self._rounds = rounds
        limit_s = term.role.progress_timeout_s
        self._with_ledger = Patience(limit_s, duty.clock)
        self._with_runs = Patience(limit_s, duty.clock)
        self._runs = Runs(term, duty, notes, self._with_runs)
        self._todo: deque[TickPart] = deque()
        self._plan_holds_until_s = 0.0
        self._pause_s = 0.0

    def run(self) -> None:
        """Plan, run, wait; until the term is to end, or the patience does."""
        try:
            while not self._term.stopping:
                self._wait(self._turn())
                error = self._with_ledger.spent() or self._with_runs.spent()
                if error is not None and not self._runs:
                    self._give_up(error)
                    return
        finally:
            self._runs.stop()

    def _give_up(self, error: BaseException) -> None:
        if Patience.blames(error):
            raise error
        task, why = self._duty.spec.name, str(error)
        _log.error("term-returned", task=task, term=str(self._term.key), why=why)

    def _turn(self) -> float:
        """Begin what can begin; for how long to wait at most before the next."""
        try:
            seconds = self._go_on() if self._todo else None
            seconds = self._round() if seconds is None else seconds
        except CoordError as error:
            self._todo.clear()
            self._with_ledger.bad(error)
            _log.warning("plan-failed", task=self._duty.spec.name, why=str(error))
            self._pause_s = min(_LONGEST_S, max(_REST_S, 2 * self._pause_s))
            return random.uniform(self._pause_s / 2, self._pause_s)
        self._with_ledger.good()
        self._pause_s = 0.0
        return seconds

    def _go_on(self) -> float | None:
        """More of the last plan; None once that is too old, and another is to be made.

        A plan reads the records of all parts: with many of them, one for each end would cost their
        square.
        """
        left_s = self._plan_holds_until_s - self._duty.clock.now()
        if left_s <= 0:
            return None
        self._begin()
        return left_s if self._todo else None

    def _round(self) -> float:
        now_s = self._runs.now_s()
        plan, elsewhere = self._rounds.plan(now_s, self._runs.own(now_s))
        self._tell(plan, now_s)
        self._runs.passed(plan.cursor)
        for unit in plan.stop:
            self._runs.replace(unit)
        waits = [plan.look_again_s - now_s, _LONGEST_S, *self._runs.rested_in_s(now_s)]
        self._plan_holds_until_s = self._duty.clock.now() + min(_PLAN_HOLDS_S, *waits)
        self._todo = deque(plan.start)
        if not self._begin() or elsewhere:
            waits.append(_ELSEWHERE_S)
        return max(0.0, min(waits))

    def _begin(self) -> bool:
        """Begin what there is room for; False if somebody else was quicker with one of them."""
        all_ours = True
        while self._todo and self._runs.room and not self._term.stopping:
            unit = self._todo.popleft()
            is_ours = self._runs.begin(unit, parts=self._rounds.parts_of(unit.tick))
            all_ours = is_ours and all_ours
        return all_ours

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
                part=skip.part,
                units=skip.units,
            )

    def _wait(self, seconds: float) -> None:
        """Until something ended, the term is to end, or so long; resting if nothing runs."""
        if self._runs:
            self._runs.watch(seconds)
        elif seconds > 0:
            self._term.wait(seconds)
