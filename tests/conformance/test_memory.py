"""The memory store keeps every promise, in each manner of expiry, in virtual and in real time."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from coord.clock import SYSTEM_CLOCK, Clock
from coord.testing.clock import ManualClock
from coord.testing.conformance import CHECKS, Check, Gate, Harness, check_store, gate_over
from coord.testing.memory import Manner, MemoryServer, MemoryStore


class _VirtualTime(ManualClock):
    """Time that passes when a check sleeps; the server then notices, as its driver must see to."""

    def __init__(self) -> None:
        super().__init__()
        self.server = MemoryServer(self)

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        self.server.tick()


def _leftovers() -> Mapping[str, int]:
    return {
        "threads": threading.active_count(),
        "files": sum(1 for _ in Path("/proc/self/fd").iterdir()),
    }


def _harness(server: MemoryServer, clock: Clock, **settings: object) -> Harness:
    def gate() -> Gate:
        return gate_over(MemoryStore(server), clock=clock)

    hooks: dict[str, object] = {
        "open": server.store,
        "clock": clock,
        "gate": gate,
        "reopen": lambda: None,
        "forget": server.forget,
        "leftovers": _leftovers,
    }
    return Harness(**{**hooks, **settings})  # type: ignore[arg-type]


def _virtual(manner: Manner, *, lag_s: float = 0.0, expiry_late_s: float = 0.0) -> Harness:
    time_ = _VirtualTime()
    time_.server = MemoryServer(time_, manner=manner, lag_s=lag_s, expiry_late_s=expiry_late_s)
    return _harness(time_.server, time_, sleep=time_.sleep, ttl_s=10.0, late_s=expiry_late_s + 1.0)


_SERVERS = {
    "proven": lambda: _virtual(Manner.PROVEN),
    "proven-late": lambda: _virtual(Manner.PROVEN, expiry_late_s=4.0),
    "observed": lambda: _virtual(Manner.OBSERVED),
    "server": lambda: _virtual(Manner.SERVER),
    "server-late": lambda: _virtual(Manner.SERVER, expiry_late_s=4.0),
    "bounded-lag": lambda: _virtual(Manner.SERVER, lag_s=3.0),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
@pytest.mark.parametrize("manner", _SERVERS)
def test_the_memory_store_keeps_the_promise(manner: str, check: Check) -> None:
    check.run(_SERVERS[manner]())


def test_the_memory_store_keeps_all_promises_in_real_time() -> None:
    server = MemoryServer(SYSTEM_CLOCK)
    harness = _harness(server, SYSTEM_CLOCK, sleep=time.sleep, ttl_s=0.5)
    assert check_store(harness) == []
