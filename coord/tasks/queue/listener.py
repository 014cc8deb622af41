"""What a worker tells whoever listens.

Owns that protocol: a class of methods that do nothing. Decides nothing.
"""

from __future__ import annotations

from coord.tasks.queue.admission import Deferral
from coord.tasks.queue.hand import InHand
from coord.tasks.queue.runs import Ended

__all__ = ["Listener"]


class Listener:
    """Hears what becomes of messages and does nothing; override what you want. Must not block.

    A message has its `job` from `began` until `ended` has returned: on other threads, look once.
    """

    def began(self, hand: InHand) -> None:
        """A handler is about to be called."""

    def ended(self, hand: InHand, end: Ended, seconds: float) -> None:
        """A message that was begun has its outcome."""

    def deferred(self, what: Deferral) -> None:
        """A message was given back before it began, for a reason."""

    def limited(self, limit: int, why: str) -> None:
        """So many handlers may run at once from now on."""

    def extended(self, hand: InHand) -> None:
        """A message stays hidden for longer: its deadline has moved."""

    def overran(self, hand: InHand) -> None:
        """A handler still runs although its message may be visible to others."""

    def undrained(self, hand: InHand) -> None:
        """The worker stops, its handlers' time is over, and this one still runs: it is told."""

    def undeleted(self, hand: InHand, why: str) -> None:
        """A message was done and could not be deleted: it will come again."""

    def paused(self, why: str) -> None:
        """Nothing is received from now on; with an empty reason: it is again."""

    def trouble(self, what: str) -> None:
        """A request to the queue failed; it is tried again."""
