"""The reference store: `coord.spi` in memory, for tests, simulations and `memory://name/group`.

Owns servers (what all handles share), handles and sessions. The rules are in `group_state`; here
are the lock, the clock that stamps, and the waking of watchers. No thread, no sleep, no I/O:
time passes when the injected clock says so, and whoever drives it decides who runs.

- Requests take effect at the server's clock; a handle may have a clock of its own, which stamps
  its proofs. Expiry hints are given only where both are the same object.
- Watchers are called by the thread that made the change, after the lock was let go of, and never
  for heartbeats. Where the server ends sessions itself (`Manner.SERVER`) it notices the time with
  each request, or when a driver calls `MemoryServer.tick()`: there is no thread that would.
- A handle's `close` leaves its sessions to expire, as the contract says; the server stays.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import TypeVar
from urllib.parse import urlsplit

from coord.clock import SYSTEM_CLOCK, Clock
from coord.errors import Certainty, ConfigError, StoreRefused, UsageError
from coord.model import MemberRecord, RoleRecord, View, checked_name
from coord.spi import (
    BeaconSeen,
    Claimed,
    ClaimRequest,
    Expiry,
    Guarantees,
    Held,
    Observed,
    OpenedStore,
    Probe,
    Proof,
    Tenure,
)
from coord.testing.group_state import GroupState, Manner, Rules
from coord.testing.wire.client import WireStore

__all__ = ["Manner", "MemoryServer", "MemorySession", "MemoryStore", "MemoryWatch"]

T = TypeVar("T")

BATCH_SIZE = 1000
CLOSE_TIMEOUT_S = 5.0  # a wake that runs longer breaks its contract
_EXPIRY = {
    Manner.PROVEN: Expiry.PROVEN,
    Manner.OBSERVED: Expiry.OBSERVED,
    Manner.SERVER: Expiry.PROVEN,
}


class MemoryServer:
    """What outlives handles and sessions: all groups, the one counter of tokens. Any thread.

    `manner`: how sessions expire. `lag_s`: how much of each renewal is forgotten (proofs say so).
    `expiry_late_s`: how much later than promised sessions end; may be changed at any time and
    counts from the next renewal of each session on. `min_ttl_s`: the shortest ttl granted.

    `state_type` is what a simulated manner, or a deliberately broken one, replaces.
    """

    state_type = GroupState

    def __init__(
        self,
        clock: Clock = SYSTEM_CLOCK,
        *,
        manner: Manner = Manner.PROVEN,
        min_ttl_s: float = 0.0,
        lag_s: float = 0.0,
        expiry_late_s: float = 0.0,
        first_token: int = 1,
    ) -> None:
        self.clock = clock
        self._rules = Rules(
            manner=manner, min_ttl_s=min_ttl_s, lag_s=lag_s, expiry_late_s=expiry_late_s
        )
        self._rules.serial = count(first_token)
        self._lock = threading.RLock()
        self._groups: dict[str, GroupState] = {}
        self._watches: dict[str, list[MemoryWatch]] = {}

    @property
    def guarantees(self) -> Guarantees:
        """What every handle of this server declares."""
        manner = self._rules.manner
        return Guarantees(
            kind="memory",
            token_source="one counter for the whole server",  # noqa: S106  a fencing token
            expiry=Expiry.BOUNDED_LAG if self.lag_s else _EXPIRY[manner],
            pushes_changes=True,
            peers_evict=manner is not Manner.SERVER,
            batch_size=BATCH_SIZE,
            min_ttl_s=self._rules.min_ttl_s,
        )

    @property
    def manner(self) -> Manner:
        """How sessions expire here."""
        return self._rules.manner

    @property
    def lag_s(self) -> float:
        """How much of each renewal is forgotten."""
        return self._rules.lag_s

    @property
    def expiry_late_s(self) -> float:
        """How much later than promised sessions end; set it to inject late expiry."""
        return self._rules.expiry_late_s

    @expiry_late_s.setter
    def expiry_late_s(self, late_s: float) -> None:
        with self._lock:
            self._rules.expiry_late_s = late_s

    def store(self, clock: Clock | None = None) -> MemoryStore:
        """Open a handle, as one process would; `clock` is that process's own."""
        return MemoryStore(self, clock=clock)

    def tick(self) -> None:
        """Notice the time: end what is due and wake watchers. For drivers of virtual time."""
        for group in tuple(self._groups):
            self.apply(group, lambda state, now_s: state.sweep(now_s))

    def next_expiry_s(self) -> float:
        """The earliest moment, on the server's clock, at which any session can be dead."""
        with self._lock:
            moments = [state.next_expiry_s() for state in self._groups.values()]
        return min(moments, default=float("inf"))

    def mark_gone(self, group: str, session: str) -> None:
        """The process of this session is provably dead from now on (PROVEN only)."""
        self.apply(group, lambda state, _now_s: state.mark_gone(session))

    def forget(self, group: str) -> None:
        """Delete a group with all that is in it, as an operator might. Tokens still grow."""
        self.apply(group, lambda state, _now_s: state.forget())

    def apply(self, group: str, request: Callable[[GroupState, float], T]) -> T:
        """Let one request take effect now, then wake the watchers if it changed the group."""
        woken: tuple[MemoryWatch, ...] = ()
        try:
            with self._lock:
                state = self._groups.get(group)
                if state is None:
                    state = self.state_type(checked_name("group", group), self._rules)
                    self._groups[group] = state
                before = state.revision
                try:
                    return request(state, self.clock.now())
                finally:
                    if state.revision != before:
                        woken = tuple(self._watches.get(group, ()))
        finally:
            for watch in woken:
                watch.wake()

    def subscribe(self, group: str, wake: Callable[[], None]) -> MemoryWatch:
        """Wake on every change of the group until the watch is closed."""
        watch = MemoryWatch(wake, self._unsubscribe)
        with self._lock:
            self._watches.setdefault(checked_name("group", group), []).append(watch)
        return watch

    def _unsubscribe(self, watch: MemoryWatch) -> None:
        with self._lock:
            for watches in self._watches.values():
                if watch in watches:
                    watches.remove(watch)


class MemoryWatch:
    """A subscription. No lock is held while `wake` runs: it may call back into anything."""

    def __init__(
        self, wake: Callable[[], None], unsubscribe: Callable[[MemoryWatch], None]
    ) -> None:
        self._wake = wake
        self._unsubscribe = unsubscribe
        self._idle = threading.Condition()
        self._running: list[int] = []
        self._open = True

    def wake(self) -> None:
        """Called by the server after a change, in the thread that made it."""
        me = threading.get_ident()
        with self._idle:
            if not self._open:
                return
            self._running.append(me)
        try:
            self._wake()
        finally:
            with self._idle:
                self._running.remove(me)
                self._idle.notify_all()

    def close(self) -> None:
        """Stop waking; waits for wakes that run in other threads. Idempotent."""
        me = threading.get_ident()
        with self._idle:
            self._open = False
            self._idle.wait_for(
                lambda: all(thread == me for thread in self._running), timeout=CLOSE_TIMEOUT_S
            )
        self._unsubscribe(self)


class MemorySession:
    """A live member's session. Implements `coord.spi.Session`; any thread."""

    def __init__(self, store: MemoryStore, group: str, session: str, opened: Proof) -> None:
        self._store = store
        self._group = group
        self._id = session
        self._opened = opened

    @property
    def id(self) -> str:
        """Unique within the server, never reused."""
        return self._id

    @property
    def ttl_s(self) -> float:
        """The granted ttl."""
        return self._opened.ttl_s

    @property
    def opened(self) -> Proof:
        """The proof that opening gave."""
        return self._opened

    def heartbeat(self, beacon: bytes) -> Proof:
        """Renew, and publish `beacon`."""
        store, opened = self._store, self._opened
        sent_at_s = store.clock.now()
        store.apply(self._group, lambda state, now: state.heartbeat(now, self._id, beacon))
        return Proof(sent_at_s=sent_at_s, ttl_s=opened.ttl_s, lag_s=opened.lag_s)

    def claim(self, requests: Sequence[ClaimRequest]) -> list[Claimed | Held]:
        """Try to take each key."""
        batch = _batch(requests)
        return self._apply(lambda state, now: state.claim(now, self._id, batch))

    def release(self, tenures: Sequence[Tenure]) -> None:
        """Let go of each tenure that is still ours."""
        batch = _batch(tenures)
        self._apply(lambda state, now: state.release(now, self._id, batch))

    def amend(self, tenures: Sequence[Tenure]) -> None:
        """Replace the note of each tenure that is still ours."""
        batch = _batch(tenures)
        self._apply(lambda state, now: state.amend(now, self._id, batch))

    def update(self, record: MemberRecord) -> None:
        """Replace this member's record."""
        self._apply(lambda state, now: state.update(now, self._id, record))

    def close(self) -> None:
        """End the session; its claims become free, unclean."""
        self._apply(lambda state, now: state.close(now, self._id))

    def _apply(self, request: Callable[[GroupState, float], T]) -> T:
        return self._store.apply(self._group, request)


def _batch(items: Sequence[T]) -> tuple[T, ...]:
    """A batch as promised to the store; the reference is strict so that callers learn to be."""
    if len(items) > BATCH_SIZE:
        raise UsageError(
            f"a batch of {len(items)}", cure=f"Send at most {BATCH_SIZE} keys a request."
        )
    return tuple(items)


class MemoryStore:
    """A handle on a `MemoryServer`: what one process opens. Implements `coord.spi.Store`."""

    session_type = MemorySession

    def __init__(self, server: MemoryServer | None = None, *, clock: Clock | None = None) -> None:
        self.server = MemoryServer() if server is None else server
        self.clock = self.server.clock if clock is None else clock
        self._hints = self.clock is self.server.clock
        self._watches: list[MemoryWatch] = []
        self._closed = False

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        clock: Clock = SYSTEM_CLOCK,
        timeout_s: float,
    ) -> OpenedStore:
        """Open `memory://NAME[/GROUP]`; equal names in one process are one server.

        The server runs on the clock of whoever opens the name first. `memory://HOST:PORT/GROUP`
        is one that another process serves (`coord.testing.wire`).
        """
        parts = urlsplit(url)
        if ":" in parts.netloc:
            return WireStore.from_url(url, clock=clock, timeout_s=timeout_s)
        group = parts.path.strip("/") or "default"
        if parts.scheme != "memory" or parts.query or parts.fragment:
            raise ConfigError(f"{url!r} names no memory store", cure="Write memory://NAME/GROUP.")
        with _SERVERS_LOCK:
            name = checked_name("memory store", parts.netloc or "default")
            server = _SERVERS.setdefault(name, MemoryServer(clock))
        return OpenedStore(cls(server, clock=clock), checked_name("group", group))

    @property
    def guarantees(self) -> Guarantees:
        """What this store declares about itself."""
        return self.server.guarantees

    def open_session(self, group: str, record: MemberRecord, ttl_s: float) -> MemorySession:
        """Make a member live."""
        checked_name("member", record.name)
        if not ttl_s > 0:
            raise ConfigError(f"a session of {ttl_s} s", cure="Ask for a ttl above 0.")
        sent_at_s = self.clock.now()
        session, granted_s = self.apply(group, lambda state, now: state.open(now, record, ttl_s))
        opened = Proof(sent_at_s=sent_at_s, ttl_s=granted_s, lag_s=self.server.lag_s)
        return self.session_type(self, group, session, opened)

    def view(self, group: str) -> View:
        """Read the group: one object as long as nothing has changed."""
        return self.apply(group, lambda state, now: state.view(now, hints=self._hints))

    def beacons(self, group: str) -> Mapping[str, BeaconSeen]:
        """The latest beacon of each live session."""
        return self.apply(group, lambda state, now: state.beacons(now))

    def watch(self, group: str, wake: Callable[[], None]) -> MemoryWatch:
        """Call `wake()` after each change, in the thread that made it."""
        self._check_open()
        watch = self.server.subscribe(group, wake)
        self._watches.append(watch)
        return watch

    def evict(self, group: str, observed: Observed) -> bool:
        """End a session that is dead."""
        return self.apply(group, lambda state, now: state.evict(now, observed))

    def depose(self, group: str, tenure: Tenure) -> bool:
        """Take one tenure away from its holder."""
        return self.apply(group, lambda state, now: state.depose(now, tenure))

    def put_role(self, group: str, record: RoleRecord) -> RoleRecord:
        """Write a role record, conditional on its version."""
        checked_name("role", record.name)
        return self.apply(group, lambda state, now: state.put_role(now, record))

    def probe(self, group: str) -> list[Probe]:
        """Who shares this server, and what it has given out."""
        view = self.view(group)
        held = sum(claim.session is not None for claim in view.claims.values())
        return [
            Probe(name="expiry", ok=True, value=self.server.manner.value),
            Probe(name="members", ok=True, value=str(len(view.members))),
            Probe(name="claims", ok=True, value=f"{held} held of {len(view.claims)}"),
            Probe(
                name="reach",
                ok=False,
                value="one process: nothing outside it sees this store",
                cure="Elect between processes with sqlite:// or a networked store.",
            ),
        ]

    def close(self) -> None:
        """Stop this handle's watches. Its sessions are left to expire. Idempotent."""
        self._closed = True
        for watch in self._watches:
            watch.close()
        self._watches.clear()

    def apply(self, group: str, request: Callable[[GroupState, float], T]) -> T:
        """Send one request of this handle."""
        if self._closed:
            self._check_open()
        return self.server.apply(group, request)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreRefused(
                "this memory store is closed",
                cure="Open another; nothing was done.",
                certainty=Certainty.NOT_APPLIED,
            )


_SERVERS: dict[str, MemoryServer] = {}
_SERVERS_LOCK = threading.Lock()
