"""The memory store keeps every promise, in each manner of expiry, in virtual and in real time."""

from __future__ import annotations

import time

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.testing.conformance import CHECKS, Check, check_store
from coord.testing.memory import Manner, MemoryServer
from tests.conformance.harnesses import memory_harness, virtual_harness

_MANNERS = {
    "proven": lambda: virtual_harness(Manner.PROVEN),
    "proven-late": lambda: virtual_harness(Manner.PROVEN, expiry_late_s=4.0),
    "observed": lambda: virtual_harness(Manner.OBSERVED),
    "server": lambda: virtual_harness(Manner.SERVER),
    "server-late": lambda: virtual_harness(Manner.SERVER, expiry_late_s=4.0),
    "bounded-lag": lambda: virtual_harness(Manner.SERVER, lag_s=3.0),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
@pytest.mark.parametrize("manner", _MANNERS)
def test_the_memory_store_keeps_the_promise(manner: str, check: Check) -> None:
    check.run(_MANNERS[manner]())


@pytest.mark.serial
def test_the_memory_store_keeps_all_promises_in_real_time() -> None:
    harness = memory_harness(MemoryServer(SYSTEM_CLOCK), SYSTEM_CLOCK, time.sleep, ttl_s=1.0)
    assert check_store(harness) == []
