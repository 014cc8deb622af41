"""Which ticks a plan looks at, so that its work is bounded however long nobody planned.

Owns the choice between ticks that may still run and ticks that are given up. Knows no unit: what
has been recorded is not needed to say which records to read. No clock; `now_s` is handed in.
"""

from __future__ import annotations

from dataclasses import dataclass

from coord.tasks.schedule.plan import Why
from coord.tasks.schedule.policies import Missed, Policies
from coord.tasks.schedule.schedule import Schedule, latest_by, ticks_between
from coord.tasks.schedule.tick import MICROSECONDS, Tick

__all__ = ["AHEAD_MOST", "Sight", "first_cursor", "look"]

AHEAD_MOST = 256
"""How many ticks the parts of a task may drift apart: one part's run that outlasts so many periods
holds the others up. So many ticks right after the cursor are looked at even if nobody wants them;
what lies behind is one gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """The ticks after the cursor that are due, in order: `head`, a gap, `wanted`.

    Only `head` and `wanted` are looked at one by one. Where a task is planned regularly the gap
    is empty: it is what builds up while nobody plans.
    """

    head: tuple[Tick, ...] = ()
    """Ticks that shall not be started any more; they may have been."""
    gap: tuple[Tick, Tick] | None = None
    """The first and the last of the ticks after them that shall not be started either."""
    wanted: tuple[Tick, ...] = ()
    """Ticks that shall run."""
    latest: Tick | None = None
    """The last tick that is due."""
    window: Tick
    """The beginning of what is caught up with."""

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """The ticks whose units' records a plan needs."""
        return self.head + self.wanted

    def why_not(self, tick: Tick, policies: Policies) -> Why:
        """Why an unwanted tick is not wanted."""
        if policies.missed is Missed.CATCH_UP:
            return Why.OUT_OF_WINDOW if tick < self.window else Why.TOO_MANY
        return Why.LATE if tick == self.latest else Why.MISSED


def first_cursor(schedule: Schedule, now_s: float) -> Tick:
    """Where a task that has never been planned begins: the tick before now.

    So a new task catches up with nothing; a tick at this very moment is due.
    """
    now = Tick.of(now_s)
    return schedule.before(now) or now.shifted(-1)


def look(schedule: Schedule, cursor: Tick, now_s: float, policies: Policies) -> Sight:
    """The ticks to be considered at `now_s`; read the records of all their units, then plan."""
    due = Tick.of(now_s - policies.offset_s)
    window = due.shifted(-round(policies.window_s * MICROSECONDS))
    latest = latest_by(schedule, due)
    if latest is None or latest <= cursor:
        return Sight(window=window)
    lowest = max(window, cursor.shifted(1))
    floor = max(_floor(schedule, policies, due, lowest, latest), cursor.shifted(1))
    below = floor.shifted(-1)
    head = tuple(ticks_between(schedule, cursor, below, AHEAD_MOST))
    return Sight(
        head=head,
        gap=_gap(schedule, head, below),
        wanted=tuple(ticks_between(schedule, below, latest)),
        latest=latest,
        window=window,
    )


def _floor(schedule: Schedule, policies: Policies, due: Tick, lowest: Tick, latest: Tick) -> Tick:
    """The moment from which on ticks are wanted; right after the latest if none is."""
    match policies.missed:
        case Missed.ONCE:
            return latest
        case Missed.SKIP:
            late = due.us - latest.us > policies.grace_s * MICROSECONDS
            return latest.shifted(1) if late else latest
        case Missed.CATCH_UP:
            if schedule.count(lowest.shifted(-1), latest) <= policies.most:
                return lowest
            floor = latest
            for _ in range(policies.most - 1):
                floor = schedule.before(floor) or floor
            return floor


def _gap(schedule: Schedule, head: tuple[Tick, ...], below: Tick) -> tuple[Tick, Tick] | None:
    if len(head) < AHEAD_MOST:
        return None
    first, last = schedule.after(head[-1]), latest_by(schedule, below)
    return (first, last) if first and last and first <= last else None
