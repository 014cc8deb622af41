"""From a message in hand to an outcome: one run of one handler.

Owns what each way to end means. Tells nobody: whoever asked acts on the outcome. Law: every message
that was begun gets exactly one outcome, whatever its handler does.
"""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from coord.clock import Clock
from coord.errors import Fenced, InProgress, JobCancelled, UsageError
from coord.tasks.backoff import Backoff
from coord.tasks.job import Job, Memory
from coord.tasks.queue.hand import InHand, Outcome
from coord.tasks.queue.payload import Call, Codec, Handler, Unreadable, read
from coord.tasks.queue.silence import Silence
from coord.tasks.queue.spi import Ignored, Reader

__all__ = ["Ended", "Runs"]


class Ended(NamedTuple):
    """How a run ended, for how long its message is to rest, and what to tell people."""

    outcome: Outcome
    rest_s: float = 0.0
    why: str = ""
    error: BaseException | None = None
    is_last: bool = False
    """It was the last delivery: next come the dead letters."""


_DONE = Ended(Outcome.DONE)


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
        readers: Sequence[Reader] = (),
        max_receives: int | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._handlers = handlers
        self._queue = queue
        self._codec = codec
        self._readers = readers
        self._memory = memory
        self._backoff = backoff
        self._clock = clock
        self._max_receives = max_receives
        self._draw = draw

    def begin(self, hand: InHand) -> Ended | tuple[Call, Job]:
        """The run that a message asks for, or how it ended before it began.

        The clock is read for that once more: a process that was stopped since the message was given
        out must not begin what others have. What happens after this look is `job.check`'s to see.
        """
        if hand.stopping:
            return Ended(Outcome.LAPSED, why=hand.why or "it waited too long to begin")
        found = read(hand.message, self._handlers, self._codec, self._readers)
        if isinstance(found, Unreadable):
            return self._undone(hand, found.why, outcome=Outcome.PARKED)
        if isinstance(found, Ignored):
            return Ended(Outcome.DONE, why=found.why)
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
            timeout_s=found.handler.timeout_s,
        )
        handler = found.handler
        if handler.timeout_s is not None:
            hand.bound(job.end_s, self._rest_s(hand))
        if handler.progress_timeout_s is not None:
            rest_s = self._rest_s(hand)
            hand.silence = Silence(handler.progress_timeout_s, rest_s, self._clock.now())
        hand.stands_under(job)
        return found, job

    def call(self, call: Call, job: Job) -> None:
        """Call a plain function; a tick of a schedule only if its unit is not done yet."""
        if call.unit.tick and call.handler.once:
            self._memory.once(job, str(call.unit), lambda: _called(call, job), ())
        else:
            _called(call, job)

    async def awaited(self, call: Call, job: Job) -> None:
        """The same for a coroutine function. It may have waited for its loop: so look first."""
        job.check()
        if call.unit.tick and call.handler.once:
            await self._memory.once(job, str(call.unit), partial(_awaited, call, job), ())
        else:
            await _awaited(call, job)

    def ended(self, hand: InHand, job: Job | None, error: BaseException | None) -> Ended:
        """What it means that the function came back, or raised.

        Whoever was told to stop and comes back has not done its work. Who was not told has, also
        when the lease is over by then: deleting what is done hurts nobody.
        """
        if error is None:
            if job is None or not job.is_told:
                return _DONE
            error = JobCancelled("it was told to stop, and came back")
        why = _said(error)
        if hand.is_lost(self._clock.now()) or isinstance(error, Fenced):
            ours = hand.why or "its visibility could not be extended in time"
            told = isinstance(error, JobCancelled | asyncio.CancelledError)
            return Ended(
                Outcome.LAPSED,
                why=ours if told else f"{ours}; its handler raised {why}",
                error=None if told else error,
            )
        if isinstance(error, InProgress):
            rest_s = max(error.retry_after_s, self._rest_s(hand))
            return Ended(Outcome.DEFERRED, rest_s, str(error))
        if isinstance(error, JobCancelled | asyncio.CancelledError) and job is not None:
            if job.is_late:
                return self._undone(hand, "its timeout is over")
            if hand.silence is not None and job.why == hand.silence.why:
                return self._undone(hand, job.why)
            if job.why:
                return Ended(Outcome.RETURNED, why=job.why)
            if hand.stopping:
                return Ended(Outcome.LAPSED, why=hand.loss().cause)
        return self._undone(hand, why, error)

    def _undone(
        self,
        hand: InHand,
        why: str,
        error: BaseException | None = None,
        *,
        outcome: Outcome = Outcome.FAILED,
    ) -> Ended:
        return Ended(outcome, self._rest_s(hand), why, error, is_last=self._is_last(hand))

    def _is_last(self, hand: InHand) -> bool:
        """Exactly the last: a queue that goes on to deliver has been told of another number since,
        or counts loosely, and what it delivers rests.
        """
        return hand.message.received == self._max_receives

    def _rest_s(self, hand: InHand) -> float:
        """What can only go to the dead letters waits for nothing."""
        if self._is_last(hand):
            return 0.0
        return self._backoff.seconds(hand.message.received, self._draw)


def _called(call: Call, job: Job) -> None:
    """What it returns counts for nothing: only that it came back. An awaitable that nobody awaits
    would be work that was never done, and a message deleted for it.
    """
    function = call.handler.function
    result = function(job, **call.arguments)
    for arguments in call.others:
        _checked(call, result)
        job.check()
        result = function(job, **arguments)
    _checked(call, result)


def _checked(call: Call, result: object) -> None:
    if result is None or not inspect.isawaitable(result):
        return
    if inspect.iscoroutine(result):
        result.close()
    raise UsageError(
        f"task {call.unit.task!r} returned {type(result).__name__}, which nobody awaits",
        cure="Declare it with `async def`, or let it do its work before it returns.",
    )


async def _awaited(call: Call, job: Job) -> None:
    function = call.handler.function
    await function(job, **call.arguments)
    for arguments in call.others:
        job.check()
        await function(job, **arguments)


def _said(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001  an error of the user's, which cannot even be told
        return type(error).__name__
