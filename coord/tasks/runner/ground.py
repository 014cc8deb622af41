"""What a run under a term stands on: the term, shared by all runs of one runner.

Owns the count of who works and who rests: the term owes progress while any run works.
"""

from __future__ import annotations

import threading

from coord.runtime.term import Term

__all__ = ["TermGround"]


class TermGround:
    """A term as `coord.tasks.job.Ground`. Any thread."""

    def __init__(self, term: Term) -> None:
        self._term = term
        self._lock = threading.Lock()
        self._working = 0

    @property
    def deadline_s(self) -> float:
        """Until when nobody else can have it."""
        return self._term.deadline_s

    @property
    def stopping(self) -> bool:
        """Whether the work should stop."""
        return self._term.stopping

    def loss(self) -> Exception:
        """Why it is gone."""
        return self._term.loss()

    def progress(self) -> None:
        """Something got done."""
        self._term.progress()

    def began(self) -> None:
        """A run begins, and works."""
        self.work()

    def ended(self) -> None:
        """A run has ended."""
        self.rest()

    def rest(self) -> None:
        """One of them rests; the term does once all do."""
        with self._lock:
            self._working -= 1
            if not self._working:
                self._term.rest()

    def work(self) -> None:
        """One of them works, and so does the term."""
        with self._lock:
            self._working += 1
            if self._working == 1:
                self._term.work()
