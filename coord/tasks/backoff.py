"""How long a message rests that came to nothing.

Owns that curve: it doubles with each delivery up to a limit, with jitter, so that what failed
together does not come back together. Pure but for its jitter, which is handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Backoff"]

_MOST_DOUBLINGS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """`base_s` after the first delivery, doubling up to `most_s`."""

    base_s: float = 1.0
    most_s: float = 900.0

    def seconds(self, received: int, draw: Callable[[], float]) -> float:
        """After so many deliveries; `draw` gives a number in [0, 1)."""
        whole = self.base_s * 2.0 ** min(max(0, received - 1), _MOST_DOUBLINGS)
        return min(self.most_s, whole) * (0.5 + draw() / 2)
