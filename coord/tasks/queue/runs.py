"""From a message in hand to an outcome: one run of one handler.

Owns what each way to end means. Tells nobody: whoever asked acts on the outcome. Law: every message
that was begun gets exactly one outcome, whatever its handler does.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import NamedTuple

from coord.clock import Clock
from coord.errors import InProgress, JobCancelled
from coord.tasks.backoff import Backoff
from coord.tasks.job import Job, Memory
from coord.tasks.queue.hand import InHand, Outcome
from coord.tasks.queue.payload import Call, Codec, Handler, Unreadable, read

__all__ = ["Ended", "Runs"]


class Ended(NamedTuple):
    """How a run ended, for how long its message is to rest, and what to tell people."""

    outcome: Outcome
    rest_s: float = 0.0
    why: str = ""
    error: BaseException | None = None


class Runs:
    """The handlers of one worker. Any thread."""

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        *,
        queue: str,
        codec: Codec,
        memory: Memory,
        backoff: Backoff,
        clock: Clock,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._handlers = handlers
        self._queue = queue
        self._codec = codec
        self._memory = memory
        self._backoff = backoff
        self._clock = clock
        self._draw = draw

    def begin(self, hand: InHand) -> Ended | tuple[Call, Job]:
        """The run that a message asks for, or how it ended before it began."""
        hand.began_s = self._clock.now()
        if hand.lapsed or hand.stopping:
            return Ended(Outcome.LAPSED, why=hand.why or "it waited too long to begin")
        found = read(hand.message, self._handlers, self._codec)
        if isinstance(found, Unreadable):
            return Ended(Outcome.PARKED, self._rest_s(hand), found.why)
        timeout_s = found.handler.timeout_s
        if timeout_s is not None:
            hand.bound(hand.began_s + timeout_s)
        message = hand.message
        job = Job(
            hand,
            found.unit,
            clock=self._clock,
            memory=self._memory,
            scope=f"{self._queue}/{message.id}",
            token=message.received,
            role=self._queue,
            attempt=message.received,
            timeout_s=timeout_s,
        )
        hand.stands_under(job)
        return found, job

    def call(self, call: Call, job: Job) -> object:
        """Call a plain function; a tick of a schedule only if its unit is not done yet."""
        function, arguments = call.handler.function, call.arguments
        if call.unit.tick and call.handler.once:
            return self._memory.once(job, str(call.unit), lambda: function(job, **arguments), ())
        return function(job, **arguments)

    async def awaited(self, call: Call, job: Job) -> object:
        """The same for a coroutine function."""
        function, arguments = call.handler.function, call.arguments
        if call.unit.tick and call.handler.once:

            async def run() -> object:
                return await function(job, **arguments)

            return await self._memory.once(job, str(call.unit), run, ())
        return await function(job, **arguments)

    def ended(self, hand: InHand, job: Job, error: BaseException | None) -> Ended:
        """What it means that the function came back, or raised."""
        if error is None and not job.is_told:
            return Ended(Outcome.DONE)
        if error is None:
            error = JobCancelled("it was told to stop, and came back")
        if isinstance(error, InProgress):
            return Ended(Outcome.DEFERRED, error.retry_after_s, str(error))
        if isinstance(error, JobCancelled | asyncio.CancelledError):
            if hand.lapsed or (hand.stopping and not job.why):
                return Ended(Outcome.LAPSED, why=hand.why or hand.loss().cause)
            if job.why:
                return Ended(Outcome.RETURNED, why=job.why)
            return Ended(Outcome.FAILED, self._rest_s(hand), "its timeout is over")
        why = f"{type(error).__name__}: {error}"
        if hand.why:
            return Ended(Outcome.LAPSED, why=f"{hand.why}; its handler raised {why}", error=error)
        return Ended(Outcome.FAILED, self._rest_s(hand), why, error)

    def _rest_s(self, hand: InHand) -> float:
        return self._backoff.seconds(hand.message.received, self._draw)
