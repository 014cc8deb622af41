"""User code in a virtual world: works, wedges, raises, returns, stops slowly or never.

Owns the course of one term's code. It sees what real code would see: its own clock, the lease it
was given, and whether it was asked to stop. It never looks at the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from coord.core import events as e
from coord.core.commands import StartTerm, StopTerm
from coord.model import EndingKind

if TYPE_CHECKING:
    from coord.testing.world_host import Host

__all__ = ["STEADY", "Behaviour", "Conduct", "Work"]

_INF = float("inf")


class Conduct(Enum):
    """What a piece of user code is like."""

    STEADY = "steady"  # acts, makes progress, rests, stops when asked
    WEDGED = "wedged"  # never comes back from its work: no act, no progress, no stop
    HEADLESS = "headless"  # acts for as long as it may, without progress, and never stops
    RAISES = "raises"
    RETURNS = "returns"


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How user code behaves. It rests `rest_s`, works `work_s`, acts, and so on.

    Its conduct is steady for the first `after` rounds. Asked to stop, it takes `stop_s` more.
    """

    conduct: Conduct = Conduct.STEADY
    rest_s: float = 1.0
    work_s: float = 0.01
    stop_s: float = 0.0
    after: int = 0


STEADY = Behaviour()
_STEADY, _WEDGED, _RAISES = Conduct.STEADY, Conduct.WEDGED, Conduct.RAISES
_HEADLESS, _RETURNS = Conduct.HEADLESS, Conduct.RETURNS
"""By names of this file: an `Enum` looks its members up in Python, at each act."""


class Work:
    """The code of one term on one host."""

    __slots__ = (
        "_asked",
        "_cycled",
        "_host",
        "_later",
        "_resting_until_s",
        "given",
        "over",
        "rounds",
        "stuck",
    )

    def __init__(self, host: Host, given: StartTerm) -> None:
        self.given = given
        self.rounds = 0
        self.over = False
        """Whether the claim is known here to be gone, whatever the code does."""
        self.stuck = False
        self._host = host
        self._later = host.after
        self._asked = False
        self._cycled = False
        self._resting_until_s = -_INF
        self._later(self._behaviour.work_s, self.finish_round)

    @property
    def _behaviour(self) -> Behaviour:
        return self._host.behaviour(self.given.key)

    def may_act(self, now: float) -> bool:
        """What `term.check()` says: the deadline has not passed, as far as this host knows."""
        return not self.over and now < self.given.lease.trusted_until_s

    # --- what the runtime tells it -----------------------------------------------------------

    def ask_to_stop(self, command: StopTerm) -> None:
        """The member wants it to end."""
        self.over = self.over or command.now_over
        if self._asked:
            return
        self._asked = True
        if self._resting_until_s > -_INF:
            self._leave_rest(self._host.clock.now())

    def unstick(self) -> None:
        """What wedged it is mended: it goes on where it stood."""
        if self.stuck:
            self.stuck = False
            self.finish_round()

    # --- its own course ----------------------------------------------------------------------

    def finish_round(self) -> None:
        """The round's work is done, or goes wrong, or never ends."""
        host = self._host
        behaviour = host.behaviour(self.given.key)
        conduct = behaviour.conduct if self.rounds >= behaviour.after else _STEADY
        self.rounds += 1
        if conduct is _WEDGED:
            self.stuck = True
            return
        if conduct is _RAISES:
            self._end(EndingKind.RAISED)
            return
        now = host.clock.now()
        if self.may_act(now):
            host.act(self)
        else:
            host.late(self)
        if conduct is _HEADLESS:
            self._later(max(behaviour.work_s, behaviour.rest_s), self.finish_round)
        elif conduct is _RETURNS:
            self._end(EndingKind.RETURNED)
        else:
            host.post(e.WorkProgressed(now, self.given.number))
            self._rest(behaviour.rest_s, now)

    def _rest(self, rest_s: float, now: float) -> None:
        """Enter `wait()`."""
        self._host.post(e.WorkRested(now, self.given.number, self._cycled))
        self._cycled = True
        if self._asked:
            self._stop()
            return
        self._resting_until_s = now + rest_s
        self._sleep(now)

    def _sleep(self, now: float) -> None:
        rest_s, lease_s = self._resting_until_s - now, self.given.lease.stop_at_s - now
        left_s = rest_s if rest_s < lease_s else lease_s
        self._later(left_s if left_s > 0.0 else 0.0, self.look_up)

    def look_up(self) -> None:
        """`wait()` looks at the clock: time is up, the deadline is near, or neither."""
        if self._resting_until_s == -_INF:
            return
        now, stop_at_s = self._host.clock.now(), self.given.lease.stop_at_s
        if now >= self._resting_until_s or now >= stop_at_s:
            self._asked = self._asked or now >= stop_at_s
            self._leave_rest(now)
        else:
            self._sleep(now)

    def _leave_rest(self, now: float) -> None:
        self._resting_until_s = -_INF
        self._host.post(e.WorkBegan(now, self.given.number))
        if self._asked:
            self._stop()
        else:
            self._later(self._behaviour.work_s, self.finish_round)

    def _stop(self) -> None:
        if self._behaviour.stop_s != _INF:
            self._later(self._behaviour.stop_s, self.end_as_asked)

    def end_as_asked(self) -> None:
        """It has cleaned up."""
        self._end(None)

    def _end(self, kind: EndingKind | None) -> None:
        self.over = True
        self._host.work_over(self, None if self._asked else kind)
