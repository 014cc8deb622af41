"""Running tasks for messages that were pushed to us: somebody else receives and deletes them.

Owns which of a batch were not done. Keeps nothing from one batch to the next. Law: what was not
done is named, whatever the reason, and nothing else is; so that whoever pushed it keeps it.

- All of a batch have one deadline: whoever pushed them waits that long, and then takes them all for
  failed. So work stops a little before, and what has not begun by then is named.
- In order: after one of a group that was not done, none of its group is begun. It would overtake.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any

from coord.clock import SYSTEM_CLOCK, Clock
from coord.tasks.backoff import Backoff
from coord.tasks.job import Job, Memory
from coord.tasks.ledger import Ledger
from coord.tasks.loop import Loop
from coord.tasks.memory import LedgerMemory, NoMemory
from coord.tasks.queue.hand import InHand, Outcome, Patience
from coord.tasks.queue.listener import Listener
from coord.tasks.queue.log import LogListener
from coord.tasks.queue.payload import Call, Codec, JsonCodec
from coord.tasks.queue.runs import Ended, Runs
from coord.tasks.queue.spi import Message, Reader
from coord.tasks.queue.worker import handlers_of

__all__ = ["Codec", "Pushed"]

_LEASE_S = 30.0
_TIMEOUT_S = 3.0
_MOST_GRACE_S = 5.0
_AFTER_ORDER = "a message of its group before it was not done"


class Pushed:
    """Runs `tasks`, one message after the other, on the caller's thread.

    `ledger`: opened at the first batch, and kept. Coroutine functions run on a loop of our own.
    Raises `ConfigError` for impossible tasks.
    """

    def __init__(
        self,
        tasks: Iterable[Any],
        *,
        ledger: str | None = None,
        codec: Codec | None = None,
        readers: Iterable[Reader] = (),
        listener: Listener | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._handlers = handlers_of(tasks)
        self._ledger_url = ledger
        self._codec = codec or JsonCodec()
        self._readers = tuple(readers)
        self._listener = listener
        self._clock = clock
        self._memory: Memory | None = None
        self._ledger: Ledger | None = None
        self._loop = Loop()

    def run(
        self, messages: Sequence[Message], *, queue: str, ordered: bool, left_s: float
    ) -> list[Message]:
        """Run them all within `left_s` from now; those that were not done, in order.

        `ordered`: messages of one group in their order. Raises what opening the ledger raises:
        then nothing was begun.
        """
        begun_s = self._clock.now()
        patience = Patience(left_s, left_s)
        patience.grace_s = min(patience.grace_s, _MOST_GRACE_S)
        runs = self._runs(queue)
        listener = self._listener or LogListener(queue)
        undone: list[Message] = []
        blocked: set[str] = set()
        for message in messages:
            hand = InHand(message, begun_s, patience, self._clock)
            if ordered and message.group in blocked:
                end = Ended(Outcome.RETURNED, why=_AFTER_ORDER)
            else:
                end = self._one(runs, hand, listener)
            listener.ended(hand, end, self._clock.now() - (hand.began_s or self._clock.now()))
            if end.outcome is not Outcome.DONE:
                undone.append(message)
                blocked.add(message.group)
        return undone

    def close(self) -> None:
        """Close the ledger, and end the loop. Idempotent."""
        self._loop.close(_TIMEOUT_S)
        ledger, self._ledger, self._memory = self._ledger, None, None
        if ledger is not None:
            ledger.close()

    def _one(self, runs: Runs, hand: InHand, listener: Listener) -> Ended:
        hand.began_s = self._clock.now()
        found = runs.begin(hand)
        if isinstance(found, Ended):
            return found
        call, job = found
        listener.began(hand)
        error: BaseException | None = None
        try:
            if call.handler.is_async:
                error = self._awaited(runs, call, job)
            else:
                runs.call(call, job)
        except Exception as raised:  # noqa: BLE001  it is judged, and told
            error = raised
        return runs.ended(hand, job, error)

    def _awaited(self, runs: Runs, call: Call, job: Job) -> BaseException | None:
        over = threading.Event()
        errors: list[BaseException | None] = []

        def done(_: object, error: BaseException | None) -> None:
            errors.append(error)
            over.set()

        self._loop.run(job, lambda: runs.awaited(call, job), done)
        over.wait()
        return errors[0]

    def _runs(self, queue: str) -> Runs:
        if self._memory is None:
            self._memory = self._opened()
        return Runs(
            self._handlers,
            queue=queue,
            codec=self._codec,
            readers=self._readers,
            memory=self._memory,
            backoff=Backoff(),
            clock=self._clock,
        )

    def _opened(self) -> Memory:
        if self._ledger_url is None:
            return NoMemory()
        self._ledger = Ledger.open(
            self._ledger_url, lease_s=_LEASE_S, timeout_s=_TIMEOUT_S, clock=self._clock
        )
        return LedgerMemory(self._ledger)
