"""What a worker asks of its admission.

Owns that protocol and the values that cross it. An admission decides by what it is told and reads
no clock of its own: `now` comes in. The backlog calls it under one lock, so no method may block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from coord.tasks.queue.hand import InHand
from coord.tasks.queue.spi import QueueLimits

__all__ = ["Admission", "Deferral", "Load", "TenantLoad"]


class Deferral(NamedTuple):
    """A message to be given back now, to rest for so long. `reason`: one word, to count by."""

    hand: InHand
    rest_s: float
    reason: str
    why: str


class TenantLoad(NamedTuple):
    """What one tenant has here at the moment."""

    name: str
    running: int
    waiting: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How an admission stands. `oldest_sent_s`: wall time at the queue, of what waits or rests.

    `resting`: how many were deferred and have not come to the end of their rest. `passed`: how many
    were let past a limit because they could be deferred no more, by reason. `tenants`: the ten that
    have the most here.
    """

    limit: int
    most: int
    why: str
    waiting: int
    resting: int = 0
    oldest_sent_s: float | None = None
    passed: Mapping[str, int] = field(default_factory=dict)
    tenants: tuple[TenantLoad, ...] = ()


class Admission(Protocol):
    """How many may run, how many are received ahead, and in which order they begin."""

    def opened(self, limits: QueueLimits) -> None:
        """The queue is open, and this is what it declares. Called once, before all others."""
        ...

    @property
    def limit(self) -> int:
        """How many may run at once now."""
        ...

    @property
    def why(self) -> str:
        """Why that is the limit, in a few words."""
        ...

    @property
    def waiting(self) -> int:
        """How many were put and neither taken, nor deferred, nor drained."""
        ...

    def room(self, running: int, now: float) -> int:
        """How many more may be received now."""
        ...

    def put(self, hands: Sequence[InHand], now: float) -> None:
        """These were received and may begin when it is their turn."""
        ...

    def take(self, running: int, now: float) -> InHand | None:
        """The next to begin; None if nothing waits or nothing more may run."""
        ...

    def excess(self, running: int, now: float) -> list[Deferral]:
        """Those of what waits that are to be given back, which are then forgotten."""
        ...

    def ended(self, hand: InHand, seconds: float, running: int, now: float) -> None:
        """Work on one that was taken has stopped after so long; its outcome stands in it.

        `running`: how many ran until now, this one too.
        """
        ...

    def drain(self) -> list[InHand]:
        """All that waits, which is then forgotten."""
        ...

    def load(self, running: int, now: float) -> Load:
        """How it stands, for people and for scaling."""
        ...
