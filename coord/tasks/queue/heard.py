"""A listener that cannot hurt the worker.

Owns what happens when a listener raises: it is logged, and the message goes its way. A listener is
the user's code on the worker's own threads, and each of these keeps messages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec

from coord.tasks.queue.admission import Deferral
from coord.tasks.queue.hand import InHand
from coord.tasks.queue.listener import Listener
from coord.tasks.queue.runs import Ended
from coord.telemetry.log import bound_logger

__all__ = ["Heard"]

P = ParamSpec("P")

_log = bound_logger("coord.queue")


class Heard(Listener):
    """Tells another listener, whatever that does."""

    def __init__(self, listener: Listener) -> None:
        self._to = listener
        self._hears_began = type(listener).began is not Listener.began

    def began(self, hand: InHand) -> None:
        """See `Listener`."""
        if self._hears_began:
            _tell(self._to.began, hand)

    def ended(self, hand: InHand, end: Ended, seconds: float) -> None:
        """See `Listener`."""
        _tell(self._to.ended, hand, end, seconds)

    def deferred(self, what: Deferral) -> None:
        """See `Listener`."""
        _tell(self._to.deferred, what)

    def limited(self, limit: int, why: str) -> None:
        """See `Listener`."""
        _tell(self._to.limited, limit, why)

    def extended(self, hand: InHand) -> None:
        """See `Listener`."""
        _tell(self._to.extended, hand)

    def overran(self, hand: InHand) -> None:
        """See `Listener`."""
        _tell(self._to.overran, hand)

    def undrained(self, hand: InHand) -> None:
        """See `Listener`."""
        _tell(self._to.undrained, hand)

    def undeleted(self, hand: InHand, why: str) -> None:
        """See `Listener`."""
        _tell(self._to.undeleted, hand, why)

    def paused(self, why: str) -> None:
        """See `Listener`."""
        _tell(self._to.paused, why)

    def trouble(self, what: str) -> None:
        """See `Listener`."""
        _tell(self._to.trouble, what)


def _tell(tell: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    try:
        tell(*args, **kwargs)
    except Exception as error:  # noqa: BLE001  see above
        _log.error("listener-failed", exc_info=error)
