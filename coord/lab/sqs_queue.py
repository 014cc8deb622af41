"""A queue of the SQS fake for a daemon under test: its URL, what is sent to it, what befalls it.

Owns the fake's process, and a fault proxy on the way to it. What can go wrong inside it, and what
it counts, is `coord.testing.sqs`'s. Whatever is done to either is told to the event logs of the
fleets: see `coord.lab.queue_faults`.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import Self

from coord.errors import StoreError
from coord.lab.queue_faults import QueueFaults
from coord.lab.told_proxy import ToldProxy
from coord.lab.told_server import ToldServer
from coord.tasks.opening import open_queue
from coord.tasks.queue.payload import JsonCodec, outgoing
from coord.testing.proxy import FaultProxy
from coord.testing.sqs import QueueStats, Settings, SqsServer

__all__ = ["SqsQueue"]

_TIMEOUT_S = 5.0


class SqsQueue:
    """One queue, empty at first; gone with the test. One thread at a time.

    `server` orders faults (`inject`, `misbehave`, `heal`) and can be paused and killed as
    `server.members[0]`; `proxy` is the network between the daemons and it. These are faults like
    any other: the first one waits for fleets at rest, and what stands when they settle breaks the
    rule `fault-left-standing`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.faults = QueueFaults()
        """Who is told of what befalls it."""
        self.server: SqsServer = ToldServer(Settings(queues=(name,)), self.faults)
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            opened.enter_context(self.server)
            [member] = self.server.members
            proxy = ToldProxy((member.host, member.port), self.faults)
            self.proxy: FaultProxy = opened.enter_context(proxy)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.faults.forget()
        self._opened.close()

    @property
    def url(self) -> str:
        """What a daemon's `Worker` is given."""
        return self.server.url(self.name, hosts=self.proxy.hostport)

    @property
    def environment(self) -> dict[str, str]:
        """Made-up credentials, without which no client speaks to it."""
        return dict(self.server.environment)

    def send(self, task: str, *, count: int = 1, **payload: object) -> None:
        """Ask for a task so many times; the messages do not pass `proxy`. Raises StoreError."""
        message = outgoing(task, payload, codec=JsonCodec())
        with closing(open_queue(self.server.url(self.name), timeout_s=_TIMEOUT_S)) as queue:
            left = count
            while left:
                batch = [message] * min(left, queue.limits.batch_size)
                for answer in queue.send(batch):
                    if isinstance(answer, StoreError):
                        raise answer
                left -= len(batch)

    def stats(self) -> QueueStats:
        """What is in it now, exactly."""
        return self.server.stats().queues[self.name]

    @property
    def empty(self) -> bool:
        """Whether nothing is in it: not ready, not in hand, not delayed."""
        now = self.stats()
        return not (now.ready or now.in_flight or now.delayed)
