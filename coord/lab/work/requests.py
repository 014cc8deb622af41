"""A queue that tells the event log of each request, as coordinators tell of theirs to a store.

Owns the counting and changes nothing. One call is one request, however long it waits for messages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from coord.clock import SYSTEM_CLOCK, Clock
from coord.errors import CoordError, StoreError
from coord.spi import Probe
from coord.tasks.opening import open_queue
from coord.tasks.queue.spi import Depth, Hide, Message, Outgoing, Queue, QueueLimits
from coord.telemetry import EventLog

__all__ = ["Counted", "opened"]

T = TypeVar("T")


def opened(events: EventLog, url: str, *, clock: Clock, timeout_s: float) -> Queue:
    """The queue that `url` names, opened as `open_queue` does."""
    return Counted(open_queue(url, clock=clock, timeout_s=timeout_s), events)


class Counted:
    """One queue, and the log of what it is asked. Implements `Queue`; any thread."""

    def __init__(self, queue: Queue, events: EventLog) -> None:
        self._queue = queue
        self._events = events

    def _told(self, operation: str, ask: Callable[[], T]) -> T:
        start_s = SYSTEM_CLOCK.now()
        certainty: str | None = "unknown"
        try:
            answer = ask()
            certainty = None
        except StoreError as error:
            certainty = error.certainty.value
            raise
        except CoordError:
            certainty = "not applied"
            raise
        finally:
            self._events.called(operation, start_s, SYSTEM_CLOCK.now(), certainty=certainty)
        return answer

    @property
    def limits(self) -> QueueLimits:
        """The queue's own."""
        return self._queue.limits

    @property
    def name(self) -> str:
        """The queue's own."""
        return self._queue.name

    def send(self, messages: Sequence[Outgoing]) -> list[str | StoreError]:
        """One request."""
        return self._told("send", lambda: self._queue.send(messages))

    def receive(self, count: int, *, wait_s: float, visibility_s: float) -> list[Message]:
        """One request, however long it waits."""
        return self._told(
            "receive",
            lambda: self._queue.receive(count, wait_s=wait_s, visibility_s=visibility_s),
        )

    def hide(self, changes: Sequence[Hide]) -> list[StoreError | None]:
        """One request."""
        return self._told("hide", lambda: self._queue.hide(changes))

    def delete(self, receipts: Sequence[str]) -> list[StoreError | None]:
        """One request."""
        return self._told("delete", lambda: self._queue.delete(receipts))

    def depth(self) -> Depth:
        """One request."""
        return self._told("depth", self._queue.depth)

    def redrive(self, count: int) -> int:
        """One request."""
        return self._told("redrive", lambda: self._queue.redrive(count))

    def purge(self) -> None:
        """One request."""
        self._told("purge", self._queue.purge)

    def probe(self) -> list[Probe]:
        """The queue's own."""
        return self._queue.probe()

    def close(self) -> None:
        """Close the queue."""
        self._queue.close()
