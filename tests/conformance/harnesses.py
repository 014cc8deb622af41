"""Memory stores under test, sound and broken ones, in virtual and in real time.

And what any handle may leave behind.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from coord.clock import Clock
from coord.testing.clock import ManualClock
from coord.testing.conformance import Gate, Harness, gate_over
from coord.testing.memory import Manner, MemoryServer, MemoryStore

__all__ = ["leftovers", "memory_harness", "virtual_harness"]


def leftovers() -> dict[str, int]:
    """What a handle may leave behind in its process."""
    return {
        "threads": threading.active_count(),
        "descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()),
    }


def memory_harness(
    server: MemoryServer,
    clock: Clock,
    sleep: Callable[[float], None],
    *,
    store_type: type[MemoryStore] = MemoryStore,
    ttl_s: float,
    late_s: float = 1.0,
    reopen: Callable[[], None] = lambda: None,
) -> Harness:
    """All hooks; the server outlives its handles, so that reopening needs nothing done."""

    def open_handle() -> MemoryStore:
        return store_type(server)

    def gate() -> Gate:
        return gate_over(store_type(server), clock=clock)

    return Harness(
        open=open_handle,
        clock=clock,
        sleep=sleep,
        ttl_s=ttl_s,
        late_s=late_s,
        gate=gate,
        reopen=reopen,
        forget=server.forget,
        leftovers=leftovers,
    )


def virtual_harness(
    manner: Manner = Manner.PROVEN,
    *,
    server_type: type[MemoryServer] = MemoryServer,
    store_type: type[MemoryStore] = MemoryStore,
    lag_s: float = 0.0,
    expiry_late_s: float = 0.0,
) -> Harness:
    """Time passes when a check sleeps; then the server notices, as its driver has to see to."""
    clock = ManualClock()
    server = server_type(clock, manner=manner, lag_s=lag_s, expiry_late_s=expiry_late_s)

    def sleep(seconds: float) -> None:
        clock.advance(seconds)
        server.tick()

    return memory_harness(
        server, clock, sleep, store_type=store_type, ttl_s=10.0, late_s=expiry_late_s + 1.0
    )
