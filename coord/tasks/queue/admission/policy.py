"""What a worker asks of its admission.

Owns that protocol. An admission decides by what it is told and reads no clock of its own; the
backlog calls it under one lock, so no method may block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from coord.tasks.queue.hand import InHand

__all__ = ["Admission"]


class Admission(Protocol):
    """How many may run, how many are received ahead, and in which order they begin."""

    @property
    def waiting(self) -> int:
        """How many were put and neither taken nor drained."""
        ...

    def room(self, running: int) -> int:
        """How many more may be received now."""
        ...

    def put(self, hands: Sequence[InHand]) -> None:
        """These were received and may begin when it is their turn."""
        ...

    def take(self, running: int) -> InHand | None:
        """The next to begin; None if nothing waits or nothing more may run."""
        ...

    def ended(self, hand: InHand, seconds: float) -> None:
        """Work on one that was taken has stopped after so long; its outcome stands in it."""
        ...

    def drain(self) -> list[InHand]:
        """All that waits, which is then forgotten."""
        ...
