"""What every schedule can say: the ticks around a moment.

Owns the protocol and what follows from it. Knows no kind of schedule.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Protocol

from coord.tasks.schedule.tick import Tick

__all__ = ["Schedule", "latest_by", "ticks_between"]


class Schedule(Protocol):
    """A set of moments, the same for every member. Immutable, and safe in every thread."""

    def after(self, moment: Tick) -> Tick | None:
        """The first tick later than the moment; None: none within 50 years."""
        ...

    def before(self, moment: Tick) -> Tick | None:
        """The last tick earlier than the moment; None: none within 50 years."""
        ...

    def count(self, after: Tick, upto: Tick) -> int:
        """How many ticks lie later than `after` and not later than `upto`.

        May stop counting at 100,000, and then says that many: a figure for people.
        """
        ...


def latest_by(schedule: Schedule, moment: Tick) -> Tick | None:
    """The last tick that is not later than the moment."""
    return schedule.before(moment.shifted(1))


def ticks_between(
    schedule: Schedule, after: Tick, upto: Tick, most: int | None = None
) -> Iterator[Tick]:
    """The ticks later than `after` and not later than `upto`, in order, one by one."""
    return islice(_ticks_between(schedule, after, upto), most)


def _ticks_between(schedule: Schedule, after: Tick, upto: Tick) -> Iterator[Tick]:
    tick = schedule.after(after)
    while tick is not None and tick <= upto:
        yield tick
        tick = schedule.after(tick)
