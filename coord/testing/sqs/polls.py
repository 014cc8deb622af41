"""Who waits: for a moment, or for a message.

Owns the moments at which something is to be done, and the long polls of each queue in the order
of their arrival. Knows no sockets and no real time: it is told what time it is.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from coord.testing.sqs.errors import SqsError
from coord.testing.sqs.message import Message
from coord.testing.sqs.queue import Queue
from coord.testing.sqs.receiving import ReceiveOrder

__all__ = ["Moment", "Poll", "Polls", "Wakeups"]

Answer = Callable[[Sequence[Message] | SqsError], None]


@dataclass(slots=True, eq=False)
class Moment:
    """Something to be done at a time, unless it is cancelled before."""

    at_s: float
    act: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        """Do not do it."""
        self.cancelled = True


class Wakeups:
    """What is to be done when."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Moment]] = []
        self._order = itertools.count()

    def at(self, at_s: float, act: Callable[[], None]) -> Moment:
        """Do `act` when the time has come."""
        moment = Moment(at_s, act)
        heapq.heappush(self._heap, (at_s, next(self._order), moment))
        return moment

    def next_s(self) -> float | None:
        """When the next thing is to be done."""
        while self._heap and self._heap[0][2].cancelled:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop(self, now_s: float) -> Moment | None:
        """The next thing whose time has come."""
        next_s = self.next_s()
        if next_s is None or next_s > now_s:
            return None
        return heapq.heappop(self._heap)[2]


@dataclass(slots=True, eq=False)
class Poll:
    """A receive call that waits."""

    queue: Queue
    order: ReceiveOrder
    answer: Answer
    end: Moment


class Polls:
    """The receive calls that wait, first come first served."""

    def __init__(self, wakeups: Wakeups, now: Callable[[], float]) -> None:
        self._wakeups = wakeups
        self._now = now
        self._waiting: dict[Queue, dict[Poll, None]] = {}
        self._armed: dict[Queue, Moment] = {}

    def count(self, name: str | None = None) -> int:
        """How many wait, for one queue or for all."""
        return sum(
            len(polls) for queue, polls in self._waiting.items() if name in {None, queue.name}
        )

    def queues(self) -> list[Queue]:
        """The queues for which somebody waits."""
        return list(self._waiting)

    def wait(self, queue: Queue, order: ReceiveOrder, answer: Answer) -> Poll:
        """Wait for a message until the order's time is over, which is answered with none."""
        end = self._wakeups.at(self._now() + order.wait_s, lambda: self._over(poll))
        poll = Poll(queue, order, answer, end)
        self._waiting.setdefault(queue, {})[poll] = None
        self._arm(queue)
        return poll

    def forget(self, poll: Poll) -> None:
        """The client has gone: it gets no messages any more."""
        poll.end.cancel()
        polls = self._waiting.get(poll.queue)
        if polls is not None:
            polls.pop(poll, None)
            if not polls:
                del self._waiting[poll.queue]

    def serve(self, queue: Queue) -> None:
        """Give what the queue has now to those who wait for it."""
        polls = self._waiting.get(queue)
        if not polls:
            return
        now_s = self._now()
        queue.settle(now_s)
        while polls:
            poll = next(iter(polls))
            try:
                messages: Sequence[Message] | SqsError = poll.order.take(queue, now_s)
            except SqsError as error:
                messages = error
            if not messages:
                break
            self.forget(poll)
            poll.answer(messages)
        if queue in self._waiting:
            self._arm(queue)

    def end(self, queue: Queue, error: SqsError) -> None:
        """The queue is gone: nobody waits for it any more."""
        for poll in list(self._waiting.get(queue, ())):
            self.forget(poll)
            poll.answer(error)

    def _over(self, poll: Poll) -> None:
        self.forget(poll)
        poll.answer(())

    def _arm(self, queue: Queue) -> None:
        """Look again when the next message of the queue becomes visible by itself."""
        next_s = queue.next_s()
        armed = self._armed.get(queue)
        if next_s is None or (armed is not None and armed.at_s <= next_s):
            return
        if armed is not None:
            armed.cancel()
        self._armed[queue] = self._wakeups.at(next_s, lambda: self._due(queue))

    def _due(self, queue: Queue) -> None:
        del self._armed[queue]
        self.serve(queue)
