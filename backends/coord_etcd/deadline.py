"""When one call of the contract has to be over, and whether anything of it may have landed.

Owns the rule for promise 5: **one call, one record of what was sent.** A call may take several
requests (a write, a read of what became of it, another write), several attempts at each, and end
with a request that certainly did nothing. `NOT_APPLIED` is about the whole call: it is not said
once any of its requests that writes was answered, or may have landed
(`tests/integration/etcd/test_certainty.py`). So every call makes one deadline and hands it to all
of its requests. Sends nothing.
"""

from __future__ import annotations

from coord.clock import SYSTEM_CLOCK

__all__ = ["Deadline"]

_LEAST_S = 0.001


class Deadline:
    """The time that a call has, on the system's clock whatever the store's is. One thread."""

    __slots__ = ("may_have_landed", "timeout_s", "until_s")

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.until_s = SYSTEM_CLOCK.now() + timeout_s
        self.may_have_landed = False
        """Whether a write of this call was answered, or failed in a way that proves nothing."""

    @property
    def left_s(self) -> float:
        """Seconds until then, at least next to nothing."""
        return max(_LEAST_S, self.until_s - SYSTEM_CLOCK.now())

    @property
    def is_over(self) -> bool:
        """Whether there is no more time."""
        return SYSTEM_CLOCK.now() >= self.until_s
