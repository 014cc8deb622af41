"""What queue checks are written with: handles, messages, patience, and races.

Owns the setting of one check, a fresh queue included, and leaves nothing behind.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from coord.errors import CoordError, StoreError
from coord.tasks.queue.spi import Depth, Hide, Message, Outgoing, Queue
from coord.testing.queue_conformance.harness import QueueHarness
from coord.testing.setting import RACE_TIMEOUT_S, Setting

__all__ = ["LONG", "QueueKit", "Waiting", "bodies"]

LONG = 20
"""Times the shortest visibility: what outlasts a check."""
_STEPS = 10
_NONE: Mapping[str, str] = MappingProxyType({})


class Waiting:
    """A call of `receive` on a thread of its own."""

    def __init__(self, call: Callable[[], list[Message]]) -> None:
        self._call = call
        self._found: list[Message] | CoordError | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._found = self._call()
        except CoordError as error:
            self._found = error

    @property
    def is_over(self) -> bool:
        """Whether it has come back."""
        return not self._thread.is_alive()

    def outcome(self, timeout_s: float = RACE_TIMEOUT_S) -> list[Message] | CoordError:
        """What it came back with, in so much real time."""
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), f"receive did not come back within {timeout_s:g} s"
        assert self._found is not None, "receive raised what is no error of coord"
        return self._found

    def messages(self, timeout_s: float = RACE_TIMEOUT_S) -> list[Message]:
        """The same, of a call that must not fail."""
        found = self.outcome(timeout_s)
        assert isinstance(found, list), f"receive raised {found!r}"
        return found


class QueueKit(Setting[QueueHarness, Queue]):
    """One check's setting. `queue` is the first handle; `other` is a second, another process."""

    def __init__(self, harness: QueueHarness) -> None:
        super().__init__(harness)
        self.name = f"conformance-{secrets.token_hex(6)}"
        self._groups = 0

    def _begin(self) -> None:
        self.queue = self.handle()
        self.other = self.handle()

    # ------------------------------------------------------------------------------- handles

    def handle(self, name: str | None = None) -> Queue:
        """Another handle on the same queue, or on another one."""
        queue = self.harness.open(name or self.name)
        self._handles.append(queue)
        return queue

    # ---------------------------------------------------------------------------------- times

    @property
    def short_s(self) -> float:
        """The shortest visibility."""
        return self.harness.visibility_s

    @property
    def long_s(self) -> float:
        """A visibility that outlasts the check."""
        return self.harness.visibility_s * LONG

    # ------------------------------------------------------------------------------- messages

    def message(
        self,
        body: str,
        *,
        group: str | None = None,
        dedup: str = "",
        attributes: Mapping[str, str] = _NONE,
        delay_s: float = 0.0,
    ) -> Outgoing:
        """A message; on a FIFO queue in a group of its own, unless it is said."""
        if group is None:
            self._groups += 1
            group = f"own-{self._groups}" if self.harness.ordered else ""
        return Outgoing(body=body, group=group, dedup=dedup, attributes=attributes, delay_s=delay_s)

    def send(self, *messages: str | Outgoing) -> list[str]:
        """Send them all through the first handle, in order; their ids."""
        ready = [self.message(one) if isinstance(one, str) else one for one in messages]
        size = self.queue.limits.batch_size
        ids: list[str] = []
        for start in range(0, len(ready), size):
            for answer in self.queue.send(ready[start : start + size]):
                assert not isinstance(answer, StoreError), f"a message was not sent: {answer!r}"
                ids.append(answer)
        return ids

    def look(
        self, queue: Queue | None = None, count: int = 10, *, visibility_s: float | None = None
    ) -> list[Message]:
        """What is there now, without waiting; hidden for long."""
        hidden_s = self.long_s if visibility_s is None else visibility_s
        return (queue or self.other).receive(count, wait_s=0.0, visibility_s=hidden_s)

    def take(
        self,
        number: int = 1,
        queue: Queue | None = None,
        *,
        visibility_s: float | None = None,
        within_s: float = 0.0,
    ) -> list[Message]:
        """That many messages, which must be there within so much time, and not more."""
        found: list[Message] = []
        end_s = self.now() + within_s + self.harness.late_s
        while len(found) < number:
            wanted = min(number - len(found), self.queue.limits.batch_size)
            found += self.look(queue, wanted, visibility_s=visibility_s)
            if len(found) < number:
                assert self.now() < end_s, f"{len(found)} of {number} messages came in time"
                self.harness.sleep(self.short_s / _STEPS)
        return found

    def one(
        self,
        queue: Queue | None = None,
        *,
        visibility_s: float | None = None,
        within_s: float = 0.0,
    ) -> Message:
        """The next message."""
        (found,) = self.take(1, queue, visibility_s=visibility_s, within_s=within_s)
        return found

    def hide(self, message: Message, seconds: float, queue: Queue | None = None) -> None:
        """Change how long it stays hidden, which must work."""
        assert (queue or self.queue).hide([Hide(message.receipt, seconds)]) == [None]

    def delete(self, *messages: Message, queue: Queue | None = None) -> None:
        """Remove them, which must work."""
        receipts = [message.receipt for message in messages]
        assert (queue or self.queue).delete(receipts) == [None] * len(receipts)

    def kill(self, body: str = "dead", *, group: str | None = None) -> None:
        """Send a message to an empty queue and receive it too often, so that it is dead."""
        most = self.queue.limits.max_receives
        assert most is not None, "the harness makes queues with a dead-letter queue"
        before = self.other.depth().dead
        self.send(self.message(body, group=group))
        for _ in range(most):
            found = self.one()
            assert found.body == body, "something else was there too"
            self.hide(found, 0)
        assert self.look() == [], f"it was delivered more than {most} times"
        self.eventually(lambda depth: depth.dead == before + 1, "the message is dead")

    def gone(self) -> None:
        """Assert that nothing is left to be delivered, now or later."""
        assert self.look() == []
        self.eventually(lambda depth: not depth.undone, "nothing is left")

    def eventually(self, holds: Callable[[Depth], bool], what: str) -> Depth:
        """The counts once they say so: on some queues they take their time."""
        end_s = self.now() + self.harness.late_s
        while True:
            depth = self.other.depth()
            if holds(depth):
                return depth
            assert self.now() < end_s, f"not so: {what}: {depth}"
            self.harness.sleep(self.short_s / _STEPS)

    # ------------------------------------------------------------------------------- at once

    def waiting(self, queue: Queue | None = None, *, wait_s: float, count: int = 10) -> Waiting:
        """A receiver on a thread of its own, which waits at the queue when this returns."""
        receiver = queue or self.other
        found = Waiting(lambda: receiver.receive(count, wait_s=wait_s, visibility_s=self.long_s))
        self.harness.waits()
        return found


def bodies(messages: Sequence[Message]) -> list[str]:
    """What they say, in order."""
    return [message.body for message in messages]
