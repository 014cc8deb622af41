"""The life of a member's session: opening, renewing, giving up, closing.

Owns the phase, the lease and the times at which the session needs something. May not know
claims, roles or other members.

Rules kept here, each with the case it defends against:

* A heartbeat is due from the *sending* of the last proven one, and one is outstanding at most.
  (Counting from replies lets slow replies stretch the interval beyond the budget.)
* No heartbeat is sent while the control thread is silent for `control_timeout`, nor when the group
  could not be read for that long after it was due to be. (A half-dead member must not keep leases
  that it cannot use; one that cannot see that it was deposed or paused must not keep them either,
  or it would lead for ever beside its successor: the lease proves the session, not the claim.)
* At `stop_at` without newer proof the session is given up for good: nothing renews it any more and
  a new one is opened. (A member whose replies are lost would else keep alive, unheard, a lease
  that it does not trust, and nobody would lead.)
* A close is sent only when no work runs under the session, or its trust has ended anyway: closing
  frees the claims at once, so it must not overtake work that is still stopping.

Shown by `tests/unit/core/test_keeper.py` and `tests/unit/core/test_machine_session.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from coord.config import Timing
from coord.core.commands import Opened
from coord.core.lease import Lease
from coord.core.states import SessionPhase, SessionSignal, next_session_phase
from coord.spi import Proof

__all__ = ["Keeper"]

_INF = float("inf")
_BACKOFF_DOUBLINGS = 5


class Keeper:
    """The one session of a member, or the way to its next."""

    def __init__(self, timing: Timing, jitter: Callable[[], float]) -> None:
        self.phase = SessionPhase.IDLE
        self.renewing = False
        """Whether the session is to be kept alive: follows the phase, and is asked at each step."""
        self.pulse_s = _INF
        """When the heartbeat thread is needed next; infinite if it is not. Asked at each step."""
        self.lease = Lease("")
        self.session: str | None = None
        self.ttl_s = timing.ttl_s
        self.live_since_s = _INF
        self.stopping = False
        self.requested = False
        self.open_due_s = -_INF
        self.failures = 0
        self._timing = timing
        self._jitter = jitter
        self._beating = False
        self._beat_due_s = _INF

    def signal(self, signal: SessionSignal) -> None:
        """Follow one edge of the table."""
        self.phase = next_session_phase(self.phase, signal)
        self.renewing = self.phase is SessionPhase.LIVE or self.phase is SessionPhase.LEAVING
        self._beat_next(self._beat_due_s)

    def _beat_next(self, due_s: float) -> None:
        """A heartbeat is due then, unless one is outstanding or none is to be sent any more."""
        self._beat_due_s = due_s
        self.pulse_s = due_s if self.renewing and not self._beating else _INF

    def opened(self, opened: Opened, now: float) -> None:
        """The store gave us a session."""
        self.session = opened.session
        self.ttl_s = opened.ttl_s
        self.live_since_s = now
        self.failures = 0
        self.lease = Lease(opened.session)
        self.lease.extend(opened.proof, self._timing)
        self._beating = False
        self._beat_next(opened.proof.sent_at_s + self._timing.heartbeat_s)

    def backoff(self, now: float) -> None:
        """Opening failed: try again later, and later each time, up to half a ttl."""
        self.failures += 1
        step = self._timing.rpc_timeout_s * 2 ** min(self.failures - 1, _BACKOFF_DOUBLINGS)
        self.open_due_s = now + min(step, self._timing.ttl_s / 2) * (0.5 + self._jitter())

    def beat_now(self, now: float, attentive_s: float) -> bool:
        """Whether to send a heartbeat at this moment; if so it counts as sent.

        `attentive_s` is when this member last showed that it can use what it keeps.
        """
        if not self.renewing or self._beating or now < self._beat_due_s:
            return False
        if now >= self.lease.stop_at_s:
            self._beat_next(_INF)  # given up for good, though the control side may not know yet
            return False
        if now - attentive_s > self._timing.control_timeout_s:
            self._beat_next(now + self._timing.heartbeat_s)
            return False
        self._beating = True
        self._beat_next(self._beat_due_s)
        return True

    def beat_proven(self, proof: Proof, now: float) -> None:
        """A heartbeat was acknowledged. An old proof moves nothing and asks for another soon.

        Nor does one that comes after the session was given up: its work is being stopped, and
        more trust would only make everybody wait longer for that.
        """
        lease = self.lease
        before = lease.trusted_until_s
        self._beating = False
        if not self.renewing or now >= lease.stop_at_s:
            self._beat_next(self._beat_due_s)
            return
        lease.extend(proof, self._timing)
        if lease.trusted_until_s > before:
            self._beat_next(proof.sent_at_s + self._timing.heartbeat_s)
        else:
            self._beat_next(now + self._retry_s())

    def beat_failed(self, now: float) -> None:
        """A heartbeat got no answer, or a passing refusal: try again soon."""
        self._beating = False
        self._beat_next(now + self._retry_s())

    def _retry_s(self) -> float:
        return min(self._timing.rpc_timeout_s, self._timing.heartbeat_s / 4) * (
            0.5 + 0.5 * self._jitter()
        )

    def doubted(self, now: float) -> bool:
        """Whether the session has to be given up now for want of proof."""
        return self.renewing and now >= self.lease.stop_at_s

    def forget(self) -> None:
        """The session is over on our side: nothing of it is trusted or used again."""
        self.lease.revoke()
        self.session = None
        self.live_since_s = _INF
        self._beat_next(_INF)
