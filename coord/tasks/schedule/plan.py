"""What the planner is told, and what it answers: values only.

Owns units, what has been seen of them, and plans. Decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from coord.tasks.schedule.tick import Tick

__all__ = ["Plan", "Seen", "Skip", "TickPart", "UnitState", "Why"]


class TickPart(NamedTuple):
    """What is run once: one part of one tick of a task."""

    tick: Tick
    part: int


class UnitState(Enum):
    """What the records say of a unit."""

    NONE = "none"
    """Nothing, or that a run of it has failed or died: it may be started."""
    QUEUED = "queued"
    """Not started, and an earlier plan said that it waits: it is not late."""
    ENQUEUED = "enqueued"
    """Handed to a queue whose workers will run it; whoever runs units himself says NONE."""
    IN_PROGRESS = "in progress"
    """A live run has it."""
    RESTING = "resting"
    """A run of it has failed and it is not tried again yet. Nothing runs: a later tick need not
    wait for it, unless this one is wanted all the same."""
    DONE = "done"
    SKIPPED = "skipped"


class Seen(NamedTuple):
    """A unit's state, and since when the wall clock has called it begun or enqueued.

    `since_s` None: unknown; a running unit then counts as begun before whatever comes next.
    """

    state: UnitState
    since_s: float | None = None


class Why(Enum):
    """Why a unit is not run. One word each, for records, logs and counters."""

    MISSED = "missed"
    """A later tick is due already, and only the latest is wanted."""
    LATE = "late"
    """It was not started in time, and late ticks are not wanted."""
    OUT_OF_WINDOW = "out-of-window"
    """It lies before the window of what is caught up with."""
    TOO_MANY = "missed-too-many"
    """It lies within the window, behind more ticks than are caught up with."""
    OVERLAP = "overlap"
    """The unit before it still ran."""
    REPLACED = "replaced"
    """It ran, and was stopped for a later tick. No plan says so: whoever stopped it does."""
    LOST_IN_QUEUE = "lost-in-queue"
    """It was handed to a queue, and for as long as the window nobody has begun it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """Units that will not run. Count them when this plan's cursor and records are written."""

    why: Why
    first: Tick
    last: Tick
    part: int | None
    """The part; None: all parts of all ticks from `first` to `last`."""
    units: int
    """How many they are; of a long gap, at least so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do now, and when to ask again.

    Act on it in this order: write `record`, then `cursor`, then do `stop` and `start`. A crash at
    any point between repeats nothing and loses nothing. The cursor goes first because it never
    covers what is to be started; a unit begun before the cursor is written could end up in a gap
    behind it, where the next plan does not look.
    """

    start: tuple[TickPart, ...]
    """To be run, or handed to the queue, now. At most one of each part, the oldest tick first."""
    stop: tuple[TickPart, ...]
    """To be told to stop, because a later tick replaces them: record them SKIPPED once they have
    stopped (at once, if they only lie in a queue), then plan again. The later tick is in `waiting`
    until then. If one completes nevertheless, it has completed."""
    waiting: tuple[TickPart, ...]
    """Due, and behind a unit that runs. Plan again when it ends, and call these QUEUED."""
    skipped: tuple[Skip, ...]
    """What is given up by this plan and by no earlier one whose results were written."""
    record: tuple[TickPart, ...]
    """Skipped units that lie beyond the cursor: write each down as SKIPPED."""
    cursor: Tick
    """Everything up to here is settled. Never earlier than the cursor that was given; write it
    only over that one, and if another stands there, plan anew from it."""
    more: bool
    """A long gap is not worked off yet: write the cursor, then plan again at once."""
    look_again_s: float
    """The wall clock's reading at which the next tick is due; later than now, `inf` if never.

    A wall clock may step: wait for it in slices, and plan again also whenever a unit ends.
    """
