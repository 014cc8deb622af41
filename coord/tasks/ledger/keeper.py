"""Renewing the attempts of one ledger in one loop, and telling in another which ones are lost.

Owns the two threads and the list of attempts; when each is due is `coord.tasks.ledger.lease`'s.
Rules:

- One request after the other; the attempt whose trust ends first comes first. Work that is done
  within a third of its lease is never renewed, and costs nothing here.
- A renewal that fails is repeated until the attempt cannot be trusted any more
  (`test_a_keeper_outlives_a_store_that_is_away_for_a_while`).
- Whoever began an attempt is told when it cannot be trusted any more, before anybody else can have
  taken over. A request may hang for a whole timeout then, so who tells makes no requests
  (`test_whoever_cannot_be_renewed_is_told_before_another_may_begin`).
- An attempt is not renewed beyond its `renewed_until_s`: work that hangs loses its key.
- Waits are on Python's clock, deadlines on the ledger's, which is read after each wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from coord.clock import Clock
from coord.errors import LeadershipLost, StoreRefused, StoreUnavailable
from coord.telemetry.log import bound_logger
from coord.threads import DaemonThread

if TYPE_CHECKING:
    from coord.tasks.ledger.attempt import Attempt

__all__ = ["Keeper"]

_log = bound_logger("coord.ledger")

_LINGER_S = 10.0
_LONGEST_WAIT_S = 1.0
_LEAST_WAIT_S = 0.001
_NEVER = float("inf")


class Keeper:
    """Renews what it is given until that ends, is dropped, or is lost. Any thread.

    `start_threads` False: nothing happens but by `turn`, for tests in virtual time.
    """

    def __init__(self, clock: Clock) -> None:
        self.start_threads = True
        self._clock = clock
        self._lock = threading.Lock()
        self._attempts: set[Attempt] = set()
        self._closed = False
        self._renewing = _Loop(clock, "coord-ledger-renewing", self.renew)
        self._telling = _Loop(clock, "coord-ledger-telling", self.tell)

    def add(self, attempt: Attempt) -> None:
        """Renew `attempt` from now on."""
        with self._lock:
            if self._closed:
                return
            self._attempts.add(attempt)
        if self.start_threads:
            self._renewing.wake_by(attempt.lease.next_s(self._clock.now()))
            self._telling.wake_by(attempt.lease.trusted_until_s)

    def drop(self, attempt: Attempt) -> None:
        """Renew it no more."""
        with self._lock:
            self._attempts.discard(attempt)

    def turn(self) -> float:
        """Tell, and renew what is due; when to come again, on the ledger's clock."""
        self.tell()
        return min(self.renew(), self.tell())

    def renew(self) -> float:
        """Renew what is due; when to come again, on the ledger's clock."""
        for attempt in self._kept():
            if attempt.is_ended:
                self.drop(attempt)
            elif attempt.lease.is_due(self._clock.now()):
                self._renew(attempt)
        now_s = self._clock.now()
        return min((one.lease.next_s(now_s) for one in self._kept()), default=_NEVER)

    def tell(self) -> float:
        """Tell of what is lost; when to come again, on the ledger's clock."""
        next_s = _NEVER
        for attempt in self._kept():
            lease = attempt.lease
            if lease.is_over(self._clock.now()):
                self._give_up(attempt, LeadershipLost(f"{attempt.key!r} was not renewed in time"))
            else:
                next_s = min(next_s, lease.trusted_until_s)
        return next_s

    def close(self, timeout_s: float) -> None:
        """Renew nothing any more; attempts that are open end with their leases. Idempotent."""
        with self._lock:
            self._closed = True
            self._attempts.clear()
        self._renewing.close(timeout_s)
        self._telling.close(timeout_s)

    def _kept(self) -> list[Attempt]:
        with self._lock:
            return sorted(self._attempts, key=lambda one: one.lease.trusted_until_s)

    def _renew(self, attempt: Attempt) -> None:
        try:
            attempt.renew()
        except (StoreUnavailable, StoreRefused):
            return  # tried again soon: `Lease.next_s`
        except Exception as error:  # noqa: BLE001  it ended meanwhile, or the store has a bug
            self._give_up(attempt, error)

    def _give_up(self, attempt: Attempt, error: Exception) -> None:
        with self._lock:
            if attempt not in self._attempts:
                return  # ended, or told of already
            self._attempts.discard(attempt)
        try:
            attempt.lose(error)
        except Exception:  # noqa: BLE001  the other attempts must go on
            _log.exception("whoever began an attempt failed to hear that it is lost")


class _Loop:
    """A thread that works when there is something to do.

    It is started when first needed, ends when nothing was to be done for a while, and keeps no
    process from ending. `work` returns when it wants to be called again.
    """

    def __init__(self, clock: Clock, name: str, work: Callable[[], float]) -> None:
        self._clock = clock
        self._name = name
        self._work = work
        self._bell = threading.Condition()
        self._thread: threading.Thread | None = None
        self._wakes_at_s = _NEVER
        self._asked_at_s = 0.0
        self._asked_by_s = _NEVER
        self._closed = False

    def wake_by(self, at_s: float) -> None:
        """See to it that `work` is called at `at_s`. Wakes the thread only if that is soon."""
        with self._bell:
            self._asked_at_s = self._clock.now()
            self._asked_by_s = min(self._asked_by_s, at_s)
            if self._closed:
                return
            if self._thread is None:
                thread = DaemonThread(self._run, self._name)
                thread.start()  # where none is to be had, whoever comes next tries again
                self._thread = thread
            elif at_s < self._wakes_at_s:
                self._bell.notify_all()

    def close(self, timeout_s: float) -> None:
        """End the thread; wait for what it is at."""
        with self._bell:
            self._closed = True
            self._bell.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._bell:
                self._asked_by_s = _NEVER
            next_s = self._work()
            with self._bell:
                now_s = self._clock.now()
                # What was asked for while it worked may not have been seen by that work.
                next_s = min(next_s, self._asked_by_s)
                idle = next_s == _NEVER and now_s - self._asked_at_s >= _LINGER_S
                if self._closed or idle:
                    self._thread = None
                    return
                self._wakes_at_s = min(next_s, now_s + _LONGEST_WAIT_S)
                self._bell.wait(max(_LEAST_WAIT_S, self._wakes_at_s - now_s))
                self._wakes_at_s = 0.0  # awake: it looks at everything anyway
