"""What a run under a term stands on: the term, which the runs of one runner share.

Owns who of them works and since when each has got nothing done. The rule: **the term owes progress
as soon as one of its runs does.** A run that hangs is found out although others beside it get on;
without that rule they would answer for it, and its part would stand still under a leader who looks
alive (`test_a_run_that_hangs_is_found_out_beside_runs_that_get_on`).
"""

from __future__ import annotations

import threading

from coord.clock import Clock
from coord.runtime.term import Term

__all__ = ["RunGround", "TermGround"]

_LEAST_S = 0.001


class TermGround:
    """One term, and the runs that stand on it. Any thread."""

    def __init__(self, term: Term, clock: Clock) -> None:
        self.term = term
        self._clock = clock
        self._lock = threading.Lock()
        self._since: dict[RunGround, float] = {}

    def began(self) -> RunGround:
        """A run begins, and works."""
        ground = RunGround(self)
        self.work(ground)
        return ground

    def work(self, ground: RunGround) -> None:
        """One of them works, and so does the term."""
        with self._lock:
            is_first = not self._since
            self._since.setdefault(ground, self._clock.now())
            if is_first:
                self.term.work()

    def rest(self, ground: RunGround) -> None:
        """One of them rests, or has ended; the term rests once all do."""
        with self._lock:
            if self._since.pop(ground, None) is None:
                return
            if self._since:
                self._owe()
            else:
                self.term.rest()

    def progress(self, ground: RunGround) -> None:
        """One of them got something done, and answers for itself alone."""
        with self._lock:
            if ground in self._since:
                self._since[ground] = self._clock.now()
            self.term.progress()
            if self._since:
                self._owe()

    def _owe(self) -> None:
        """Under the lock: the term owes what the run owes that has got nothing done for longest."""
        timeout_s = self.term.role.progress_timeout_s
        if timeout_s is not None:
            left_s = min(self._since.values()) + timeout_s - self._clock.now()
            self.term.step(max_s=max(_LEAST_S, left_s))


class RunGround:
    """A term as `coord.tasks.job.Ground`, for one run. After `ended` it says nothing any more."""

    __slots__ = ("_is_over", "_shared")

    def __init__(self, shared: TermGround) -> None:
        self._shared = shared
        self._is_over = False

    @property
    def deadline_s(self) -> float:
        """Until when nobody else can have it."""
        return self._shared.term.deadline_s

    @property
    def stopping(self) -> bool:
        """Whether the work should stop."""
        return self._shared.term.stopping

    def loss(self) -> Exception:
        """Why it is gone."""
        return self._shared.term.loss()

    def progress(self) -> None:
        """Something got done."""
        if not self._is_over:
            self._shared.progress(self)

    def rest(self) -> None:
        """It rests."""
        if not self._is_over:
            self._shared.rest(self)

    def work(self) -> None:
        """It works again."""
        if not self._is_over:
            self._shared.work(self)

    def ended(self) -> None:
        """Its function has come back."""
        self._is_over = True
        self._shared.rest(self)
