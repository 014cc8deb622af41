"""What `coord doctor` measures: round trips, the granted ttl, how soon a change is noticed.

Owns the measuring. Judges nothing. It leaves nothing behind: the session that it opens is closed,
and stands in the group of the URL, so that if this process is killed half-way the members of that
group evict it like any other; under a group of its own nobody ever would. The member it pretends to
be serves no role and drains, so nothing is given to it and nothing moves for it.
"""

from __future__ import annotations

import os
import secrets
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from coord.clock import SYSTEM_CLOCK
from coord.errors import StoreError
from coord.model import Beacon, MemberRecord
from coord.spi import OpenedStore, Proof, Session

__all__ = ["Measured", "RoundTrips", "measure"]

ROUNDS = 20
SHORT_TTL_S = 0.5
LEAST_ROUNDS = 3
BUDGET_S = 2.0
NOTICE_S = 2.0
NAPS = 50
NAP_S = 0.002


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """How long one kind of request took, in milliseconds."""

    what: str
    taken_ms: tuple[float, ...]

    @property
    def median_ms(self) -> float:
        """The middle one."""
        return statistics.median(self.taken_ms)

    @property
    def slowest_ms(self) -> float:
        """The worst one."""
        return max(self.taken_ms)


@dataclass(slots=True)
class Measured:
    """All that could be measured until `error` ended it."""

    round_trips: list[RoundTrips] = field(default_factory=list)
    asked_ttl_s: float = 0.0
    opened: Proof | None = None
    least_ttl_s: float = 0.0
    lag_s: float = 0.0
    noticed_ms: float | None = None
    woken_late_ms: float = 0.0
    error: StoreError | None = None

    def slowest_ms(self, what: str) -> float:
        """The worst round trip of one kind; 0 if none was made."""
        return max(
            (trips.slowest_ms for trips in self.round_trips if trips.what == what), default=0
        )


def measure(found: OpenedStore, ttl_s: float) -> Measured:
    """Time views, then a session's opening, heartbeats and closing. Some seconds at most.

    Before that, a session is opened for a moment with a ttl that few servers grant: what they grant
    instead is their shortest.
    """
    out = Measured(asked_ttl_s=ttl_s, woken_late_ms=_woken_late_ms())
    try:
        out.round_trips.append(_timed("view", lambda: found.store.view(found.group)))
        _measure_session(found, ttl_s, out)
    except StoreError as error:
        out.error = error
    return out


def _woken_late_ms() -> float:
    """How much later than asked for this process wakes up, at worst: load, limits, steal time."""
    late_s = []
    for _ in range(NAPS):
        begun_s = SYSTEM_CLOCK.now()
        time.sleep(NAP_S)
        late_s.append(SYSTEM_CLOCK.now() - begun_s - NAP_S)
    return max(late_s) * 1000


def _timed(what: str, request: Callable[[], object]) -> RoundTrips:
    taken_ms: list[float] = []
    end_s = SYSTEM_CLOCK.now() + BUDGET_S
    while len(taken_ms) < ROUNDS:
        begun_s = SYSTEM_CLOCK.now()
        if begun_s > end_s and len(taken_ms) >= LEAST_ROUNDS:
            break
        request()
        taken_ms.append((SYSTEM_CLOCK.now() - begun_s) * 1000)
    return RoundTrips(what, tuple(taken_ms))


def _measure_session(found: OpenedStore, ttl_s: float, out: Measured) -> None:
    with _session(found, _visitor(), SHORT_TTL_S) as brief:
        out.least_ttl_s = brief.ttl_s
    record = _visitor()
    begun_s = SYSTEM_CLOCK.now()
    with _session(found, record, ttl_s) as session:
        taken_ms = (SYSTEM_CLOCK.now() - begun_s) * 1000
        out.round_trips.append(RoundTrips("open session", (taken_ms,)))
        out.opened = session.opened
        proofs = [session.opened]
        beacon = Beacon().to_bytes()
        out.round_trips.append(
            _timed("heartbeat", lambda: proofs.append(session.heartbeat(beacon)))
        )
        out.lag_s = max(proof.lag_s for proof in proofs)
        with _noticing(found) as noticed_ms:
            begun_s = SYSTEM_CLOCK.now()
            session.close()
            taken_ms = (SYSTEM_CLOCK.now() - begun_s) * 1000
            out.round_trips.append(RoundTrips("close session", (taken_ms,)))
            out.noticed_ms = noticed_ms(begun_s)


def _visitor() -> MemberRecord:
    """A member that is given nothing, and for whom nothing moves."""
    return MemberRecord(
        name=f"doctor-{secrets.token_hex(4)}",
        incarnation=secrets.token_hex(8),
        weight=0.0,
        max_shards=0,
        draining=True,
        host=socket.gethostname(),
        pid=os.getpid(),
    )


@contextmanager
def _session(found: OpenedStore, record: MemberRecord, ttl_s: float) -> Iterator[Session]:
    """A session that is closed whatever happens; closing twice is no error."""
    session = found.store.open_session(found.group, record, ttl_s)
    try:
        yield session
    finally:
        with suppress(StoreError):
            session.close()


@contextmanager
def _noticing(found: OpenedStore) -> Iterator[Callable[[float], float | None]]:
    """How long after a moment the store's watch woke us: milliseconds, None for not in time."""
    woken_s: list[float] = []
    woken = threading.Event()

    def wake() -> None:
        woken_s.append(SYSTEM_CLOCK.now())
        woken.set()

    def noticed_ms(since_s: float) -> float | None:
        while not any(at >= since_s for at in woken_s):
            if not woken.wait(NOTICE_S):
                return None
            woken.clear()
        return (next(at for at in woken_s if at >= since_s) - since_s) * 1000

    subscription = found.store.watch(found.group, wake)
    try:
        yield noticed_ms
    finally:
        subscription.close()
