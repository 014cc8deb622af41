"""One direction through the proxy, over all connections: what it does to bytes.

Owns the settings of a direction and who must look again when they change. Moves no bytes. Used in
the proxy's thread alone; a `Conditions` is immutable and made anywhere.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from coord.errors import UsageError

if TYPE_CHECKING:
    from coord.testing.proxy.lane import Lane

__all__ = ["Conditions", "Mode", "Way"]


_MOST_LOST = 8  # one in a row more, and TCP would wait for a minute


class Mode(Enum):
    """What becomes of bytes."""

    PASS = "pass"  # noqa: S105  they pass, under the way's conditions
    HOLD = "hold"  # they wait; those that were granted pass
    DROP = "drop"  # they are gone, ends of connections included


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """How bytes pass. Refuses what cannot be: see `Direction.set`."""

    latency_s: float = 0.0
    jitter_s: float = 0.0
    bandwidth_bytes_s: float = math.inf
    reset_after_bytes: int | None = None
    loss: float = 0.0
    rto_s: float = 0.2

    def __post_init__(self) -> None:
        for name in ("latency_s", "jitter_s", "rto_s"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise UsageError(
                    f"{name} is {value!r}", cure="Give seconds: a number from 0, not infinite."
                )
        if not 0 <= self.loss < 1:
            raise UsageError(
                f"loss is {self.loss!r}",
                cure="Give a share from 0 and below 1; to lose everything, drop() the direction.",
            )
        if not self.bandwidth_bytes_s > 0:
            raise UsageError(
                f"bandwidth_bytes_s is {self.bandwidth_bytes_s!r}",
                cure="Give bytes a second, more than 0; to stop a direction, hold() it.",
            )
        if self.reset_after_bytes is not None and self.reset_after_bytes < 1:
            raise UsageError(
                f"reset_after_bytes is {self.reset_after_bytes!r}",
                cure="Give a count from 1; reset() resets at once.",
            )

    def delay_s(self, lot: float, luck: float) -> float:
        """How long a chunk is under way that drew these two, each from 0 and below 1.

        `luck` decides how often it is lost: n times or more with a probability of `loss` to the
        power of n. Each time the sender waits for its retransmission timeout, which doubles.
        """
        lost = 0
        if self.loss > 0:
            lost = min(_MOST_LOST, int(math.log(1 - luck) / math.log(self.loss)))
        return self.latency_s + lot * self.jitter_s + self.rto_s * ((1 << lost) - 1)


@dataclass(slots=True, eq=False)
class Way:
    """A direction: its mode and conditions, and the lanes that follow them."""

    name: str
    buffer_bytes: int
    mode: Mode = Mode.PASS
    conditions: Conditions = field(default_factory=Conditions)
    lanes: set[Lane] = field(default_factory=set)
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while what was held lands, so that modes do not change under it."""

    def apply(self, conditions: Conditions) -> None:
        """From now on these conditions, for every live connection too."""
        self.conditions = conditions
        for lane in self.lanes:
            lane.budget = conditions.reset_after_bytes
            lane.free_at_s = -math.inf
            lane.wake.set()

    def turn(self, mode: Mode) -> None:
        """From now on this mode, for every live connection too."""
        self.mode = mode
        for lane in self.lanes:
            lane.wake.set()
