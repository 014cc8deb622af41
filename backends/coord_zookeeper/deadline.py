"""How long a call may still take.

Owns the clock of timeouts: the system's monotonic one, whatever clock decides about trust.
"""

from __future__ import annotations

import time

__all__ = ["Deadline"]


class Deadline:
    """The end of a call, `timeout_s` after it began."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._end_s = time.monotonic() + timeout_s

    def left_s(self) -> float:
        """Seconds until then, never negative."""
        return max(0.0, self._end_s - time.monotonic())

    @property
    def is_over(self) -> bool:
        """Whether it has passed."""
        return self.left_s() <= 0
