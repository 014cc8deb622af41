"""Machines that stand still by themselves: how often, and for how long, drawn from what was seen.

Owns the drawing: so many pauses a second as were seen, each as long as one of them. What was seen
stands in a file of `coord.pauses/1`; `coord meter` writes such files. Knows no file, and no host.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Protocol

__all__ = ["FLOOR_S", "Seen", "Stalls"]

FLOOR_S = 0.01
"""Shorter pauses are left out: they are within what a request takes on its way."""


class Seen(Protocol):
    """What is needed of a file: lengths, and the time of all threads that looked, in seconds."""

    @property
    def observed_s(self) -> float:
        """For how long was looked, added up over all that looked."""
        ...

    @property
    def pauses_s(self) -> tuple[float, ...]:
        """The lengths."""
        ...


@dataclass(frozen=True, slots=True)
class Stalls:
    """So many a second of one process, and the lengths that are drawn from."""

    rate: float
    lengths_s: tuple[float, ...]

    @classmethod
    def of(cls, pauses: Seen) -> Stalls | None:
        """What was seen, without what is too short to matter; None if that was all."""
        lengths_s = tuple(one for one in pauses.pauses_s if one >= FLOOR_S)
        return cls(len(lengths_s) / pauses.observed_s, lengths_s) if lengths_s else None

    def next_s(self, dice: random.Random) -> tuple[float, float]:
        """In how many seconds the next one begins, and how long it is."""
        return dice.expovariate(self.rate), dice.choice(self.lengths_s)
