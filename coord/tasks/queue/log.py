"""What a worker tells people: log lines, each decision with its reason.

Owns the words. Decides nothing.
"""

from __future__ import annotations

from coord.tasks.queue.admission import Deferral
from coord.tasks.queue.hand import InHand, Outcome
from coord.tasks.queue.listener import Listener
from coord.tasks.queue.payload import TASK
from coord.tasks.queue.runs import Ended
from coord.telemetry.log import bound_logger

__all__ = ["LogListener"]

_WARNED = frozenset({Outcome.FAILED, Outcome.PARKED, Outcome.LAPSED})


class LogListener(Listener):
    """To the logger `coord.queue`."""

    def __init__(self, queue: str) -> None:
        self._log = bound_logger("coord.queue", queue=queue)

    def ended(self, hand: InHand, end: Ended, seconds: float) -> None:
        """Failures, parkings and lapses are warnings. Of what is done, what was ignored is told."""
        if end.outcome is Outcome.DONE and not end.why:
            return
        tell = self._log.warning if end.outcome in _WARNED else self._log.info
        fields: dict[str, object] = {
            "message": hand.message.id,
            "task": hand.message.attributes.get(TASK, ""),
            "received": hand.message.received,
            "why": end.why,
            "seconds": round(seconds, 3),
        }
        if end.rest_s:
            fields["back_in_s"] = round(end.rest_s, 3)
        if end.is_last:
            fields["next"] = "the dead letters: it was the last delivery"
        if end.error is not None:
            fields["exc_info"] = end.error
        tell(f"message-{end.outcome.value}", **fields)

    def deferred(self, what: Deferral) -> None:
        """A message was given back before it began."""
        message = what.hand.message
        self._log.info(
            "message-deferred",
            message=message.id,
            received=message.received,
            reason=what.reason,
            why=what.why,
            back_in_s=round(what.rest_s, 3),
        )

    def limited(self, limit: int, why: str) -> None:
        """The limit has moved."""
        self._log.debug("concurrency", limit=limit, why=why)

    def overran(self, hand: InHand) -> None:
        """A handler ignores that it lost its message."""
        job = hand.job  # it may come to its end meanwhile
        task = job.task if job is not None else ""
        self._log.error("overrun", message=hand.message.id, task=task, why=hand.why)

    def undrained(self, hand: InHand) -> None:
        """A handler did not end within the time that the worker gave it."""
        job = hand.job  # it may come to its end meanwhile
        task = job.task if job is not None else ""
        self._log.warning("not-drained", message=hand.message.id, task=task)

    def undeleted(self, hand: InHand, why: str) -> None:
        """What was done comes again."""
        self._log.warning("message-undeleted", message=hand.message.id, why=why)

    def paused(self, why: str) -> None:
        """Somebody has paused the worker's role, or resumed it."""
        if why:
            self._log.warning("worker-paused", why=why)
        else:
            self._log.warning("worker-resumed")

    def trouble(self, what: str) -> None:
        """A request failed."""
        self._log.warning("queue-trouble", why=what)
