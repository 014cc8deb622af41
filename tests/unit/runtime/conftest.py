"""Coordinators that are closed whatever happens, and a look at what is left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, NamedTuple

import pytest

from coord import Coordinator, Timing
from coord.clock import SYSTEM_CLOCK, Clock
from coord.runtime import coordinator as coordinator_module
from coord.testing import MemoryServer
from tests.unit.runtime.support import BOUND_S, Gates, Recorder, gated

_number = count()
QUICK = Timing.of(10.0, heartbeat_s=0.2, settle_s=0.02, claim_timeout_s=0.1, control_timeout_s=2.0)
"""Elects within some 50 ms, and loses nothing when the machine is busy for seconds."""


class Started(NamedTuple):
    """A running member and what it tells."""

    fleet: Coordinator
    told: Recorder


Start = Callable[..., Started]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Every thread that a test starts through coord has ended with it."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("coord"):
            thread.join(BOUND_S)
            assert not thread.is_alive(), f"{thread.name} is left behind"


@pytest.fixture
def url() -> str:
    """A memory store that no other test uses."""
    return f"memory://runtime-{next(_number)}/g"


@pytest.fixture
def start(url: str) -> Iterator[Start]:
    """Start members of one group: `start("a", timing=…)`."""
    running: list[Coordinator] = []

    def begin(member: str = "a", **settings: Any) -> Started:  # noqa: ANN401 (Coordinator's own)
        told = Recorder()
        settings.setdefault("timing", QUICK)
        fleet = Coordinator(settings.pop("url", url), member=member, hooks=told, **settings)
        running.append(fleet)
        return Started(fleet.start(), told)

    yield begin
    for fleet in running:
        fleet.stop()
    for fleet in running:
        fleet.close()


class Behind(NamedTuple):
    """A memory server whose handles go through gates."""

    server: MemoryServer
    gates: Gates


Put = Callable[..., Behind]


@pytest.fixture
def behind(monkeypatch: pytest.MonkeyPatch) -> Iterator[Put]:
    """Put every store that is opened from now on behind gates."""
    made: list[Gates] = []

    def put(clock: Clock = SYSTEM_CLOCK) -> Behind:
        server, gates = MemoryServer(clock), Gates()
        made.append(gates)
        monkeypatch.setattr(coordinator_module, "open_store", gated(server, gates, clock))
        return Behind(server, gates)

    yield put
    for gates in made:
        gates.open_all()
