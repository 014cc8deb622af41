"""Until when we may believe that our session lives.

Owns the deadlines of one session and the rule that moves them. May not know why a heartbeat
failed, nor who holds what.

The safety argument, in one place:

* `trusted_until = sent_at + ttl × (1 − drift) − lag`. `sent_at` is stamped before the request
  leaves, so the store's own count of the ttl began no earlier; `drift` bounds how much faster
  the store's (or a judging peer's) clock may run than ours; `lag` is what the store may have
  forgotten. So while `now < trusted_until`, no correct store has ended the session.
* Only a proof moves the deadline, and never backwards: a reply that arrives late proves less
  than one that was sent later, so the greater of the two holds.
* Work is asked to stop `stop_grace` before the deadline, so that it has stopped by then.
* `revoke` ends trust at once and for good: it is called when the store itself says that the
  session is over, and before a close is sent, because a close frees the claims.

No check survives a pause between the check and the act; that is what tokens at the resource are
for. Shown by `tests/unit/core/test_lease.py` and, under every injected fault, by
`tests/unit/core/test_world.py`.
"""

from __future__ import annotations

from coord.config import Timing
from coord.spi import Proof

__all__ = ["NEVER", "Lease"]

NEVER = float("-inf")


class Lease:
    """The deadlines of one session, read by user threads without a lock.

    Each attribute is one float, replaced whole; readers see the old or the new one, and both are
    safe. Seconds on the member's clock.
    """

    __slots__ = ("_over", "session", "stop_at_s", "trusted_until_s")

    def __init__(self, session: str) -> None:
        self.session = session
        self.trusted_until_s = NEVER
        self.stop_at_s = NEVER
        self._over = False

    def extend(self, proof: Proof, timing: Timing) -> None:
        """Move the deadlines to what `proof` supports: never backwards, never after `revoke`."""
        until = proof.sent_at_s + proof.ttl_s * (1 - timing.drift) - proof.lag_s
        if until > self.trusted_until_s and not self._over:
            self.trusted_until_s = until
            self.stop_at_s = until - timing.stop_grace_s

    def revoke(self) -> None:
        """End all trust at once and for good: a proof still on its way revives nothing."""
        self._over = True
        self.trusted_until_s = NEVER
        self.stop_at_s = NEVER
