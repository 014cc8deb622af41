"""The work: rows that expire while the fleet is led, struck and led again.

Owns the making of due units. Each is announced in the event log just before it exists, so that the
log knows of every unit that has to be handled, whether anybody ever does. A turn for which the
database could not be locked in time is left out: nothing was announced, nothing fell due.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from coord.clock import SYSTEM_CLOCK
from coord.lab.demo import app
from coord.lab.demo.modes import FEED_S, Mode
from coord.telemetry import EventLog

__all__ = ["Feed"]


class Feed:
    """Lets one row of every partition expire each `FEED_S`. Used by the thread that made it."""

    def __init__(self, database: Path, mode: Mode, events: EventLog) -> None:
        self._connection = app.connect(database)
        self._mode = mode
        self._events = events
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

    def turn(self) -> None:
        """Make the next units due if it is time."""
        now = SYSTEM_CLOCK.now()
        if now < self._due_s:
            return
        self._due_s = max(self._due_s + FEED_S, now)
        self._turns += 1
        units = [app.Unit(f"{p:02d}-{self._turns:06d}", p) for p in range(app.PARTITIONS)]
        try:
            app.expire(self._connection, units, lambda: self._announced(units))
        except sqlite3.OperationalError as error:
            if not app.locked(error):
                raise

    def _announced(self, units: Sequence[app.Unit]) -> float:
        """Tell the event log what falls due; returns since when."""
        for shard in range(self._mode.shards):
            mine = app.partitions_of(shard, self._mode.shards)
            names = [unit.name for unit in units if unit.partition in mine]
            self._events.backlog(self._mode.role.name, shard, names)
        return SYSTEM_CLOCK.now()

    def waiting(self) -> int:
        """How many rows nobody has deleted yet."""
        return app.waiting(self._connection)
