"""One fleet on stage: its files, its workers, its work, and the beat that keeps all of it going.

Owns the loop. The lab is one thread: while anything is waited for, `Stage.until` feeds the work,
reads what the workers wrote, looks after the processes and redraws, some twenty times a second.
Being interrupted is noticed there and nowhere else, so that no signal can break into a clean-up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from coord.clock import SYSTEM_CLOCK
from coord.errors import UsageError
from coord.lab.chaos.contestant import Contestant, Entered, Place
from coord.lab.chaos.fleet import Fleet
from coord.lab.chaos.follow import Follower
from coord.lab.chaos.ground import Ground
from coord.lab.chaos.process import Injector, Target
from coord.lab.chaos.scene import Scene
from coord.lab.errors import Unplayed
from coord.lab.measure import Log
from coord.lab.work.failpoint import FAILPOINTS_VARIABLE, Failpoint
from coord.telemetry import EVENTS_VARIABLE, EventLog

__all__ = ["BUSY", "Screen", "Stage", "Unsteady", "boundless"]

_BEAT_S = 0.05
_DRAIN_S = 5.0
_INJECTOR = "injector"

BUSY = (
    "See whether the store still answers (`coord doctor URL`); if so, run it on a machine that is "
    "less busy, or with a longer --ttl."
)
"""The cure for a fleet that does not get along."""


class Unsteady(Unplayed):
    """The fleet is not as every experiment has to find it."""


class Screen(Protocol):
    """Where it is shown."""

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
    """Everything that one fleet needs, from entering to leaving. One thread."""

    def __init__(
        self,
        contestant: Contestant,
        *,
        members: Sequence[str],
        ground: Ground,
        work: Path,
        events: Path,
        screen: Screen,
        interrupted: Callable[[], None],
    ) -> None:
        """`work` and `events` are existing, empty directories; `interrupted` raises if so."""
        self.contestant = contestant
        self.ground = ground
        self.screen = screen
        self.scene = contestant.scene(members)
        self.events = EventLog(events / f"{_INJECTOR}.jsonl", member=_INJECTOR)
        self.injector = Injector(self.events)
        self._interrupted = interrupted
        self._work = work
        self.failpoints = work / "failpoints"
        self._environ = {EVENTS_VARIABLE: f"{events}/", FAILPOINTS_VARIABLE: str(self.failpoints)}
        self._follower = Follower(events)
        self.fleet = Fleet(members, self._command, self._environment, output=work)
        self._resources = ExitStack()
        self._entered: Entered | None = None
        self._feeding = False
        self._chores: list[Generator[None, None, None]] = []

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            opened.callback(self.events.close)
            self.failpoints.mkdir()
            self._entered = opened.enter_context(self.contestant.enter(self._work, self.events))
            self._feeding = True
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
            if self._feeding and self.scene.awaits_work:
                self._contest.turn()
            self._beat()
            left = end - SYSTEM_CLOCK.now()
            if happened():
                return True
            if left <= 0:
                return False
            time.sleep(min(_BEAT_S, left))

    @contextmanager
    def meanwhile(self, chore: Generator[None, None, None]) -> Iterator[None]:
        """Take a step of `chore` at every beat while the block runs; then it is closed.

        A chore does not wait: it yields until the next beat.
        """
        self._chores.append(chore)
        try:
            yield
        finally:
            self._chores.remove(chore)
            chore.close()

    def log(self) -> Log:
        """The event log so far."""
        return self._follower.log()

    def drain(self) -> bool:
        """Let the fleet finish what is due; no more falls due.

        False if it stopped getting on with it: after a long gap, on a busy machine, there is much,
        and whoever does it may have to be replaced once more.
        """
        self._feeding = False
        patience_s = _DRAIN_S + 3 * self.ttl_s
        left = self._contest.waiting()
        while left and self.until(partial(self._fewer_wait_than, left), patience_s):
            left = self._contest.waiting()
        return not left

    def _fewer_wait_than(self, count: int) -> bool:
        return self._contest.waiting() < count

    def target(self, member: str) -> Target:
        """A member's present process, for the injector."""
        return Target(member, self.fleet.pid(member))

    def failpoint(self, member: str, name: str = "work") -> Failpoint:
        """A gate in a member's work."""
        return Failpoint.of(self.failpoints, member, name)

    @property
    def ttl_s(self) -> float:
        """What the store grants."""
        return self.ground.ttl_s

    @property
    def _contest(self) -> Entered:
        if self._entered is None:
            raise UsageError("the stage has not been entered", cure="Use it in a with statement.")
        return self._entered

    def _place(self, member: str) -> Place:
        ground = self.ground
        return Place(member=member, store=ground.url_of(member), ttl_s=ground.ttl_s)

    def _command(self, member: str) -> Sequence[str]:
        return self._contest.command(self._place(member))

    def _environment(self, member: str) -> Mapping[str, str]:
        return {**self._environ, **self._contest.environ(self._place(member))}

    def _beat(self) -> None:
        self._interrupted()
        self.fleet.check()
        self.scene.take(self._follower.poll(), SYSTEM_CLOCK.now())
        self.screen.show(self.scene)
        for chore in tuple(self._chores):
            next(chore, None)
