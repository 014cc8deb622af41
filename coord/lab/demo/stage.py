"""One mode on stage: its files, its workers, its work, and the beat that keeps all of it going.

Owns the loop. The demo is one thread: while anything is waited for, `Stage.until` feeds the work,
reads what the workers wrote, looks after the processes and redraws, some twenty times a second.
Being interrupted is noticed there and nowhere else, so that no signal can break into a clean-up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from coord.clock import SYSTEM_CLOCK
from coord.errors import CoordError
from coord.lab.chaos import FAILPOINTS_VARIABLE, Failpoint, Injector, Target
from coord.lab.demo import app
from coord.lab.demo.feed import Feed
from coord.lab.demo.fleet import Fleet
from coord.lab.demo.follow import Follower
from coord.lab.demo.modes import MEMBERS, Mode
from coord.lab.demo.queue_scene import QueueScene
from coord.lab.demo.scene import Scene
from coord.lab.measure import Log
from coord.telemetry import EVENTS_VARIABLE, EventLog

__all__ = ["BUSY", "DemoFailed", "Screen", "Stage", "boundless"]

_BEAT_S = 0.05
_DRAIN_S = 5.0
_INJECTOR = "injector"

BUSY = (
    "See whether the store still answers (`coord doctor URL`); if so, run it on a machine that is "
    "less busy, or with a longer --ttl."
)
"""The cure for a fleet that does not get along."""


class DemoFailed(CoordError):
    """The demo could not be shown as it is meant to be."""


class Screen(Protocol):
    """Where the demo is shown."""

    def show(self, scene: Scene) -> None:
        """The present state; called at every beat."""
        ...

    def say(self, text: str, *, style: str = "") -> None:
        """One thing that happened."""
        ...


def boundless() -> bool:
    """A condition that never comes true: for waiting out a time."""
    return False


class Stage:
    """Everything that one mode needs, from entering to leaving. One thread."""

    def __init__(
        self,
        mode: Mode,
        *,
        store: str,
        ttl_s: float,
        work: Path,
        events: Path,
        screen: Screen,
        interrupted: Callable[[], None],
    ) -> None:
        """`work` and `events` are existing, empty directories; `interrupted` raises if so.

        A mode without leaders uses no store: its queue is a file in `work`.
        """
        self.mode = mode
        self.ttl_s = ttl_s
        self.screen = screen
        self.scene = QueueScene(mode, MEMBERS) if mode.queue else Scene(mode, MEMBERS)
        self.events = EventLog(events / f"{_INJECTOR}.jsonl", member=_INJECTOR)
        self.injector = Injector(self.events)
        self._interrupted = interrupted
        self._database = work / "app.db"
        self._queue = f"sqlite:///{work / 'queue.db'}" if mode.queue else None
        self._failpoints = work / "failpoints"
        self._follower = Follower(events)
        self.fleet = Fleet(
            MEMBERS,
            [
                *("--store", self._queue or store, "--database", str(self._database)),
                *("--mode", mode.name, "--ttl-s", str(ttl_s)),
            ],
            environ={EVENTS_VARIABLE: f"{events}/", FAILPOINTS_VARIABLE: str(self._failpoints)},
            output=work,
        )
        self._resources = ExitStack()
        self._feed: Feed | None = None

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            opened.callback(self.events.close)
            app.create(self._database)
            self._failpoints.mkdir()
            role = self.mode.role
            self.events.role(role.name, 1, role.shape, queue=self.mode.queue)
            feed = Feed(self._database, self.mode, self.events, queue=self._queue)
            self._feed = opened.enter_context(feed)
            opened.enter_context(self.fleet)
            self._resources = opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._resources.close()

    def until(self, happened: Callable[[], bool], timeout_s: float) -> bool:
        """Keep everything going until `happened()`; False if it did not within the time."""
        end = SYSTEM_CLOCK.now() + timeout_s
        while True:
            if self._feed is not None and self.scene.awaits_work:
                self._feed.turn()
            self._beat()
            left = end - SYSTEM_CLOCK.now()
            if happened():
                return True
            if left <= 0:
                return False
            time.sleep(min(_BEAT_S, left))

    def log(self) -> Log:
        """The event log so far."""
        return self._follower.log()

    def drain(self) -> bool:
        """Let the fleet finish what is due; no more falls due. False if it took too long."""
        feed, self._feed = self._feed, None
        return feed is None or self.until(lambda: feed.waiting() == 0, _DRAIN_S)

    def target(self, member: str) -> Target:
        """A member's present process, for the injector."""
        return Target(member, self.fleet.pid(member))

    def failpoint(self, member: str) -> Failpoint:
        """The gate in a member's work."""
        return Failpoint.of(self._failpoints, member)

    def _beat(self) -> None:
        self._interrupted()
        self.fleet.check()
        self.scene.take(self._follower.poll(), SYSTEM_CLOCK.now())
        self.screen.show(self.scene)
