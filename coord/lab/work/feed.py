"""The work: rows that expire while the fleet is led, struck and led again.

Owns the making of due units, and of the messages that ask for them where nobody leads. Each unit is
announced in the event log just before it exists, so that the log knows of every unit that has to be
handled, whether anybody ever does. A turn for which the database could not be locked in time is
left out: nothing was announced, nothing fell due. Messages that could not be sent are sent later.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from coord.clock import SYSTEM_CLOCK
from coord.errors import Certainty, StoreError
from coord.lab.work import app
from coord.lab.work.items import Item, message_of
from coord.lab.work.modes import FEED_S, ITEM_ROWS, Mode
from coord.tasks.opening import open_queue
from coord.tasks.queue.spi import Outgoing, Queue
from coord.telemetry import EventLog

__all__ = ["Feed"]


class Feed:
    """Lets rows of every partition expire: one each `FEED_S`. Used by the thread that made it.

    `queue`: the URL of the queue through which they are handed out; None: whoever leads finds them.
    There they come as items, `ITEM_ROWS` of a partition at once and so much less often.
    """

    def __init__(
        self, database: Path, mode: Mode, events: EventLog, *, queue: str | None = None
    ) -> None:
        self._connection = app.connect(database)
        self._mode = mode
        self._events = events
        self._rows = 1 if queue is None else ITEM_ROWS
        self._queue: Queue | None = None if queue is None else open_queue(queue)
        self._unsent: list[Outgoing] = []
        self._turns = 0
        self._due_s = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()
        if self._queue is not None:
            self._queue.close()

    def turn(self) -> None:
        """Make the next units due if it is time."""
        self._send()
        now = SYSTEM_CLOCK.now()
        if now < self._due_s:
            return
        self._due_s = max(self._due_s + FEED_S * self._rows, now)
        self._turns += 1
        units = [
            app.Unit(f"{p:02d}-{self._turns:06d}-{row}", p)
            for p in range(app.PARTITIONS)
            for row in range(self._rows)
        ]
        try:
            app.expire(self._connection, units, lambda: self._announced(units))
        except sqlite3.OperationalError as error:
            if not app.locked(error):
                raise
            return
        if self._queue is not None:
            self._unsent += [message_of(item) for item in self._items(units)]
            self._send()

    def _announced(self, units: Sequence[app.Unit]) -> float:
        """Tell the event log what falls due; returns since when."""
        role = self._mode.role.name
        if self._queue is not None:
            for item in self._items(units):
                self._events.backlog(role, item.partition, item.units, seat=item.number)
            return SYSTEM_CLOCK.now()
        for shard in range(self._mode.shards):
            mine = app.partitions_of(shard, self._mode.shards)
            names = [unit.name for unit in units if unit.partition in mine]
            self._events.backlog(role, shard, names)
        return SYSTEM_CLOCK.now()

    def _items(self, units: Sequence[app.Unit]) -> list[Item]:
        """What one turn makes due, by partition."""
        return [
            Item(p, self._turns, [unit.name for unit in units if unit.partition == p])
            for p in range(app.PARTITIONS)
        ]

    def _send(self) -> None:
        """Send what is not sent yet; what the queue surely did not take stays for the next time.

        Raises StoreError where it is not known: a message that is sent twice would be two items.
        """
        while self._queue is not None and self._unsent:
            batch = self._unsent[: self._queue.limits.batch_size]
            try:
                answers = self._queue.send(batch)
            except StoreError as error:
                if error.certainty is not Certainty.NOT_APPLIED:
                    raise
                return
            kept = []
            for message, answer in zip(batch, answers, strict=True):
                if isinstance(answer, StoreError):
                    if answer.certainty is not Certainty.NOT_APPLIED:
                        raise answer
                    kept.append(message)
            self._unsent[: len(batch)] = kept
            if kept:
                return

    def waiting(self) -> int:
        """How many rows nobody has deleted yet, after sending what is not sent yet."""
        self._send()
        return app.waiting(self._connection)
