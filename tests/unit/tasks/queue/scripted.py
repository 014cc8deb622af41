"""A queue in memory whose calls can be made to fail, and a worker's engine on it.

No conformance is claimed: messages are handed out once each, in order, and what the worker says of
them is written down.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

from coord.clock import SYSTEM_CLOCK
from coord.errors import StoreError
from coord.spi import Probe
from coord.tasks.backoff import Backoff
from coord.tasks.job import Memory
from coord.tasks.memory import NoMemory
from coord.tasks.queue.admission import Admission, Fixed
from coord.tasks.queue.engine import Engine, Settings
from coord.tasks.queue.hand import InHand
from coord.tasks.queue.listener import Listener
from coord.tasks.queue.runs import Ended
from coord.tasks.queue.spi import Depth, Hide, Message, Outgoing, QueueLimits
from coord.tasks.queue.worker import handlers_of

WITHIN_S = 20.0
_LOOK_S = 0.01


class Scripted:
    """`faults[call]` is what the next calls of that name raise or answer, one each."""

    name = "scripted"

    def __init__(self, messages: Iterable[Message] = (), *, ordered: bool = False) -> None:
        self.limits = QueueLimits(
            kind="scripted",
            batch_size=10,
            max_wait_s=20.0,
            max_hidden_s=43200.0,
            max_delay_s=900.0,
            max_body_bytes=1024,
            ordered=ordered,
            max_receives=5,
        )
        self.faults: dict[str, list[Any]] = {}
        self.deleted: list[str] = []
        self.hidden: list[Hide] = []
        self.waits: list[float] = []
        self._ready = list(messages)
        self._changed = threading.Condition()
        self._is_open = True
        self._unsettled = 0

    def add(self, *messages: Message) -> None:
        with self._changed:
            self._ready += messages
            self._changed.notify_all()

    def _fault(self, call: str) -> Any:  # noqa: ANN401
        faults = self.faults.get(call)
        if not faults:
            return None
        fault = faults.pop(0)
        if isinstance(fault, Exception):
            raise fault
        return fault

    def receive(self, count: int, *, wait_s: float, visibility_s: float) -> list[Message]:
        self._fault("receive")
        with self._changed:
            self.waits.append(wait_s)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._ready or not self._is_open, wait_s)
            found, self._ready = self._ready[:count], self._ready[count:]
            return found

    def hide(self, changes: Sequence[Hide]) -> list[StoreError | None]:
        answers = self._fault("hide")
        with self._changed:
            self.hidden += changes
            self._changed.notify_all()
        return answers or [None] * len(changes)

    def delete(self, receipts: Sequence[str]) -> list[StoreError | None]:
        answers = self._fault("delete") or [None] * len(receipts)
        with self._changed:
            if len(answers) == len(receipts):
                self.deleted += [r for r, a in zip(receipts, answers, strict=True) if a is None]
            self._changed.notify_all()
        return answers

    def wait_for(self, condition: Callable[[], bool]) -> None:
        end_s = SYSTEM_CLOCK.now() + WITHIN_S
        with self._changed:
            while not condition():
                assert SYSTEM_CLOCK.now() < end_s, (self.deleted, self.hidden)
                self._changed.wait(_LOOK_S)

    def rest_of(self, receipt: str) -> float:
        """For how long a message was given back."""
        self.wait_for(lambda: any(change.receipt == receipt for change in self.hidden))
        return next(change.seconds for change in self.hidden if change.receipt == receipt)

    def send(self, messages: Sequence[Outgoing]) -> list[str | StoreError]:
        return [str(n) for n, _ in enumerate(messages)]

    def depth(self) -> Depth:
        self._fault("depth")
        return Depth(len(self._ready), 0, 0, 0)

    def redrive(self, count: int) -> int:
        return 0

    def purge(self) -> None:
        self._ready = []

    def probe(self) -> list[Probe]:
        return []

    def close(self) -> None:
        with self._changed:
            self._is_open = False
            self._changed.notify_all()


class Notes(Listener):
    """What a worker told."""

    def __init__(self) -> None:
        self.ends: list[Ended] = []
        self.of: dict[str, Ended] = {}
        self.troubles: list[str] = []
        self.changed = threading.Condition()

    def ended(self, hand: InHand, end: Ended, seconds: float) -> None:
        with self.changed:
            self.ends.append(end)
            self.of[hand.message.receipt] = end
            self.changed.notify_all()

    def trouble(self, what: str) -> None:
        with self.changed:
            self.troubles.append(what)
            self.changed.notify_all()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, WITHIN_S), (self.ends, self.troubles)


class Desk:
    """An engine at work. Leave it with everything ended."""

    def __init__(
        self,
        queue: Scripted,
        *tasks: Any,  # noqa: ANN401
        admission: Admission | None = None,
        listener: Listener | None = None,
        memory: Memory | None = None,
        visibility_s: float = 30.0,
        **settings: Any,  # noqa: ANN401
    ) -> None:
        self.queue = queue
        self.notes = Notes()
        self.engine = Engine(
            queue,
            handlers_of(tasks),
            admission or Fixed(2),
            Settings(visibility_s=visibility_s, backoff=Backoff(base_s=8.0), **settings),
            memory=memory or NoMemory(),
            clock=SYSTEM_CLOCK,
            listener=listener or self.notes,
        )

    def __enter__(self) -> Self:
        self.engine.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> Mapping[str, int]:
        """Stop in order; the counts."""
        with suppress(KeyError):
            del self.queue.faults["receive"]
        self.engine.stop()
        self.queue.close()
        assert self.engine.drain(WITHIN_S)
        assert self.engine.close(WITHIN_S) == []
        return self.engine.counts
