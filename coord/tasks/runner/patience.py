"""For how long a leader may get nothing done although something is due.

Owns that reckoning and what follows from it. The core finds out a run that hangs; this finds out a
leader none of whose runs ends well, or who cannot read or write the ledger. It would keep its claim
for ever, and nobody else could try. The patience is the role's `progress_timeout_s`.

- The ledger cannot be reached: the term is returned, which blames nobody. Where the ledger is away
  for all, the claim goes round once in that time, and whoever has it when the ledger is back goes
  on (`test_a_ledger_that_is_away_for_longer_than_the_patience_bars_nobody`).
- It refuses, or every run fails: the term ends as failed, with the reason, and this member is
  barred for a while, so that another tries (`test_a_leader_whose_runs_only_fail_hands_over`).

Times are the boot clock's.
"""

from __future__ import annotations

import threading

from coord.clock import Clock
from coord.errors import StoreUnavailable

__all__ = ["Patience"]


class Patience:
    """Of one term, with its ledger or with its runs. Any thread."""

    def __init__(self, limit_s: float | None, clock: Clock) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self._lock = threading.Lock()
        self._since_s: float | None = None
        self._latest: tuple[float, BaseException] | None = None

    def good(self) -> None:
        """It works."""
        with self._lock:
            self._since_s = self._latest = None

    def bad(self, error: BaseException) -> None:
        """It does not, and why."""
        with self._lock:
            now_s = self._clock.now()
            self._since_s = now_s if self._since_s is None else self._since_s
            self._latest = (now_s, error)

    def spent(self) -> BaseException | None:
        """Why the term is to end; None while there is hope."""
        with self._lock:
            if self._limit_s is None or self._since_s is None or self._latest is None:
                return None
            at_s, error = self._latest
            return error if at_s - self._since_s >= self._limit_s else None

    @staticmethod
    def blames(error: BaseException) -> bool:
        """Whether this member may be the reason, and another should be tried first."""
        return not isinstance(error, StoreUnavailable)
