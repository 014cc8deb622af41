"""Renewing the attempts of one ledger, in one loop.

Owns the thread and the list of attempts; when each is due is `coord.tasks.ledger.lease`'s. Rules:

- One request after the other, the attempt that is over first comes first. Work that is done within
  a third of its lease is never renewed, and costs nothing here.
- A renewal that fails is repeated until the attempt cannot be trusted any more; then whoever began
  it is told, before anybody else can have taken over
  (`test_a_keeper_outlives_a_store_that_is_away_for_a_while`).
- An attempt is not renewed beyond its `renewed_until_s`, so that work that hangs loses its key.
- Waits are on Python's clock, deadlines on the ledger's, which is read after each wait.

The thread is started with the first attempt, ends when there has been none for a while, and keeps
no process from ending.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from coord.clock import Clock
from coord.errors import LeadershipLost, StoreRefused, StoreUnavailable
from coord.telemetry.log import bound_logger

if TYPE_CHECKING:
    from coord.tasks.ledger.attempt import Attempt

__all__ = ["Keeper"]

_log = bound_logger("coord.ledger")

_LINGER_S = 10.0
_LONGEST_WAIT_S = 1.0
_LEAST_WAIT_S = 0.001
_NEVER = float("inf")


class Keeper:
    """Renews what it is given until that ends, is dropped, or is lost. Any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._bell = threading.Condition()
        self._attempts: set[Attempt] = set()
        self._thread: threading.Thread | None = None
        self._wakes_at_s = _NEVER
        self._closed = False

    def add(self, attempt: Attempt, *, start: bool = True) -> None:
        """Renew `attempt` from now on; `start` False: the caller calls `turn` by itself."""
        with self._bell:
            self._attempts.add(attempt)
            if not start or self._closed:
                return
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="coord-ledger-keeper", daemon=True
                )
                self._thread.start()
            elif attempt.lease.next_s(self._clock.now()) < self._wakes_at_s:
                self._bell.notify_all()

    def drop(self, attempt: Attempt) -> None:
        """Renew it no more."""
        with self._bell:
            self._attempts.discard(attempt)

    def turn(self) -> float:
        """Renew what is due and tell what is lost; when to come again, on the ledger's clock."""
        with self._bell:
            waiting = sorted(self._attempts, key=lambda one: one.lease.trusted_until_s)
        for attempt in waiting:
            self._tend(attempt)
        return self._next_s()

    def close(self, timeout_s: float) -> None:
        """Renew nothing any more; attempts that are open end with their leases. Idempotent."""
        with self._bell:
            self._closed = True
            self._attempts.clear()
            thread = self._thread
            self._bell.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    def _tend(self, attempt: Attempt) -> None:
        now_s = self._clock.now()
        if attempt.is_ended:
            self.drop(attempt)
            return
        if attempt.lease.is_over(now_s):
            self._give_up(attempt, LeadershipLost(f"{attempt.key!r} was not renewed in time"))
            return
        if not attempt.lease.is_due(now_s):
            return
        try:
            attempt.renew()
        except (StoreUnavailable, StoreRefused):
            return  # tried again soon: `Lease.next_s`
        except Exception as error:  # noqa: BLE001  it ended meanwhile, or the store has a bug
            self._give_up(attempt, error)

    def _next_s(self) -> float:
        with self._bell:
            now_s = self._clock.now()
            return min((one.lease.next_s(now_s) for one in self._attempts), default=_NEVER)

    def _give_up(self, attempt: Attempt, error: Exception) -> None:
        self.drop(attempt)
        try:
            attempt.lose(error)
        except Exception:  # noqa: BLE001  the other attempts must go on
            _log.exception("whoever began an attempt failed to hear that it is lost")

    def _run(self) -> None:
        empty_since_s = self._clock.now()
        while True:
            self.turn()
            with self._bell:
                now_s = self._clock.now()
                if self._attempts:
                    empty_since_s = now_s
                if self._closed or now_s - empty_since_s >= _LINGER_S:
                    self._thread = None
                    return
                self._wakes_at_s = self._next_s()
                wait_s = max(_LEAST_WAIT_S, self._wakes_at_s - now_s)
                self._bell.wait(min(_LONGEST_WAIT_S, wait_s))
