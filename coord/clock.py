"""The one clock that decides about deadlines.

Owns the reading of operating-system time for the whole package; nobody else reads it. Knows
nothing of sessions or claims.

Why CLOCK_BOOTTIME on Linux: a lease goes on running in the store while a laptop or a virtual
machine sleeps, so our side must count that time too. The monotonic clock that Python's own
waits use stops during suspend; therefore whoever waits re-reads this clock after each wake and
never trusts the length of a wait. A hypervisor that stops the guest without telling it may be
counted by no guest clock: a stated non-guarantee, which fencing tokens cover. Wall clocks
decide nothing: they are set, stepped and smeared by others.
"""

from __future__ import annotations

import time
from typing import Protocol, runtime_checkable

__all__ = ["SYSTEM_CLOCK", "Clock", "SystemClock"]

_CLOCK_ID: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@runtime_checkable
class Clock(Protocol):
    """A source of seconds that never goes backwards within one boot of one machine."""

    def now(self) -> float:
        """Seconds since an arbitrary start that is the same for all processes of one boot."""
        ...


class SystemClock:
    """CLOCK_BOOTTIME where the system has it, the monotonic clock elsewhere. Any thread."""

    __slots__ = ()

    def now(self) -> float:
        """Seconds since boot, suspend included on Linux."""
        return time.clock_gettime(_CLOCK_ID)


SYSTEM_CLOCK = SystemClock()
