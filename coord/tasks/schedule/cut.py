"""Into how many parts each tick of a task is cut: once it has begun, for good.

Owns the value and its arithmetic. Pure. Without `parts=` a tick has as many parts as the role has
shards, and a role may be reshaped, or a fleet change its mode, in the middle of a tick. The number
is therefore written beside the cursor before the first part of a tick begins, conditional on what
was read; whoever comes later, with whatever number of his own, works out his share of the parts
that the tick was cut into (`test_a_reshape_in_the_middle_of_a_tick_runs_each_of_its_parts_once`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from coord.tasks.schedule.tick import Tick

__all__ = ["Cut", "Pin"]


class Pin(NamedTuple):
    """Ticks up to `upto`, and after the pin before this one, have so many parts."""

    upto: Tick
    parts: int


@dataclass(frozen=True, slots=True)
class Cut:
    """`parts` of ticks that nobody has begun; `pins` of those before, in order."""

    parts: int
    pins: tuple[Pin, ...] = ()

    def of(self, tick: Tick) -> int:
        """How many parts a tick has."""
        for pin in self.pins:
            if tick <= pin.upto:
                return pin.parts
        return self.parts

    def pinned(self, tick: Tick) -> Cut:
        """The same with every tick up to this one pinned."""
        if self.pins and tick <= self.pins[-1].upto:
            return self
        kept = self.pins[:-1] if self.pins and self.pins[-1].parts == self.parts else self.pins
        return replace(self, pins=(*kept, Pin(tick, self.parts)))

    def beyond(self, cursor: Tick) -> Cut:
        """The same without what nobody looks at any more."""
        return replace(self, pins=tuple(pin for pin in self.pins if pin.upto > cursor))
