"""What the runtime's tests share: a recorder of what is told, a store with gates, a clock to move.

Everything waits for events, with a bound; nothing sleeps.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from coord import Coordinator
from coord.clock import SYSTEM_CLOCK, Clock
from coord.model import ClaimKey, EndingKind, View
from coord.runtime import Hooks
from coord.spi import OpenedStore
from coord.testing import FaultyStore, MemoryServer
from coord.testing.faults import Delivery, Request

__all__ = [
    "BOUND_S",
    "ONE",
    "Gates",
    "JumpingClock",
    "LogKeeper",
    "Recorder",
    "Told",
    "endings",
    "gated",
    "sees",
    "within",
]

BOUND_S = 20.0
"""How long a test waits for what must happen: generous, for machines that are busy."""

ONE = ClaimKey("one", 1, 0, 0)
"""The claim of the role that most tests lead."""


def endings(server: MemoryServer) -> list[tuple[str, EndingKind]]:
    """What that claim remembers of its holders."""
    note = server.store().view("g").claims[ONE].note
    return [(ending.member, ending.kind) for ending in note.endings]


def sees(fleet: Coordinator, happened: Callable[[View], bool]) -> None:
    """Wait until the member has a view of which this is true."""
    engine = fleet.engine()
    assert engine.wait_for(lambda: engine.view is not None and happened(engine.view), BOUND_S)


def within(event: threading.Event) -> None:
    """Wait for it; fail if it does not come."""
    assert event.wait(BOUND_S), "it did not happen in time"


class Told(NamedTuple):
    """One thing that a hook was told."""

    what: str
    kind: str
    detail: str


class Recorder(Hooks):
    """Keeps what it is told, and lets a test wait for it."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.began: list[tuple[ClaimKey, int]] = []
        self.ended: list[tuple[ClaimKey, int, str]] = []
        self.progressed_by: list[tuple[ClaimKey, int]] = []
        self._news = threading.Condition()

    def _keep(self, what: str, kind: str, detail: str) -> None:
        with self._news:
            self.told.append(Told(what, kind, detail))
            self._news.notify_all()

    def member(self, state: str) -> None:
        self._keep("member", state, "")

    def term_began(self, key: ClaimKey, token: int, until_s: float, *, asked_s: float) -> None:
        self.began.append((key, token))
        self._keep("began", key.role, str(key))

    def term_ended(self, key: ClaimKey, token: int, why: str) -> None:
        self.ended.append((key, token, why))
        self._keep("ended", key.role, why)

    def progressed(self, key: ClaimKey, token: int) -> None:
        self.progressed_by.append((key, token))

    def failed_work(self, key: ClaimKey, text: str, error: BaseException) -> None:
        self._keep("failed", key.role, text)

    def called(
        self, operation: str, start_s: float, end_s: float, *, certainty: str | None
    ) -> None:
        self._keep("called", operation, certainty or "")

    def report(self, kind: str, detail: str) -> None:
        self._keep("report", kind, detail)

    def close(self) -> None:
        self._keep("close", "", "")

    def count(self, what: str, kind: str) -> int:
        """How often it was told so."""
        return sum((t.what, t.kind) == (what, kind) for t in self.told)

    def await_told(self, what: str, kind: str, *, times: int = 1) -> Told:
        """Wait until it was told so often; the last of them."""
        with self._news:
            assert self._news.wait_for(lambda: self.count(what, kind) >= times, BOUND_S), (
                f"not told {what} {kind!r} {times}×: {self.told[-30:]}"
            )
        return [t for t in self.told if (t.what, t.kind) == (what, kind)][times - 1]


class JumpingClock:
    """The system's clock, plus what the test has let pass at a stroke."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now(self) -> float:
        return SYSTEM_CLOCK.now() + self.ahead_s


class Gates:
    """Decides about requests by method: lets them through, holds them back, or breaks them."""

    def __init__(self) -> None:
        self.entered: dict[str, threading.Event] = {}
        self._open: dict[str, threading.Event] = {}
        self._broken: dict[str, Callable[[], BaseException]] = {}

    def shut(self, method: str) -> threading.Event:
        """Hold back all requests of `method`; the event tells that one has come."""
        self._open[method] = threading.Event()
        self.entered[method] = threading.Event()
        return self.entered[method]

    def open(self, method: str) -> None:
        """Let through what waits, and all that follows."""
        gate = self._open.pop(method, None)
        if gate is not None:
            gate.set()

    def open_all(self) -> None:
        """Let everything through."""
        self._broken.clear()
        for method in list(self._open):
            self.open(method)

    def break_with(self, method: str, error: Callable[[], BaseException]) -> None:
        """Have each request of `method` raise."""
        self._broken[method] = error

    def mend(self, method: str) -> None:
        """Let it work again."""
        self._broken.pop(method, None)

    def decide(self, request: Request[Any]) -> Delivery:
        gate = self._open.get(request.method)
        if gate is not None:
            self.entered[request.method].set()
            gate.wait(BOUND_S)
        error = self._broken.get(request.method)
        if error is not None:
            raise error()
        return Delivery()

    def hold(self, request: Request[Any]) -> None:
        """Nothing is held here."""


def gated(server: MemoryServer, gates: Gates, clock: Clock) -> Callable[..., OpenedStore]:
    """What opens a store behind gates, in the place of `open_store`."""

    def open_store(_url: str, *, clock: Clock = clock, timeout_s: float = 1.0) -> OpenedStore:
        store = FaultyStore(server.store(clock), gates, clock=clock, timeout_s=timeout_s)
        return OpenedStore(store, "g")

    return open_store


class LogKeeper(logging.Handler):
    """Keeps log records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
