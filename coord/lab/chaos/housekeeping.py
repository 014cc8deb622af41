"""The lab's own work as a contestant: processes of `coord.lab.work.worker` over one database.

Owns which files a mode needs, how a worker of it is started, and the feeding. Strikes nobody.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from coord.lab.chaos.contestant import Place
from coord.lab.chaos.led_scene import LedScene
from coord.lab.chaos.queue_scene import QueueScene
from coord.lab.work import app
from coord.lab.work.feed import Feed
from coord.lab.work.modes import TAU_S, Mode
from coord.telemetry import EventLog

__all__ = ["Housekeeping"]


class Housekeeping:
    """One mode of the lab's own work. Implements `Contestant`.

    A mode without leaders uses no store: its queue is a file beside the database.
    """

    tau_s = TAU_S

    def __init__(self, mode: Mode) -> None:
        self.mode = mode

    @property
    def name(self) -> str:
        """The mode's."""
        return self.mode.name

    def scene(self, members: Iterable[str]) -> LedScene:
        """What one sees of a mode depends on whether anybody leads."""
        return (QueueScene if self.mode.queue else LedScene)(self.mode, members)

    @contextmanager
    def enter(self, work: Path, events: EventLog) -> Iterator[_Entered]:
        """Make the database and, where nobody leads, the queue. `work` must be empty of them."""
        database = work / "app.db"
        queue = f"sqlite:///{quote(str(work / 'queue.db'))}" if self.mode.queue else None
        app.create(database)
        role = self.mode.role
        events.role(role.name, 1, role.shape, queue=self.mode.queue)
        with Feed(database, self.mode, events, queue=queue) as feed:
            yield _Entered(self.mode, database, queue, feed)


class _Entered:
    def __init__(self, mode: Mode, database: Path, queue: str | None, feed: Feed) -> None:
        self._mode = mode
        self._database = database
        self._queue = queue
        self.turn = feed.turn
        self.waiting = feed.waiting

    def command(self, place: Place) -> Sequence[str]:
        mode = self._mode
        return [
            *(sys.executable, "-m", "coord.lab.work.worker", "--member", place.member),
            *("--store", self._queue or place.store, "--database", str(self._database)),
            *("--mode", mode.name, "--shards", str(mode.shards), "--seats", str(mode.seats)),
            *("--ttl-s", str(place.ttl_s)),
        ]

    def environ(self, place: Place) -> Mapping[str, str]:
        return {}
