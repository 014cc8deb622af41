"""A handle on a memory store in another process: `coord.spi` over the wire.

Owns handles, sessions and watches. The rules are the server's. Heartbeats have a connection of
their own, so that none waits behind a large view; each watch has one too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from coord.address import parsed_address
from coord.clock import SYSTEM_CLOCK, Clock
from coord.errors import ConfigError, CoordError, UsageError
from coord.model import MemberRecord, RoleRecord, View, checked_name
from coord.spi import (
    BeaconSeen,
    Claimed,
    ClaimRequest,
    Guarantees,
    Held,
    Observed,
    OpenedStore,
    Probe,
    Proof,
    Tenure,
)
from coord.testing.wire import values
from coord.testing.wire.line import NOTHING, Line

__all__ = ["WireSession", "WireStore", "WireWatch"]

T = TypeVar("T")

_SYNTAX = "Write memory://127.0.0.1:PORT/GROUP."
_WAIT_S = 0.5  # how long the server keeps a watch waiting when nothing changes
_RETRY_S = 0.1
_JOIN_S = 5.0  # a wake that runs longer breaks its contract
_NOWHERE = -1


class WireSession:
    """A live member's session. Implements `coord.spi.Session`; any thread."""

    def __init__(self, store: WireStore, group: str, session: str, opened: Proof) -> None:
        self._store = store
        self._place = {"group": group, "session": session}
        self._opened = opened

    @property
    def id(self) -> str:
        """Unique, never reused."""
        return self._place["session"]

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
        sent_at_s = self._store.clock.now()
        asked = {"beacon": beacon.decode("latin-1"), **self._place}
        self._store.pulse.ask("heartbeat", asked)
        return Proof(sent_at_s=sent_at_s, ttl_s=self.ttl_s)

    def claim(self, requests: Sequence[ClaimRequest]) -> list[Claimed | Held]:
        """Try to take each key."""
        batch = _batch(requests)
        found = self._ask("claim", {"requests": values.requests_json(batch)})
        return values.answers_from(found["tokens"], batch)

    def release(self, tenures: Sequence[Tenure]) -> None:
        """Let go of each tenure that is still ours."""
        self._ask("release", {"tenures": values.tenures_json(_batch(tenures))})

    def amend(self, tenures: Sequence[Tenure]) -> None:
        """Replace the note of each tenure that is still ours."""
        self._ask("amend", {"tenures": values.tenures_json(_batch(tenures))})

    def update(self, record: MemberRecord) -> None:
        """Replace this member's record."""
        self._ask("update", {"record": values.member_json(record)})

    def close(self) -> None:
        """End the session; its claims become free, unclean."""
        self._ask("close")

    def _ask(self, op: str, asked: Mapping[str, Any] = NOTHING) -> dict[str, Any]:
        return self._store.line.ask(op, {**self._place, **asked})


def _batch(items: Sequence[T]) -> Sequence[T]:
    most = values.GUARANTEES.batch_size
    if len(items) > most:
        raise UsageError(f"a batch of {len(items)}", cure=f"Send at most {most} keys a request.")
    return items


class WireWatch:
    """A subscription: a thread that asks for the next change, and tells at once when it came.

    After whatever went wrong it wakes, since a change may have been missed.
    """

    def __init__(self, line: Line, group: str, wake: Callable[[], None]) -> None:
        self._line = line
        self._group = group
        self._wake = wake
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop waking; waits for a wake that runs in another thread. Idempotent."""
        self._over.set()
        self._line.close()
        if threading.current_thread() is not self._thread:
            self._thread.join(_JOIN_S)

    def _run(self) -> None:
        seen = _NOWHERE
        while not self._over.is_set():
            asked = {"group": self._group, "seen": seen, "for_s": _WAIT_S}
            try:
                told = self._line.ask("await", asked, wait_s=_WAIT_S)
                changed, seen = told["revision"] != seen, told["revision"]
            except CoordError:
                changed, seen = seen != _NOWHERE, _NOWHERE
                self._over.wait(_RETRY_S)
            if changed and not self._over.is_set():
                self._wake()


class WireStore:
    """What one process opens. Implements `coord.spi.Store`; any thread."""

    def __init__(
        self, address: tuple[str, int], *, clock: Clock = SYSTEM_CLOCK, timeout_s: float = 1.0
    ) -> None:
        self.clock = clock
        self.line = Line(address, timeout_s)
        self.pulse = Line(address, timeout_s)
        self._address = address
        self._timeout_s = timeout_s
        self._views: dict[str, View] = {}
        self._watches: list[WireWatch] = []

    @classmethod
    def from_url(cls, url: str, *, clock: Clock = SYSTEM_CLOCK, timeout_s: float) -> OpenedStore:
        """Open `memory://HOST:PORT[/GROUP]`. Connects with the first request."""
        address = parsed_address(url, scheme="memory", options=(), syntax=_SYNTAX)
        hosts = address.hosts(0, syntax=_SYNTAX)
        if len(hosts) != 1 or not hosts[0].port:
            raise ConfigError(f"{url!r} names no single host and port", cure=_SYNTAX)
        [host] = hosts
        return OpenedStore(
            cls((host.name, host.port), clock=clock, timeout_s=timeout_s), address.group
        )

    @property
    def guarantees(self) -> Guarantees:
        """What the server declares about itself."""
        return values.GUARANTEES

    def open_session(self, group: str, record: MemberRecord, ttl_s: float) -> WireSession:
        """Make a member live."""
        checked_name("member", record.name)
        if not ttl_s > 0:
            raise ConfigError(f"a session of {ttl_s} s", cure="Ask for a ttl above 0.")
        sent_at_s = self.clock.now()
        asked = {"group": group, "record": values.member_json(record), "ttl_s": ttl_s}
        found = self.line.ask("open", asked)
        opened = Proof(sent_at_s=sent_at_s, ttl_s=found["ttl_s"])
        return WireSession(self, group, found["session"], opened)

    def view(self, group: str) -> View:
        """Read the group: one object as long as nothing has changed."""
        known = self._views.get(group)
        revision = _NOWHERE if known is None else known.revision
        found = self.line.ask("view", {"group": group, "known": revision})
        if known is not None and found["revision"] == known.revision:
            shown = values.same_from(known, found["seqs"])
        else:
            shown = values.view_from(group, found)
        self._views[group] = shown
        return shown

    def beacons(self, group: str) -> Mapping[str, BeaconSeen]:
        """The latest beacon of each live session."""
        found = self.line.ask("beacons", {"group": group})["beacons"]
        return {
            session: BeaconSeen(seq, text.encode("latin-1"))
            for session, (seq, text) in found.items()
        }

    def watch(self, group: str, wake: Callable[[], None]) -> WireWatch:
        """Call `wake()` soon after each change, from a thread of the watch's own."""
        watch = WireWatch(Line(self._address, self._timeout_s), checked_name("group", group), wake)
        self._watches.append(watch)
        return watch

    def evict(self, group: str, observed: Observed) -> bool:
        """Whether that session is over: the server ends sessions by itself."""
        asked = {"group": group, "session": observed.session, "seq": observed.seq}
        return bool(self.line.ask("evict", asked)["over"])

    def depose(self, group: str, tenure: Tenure) -> bool:
        """Take one tenure away from its holder."""
        asked = {"group": group, "tenures": values.tenures_json([tenure])}
        return bool(self.line.ask("depose", asked)["over"])

    def put_role(self, group: str, record: RoleRecord) -> RoleRecord:
        """Write a role record, conditional on its version."""
        checked_name("role", record.name)
        asked = {"group": group, "record": values.role_json(record)}
        found = self.line.ask("put_role", asked)
        return values.role_from(found["record"])

    def forget(self, group: str) -> None:
        """Delete a group with all that is in it, as an operator might. Tokens still grow."""
        self.line.ask("forget", {"group": group})

    def probe(self, group: str) -> list[Probe]:
        """How long a request takes, and that nothing of it is kept."""
        began_s = self.clock.now()
        view = self.view(group)
        took_ms = (self.clock.now() - began_s) * 1000
        return [
            Probe(name="round trip", ok=True, value=f"{took_ms:.1f} ms"),
            Probe(name="members", ok=True, value=str(len(view.members))),
            Probe(
                name="kept",
                ok=False,
                value="nothing: all groups end with the process that serves them",
                cure="It is for tests. Elect on sqlite:// or a networked store.",
            ),
        ]

    def close(self) -> None:
        """Stop watches and end connections. Sessions are left to expire. Idempotent."""
        for watch in self._watches:
            watch.close()
        self._watches.clear()
        self.line.close()
        self.pulse.close()
