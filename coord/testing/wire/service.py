"""The other end: a memory store served on a loopback socket.

Owns the listener, a thread for each connection, and one that notices the time, since the server
ends sessions by itself. The rules are `coord.testing.group_state`'s, as in one process.

It starts with tokens, versions and revisions above all that an earlier one on this machine can
have given out: one that was killed and started again has lost its groups and never repeats a token
(`test_a_restarted_server_never_repeats_a_token`). The boot clock in microseconds says how far that
is; nobody takes more than one a microsecond.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Self

from coord.clock import SYSTEM_CLOCK
from coord.errors import CoordError, UsageError
from coord.spi import Observed
from coord.testing.group_state import GroupState, Manner
from coord.testing.memory import MemoryServer
from coord.testing.servers.ports import HOST
from coord.testing.wire import values
from coord.testing.wire.frames import Frame, read_frame, write_frame

__all__ = ["Service"]

_TICK_S = 0.02
_ACCEPT_S = 0.2
_BACKLOG = 128
_JOIN_S = 5.0
_LONGEST_WAIT_S = 10.0

Answer = dict[str, Any]


class Service:
    """Serves until it is stopped; a context manager. Any thread."""

    def __init__(self, port: int = 0) -> None:
        """Binds at once. Raises OSError if the port is taken."""
        self._first = int(SYSTEM_CLOCK.now() * 1_000_000)
        self._server = MemoryServer(SYSTEM_CLOCK, manner=Manner.SERVER, first_token=self._first)
        self._listener = socket.create_server((HOST, port), backlog=_BACKLOG)
        self._listener.settimeout(_ACCEPT_S)
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads = [
            threading.Thread(target=run, name=f"memory-{run.__name__.strip('_')}", daemon=True)
            for run in (self._accept, self._tick)
        ]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return int(self._listener.getsockname()[1])

    def start(self) -> Self:
        """Begin to serve."""
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        """End all connections; all groups are lost. Idempotent."""
        self._over.set()
        with self._lock:
            connections = list(self._open)
        for sock in connections:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            if thread.is_alive():
                thread.join(_JOIN_S)
        self._listener.close()

    def _tick(self) -> None:
        while not self._over.wait(_TICK_S):
            self._server.tick()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                sock, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return  # closed
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.add(sock)
            threading.Thread(
                target=self._serve, args=(sock,), name="memory-connection", daemon=True
            ).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            with suppress(OSError):
                while not self._over.is_set():
                    frame = read_frame(sock, lambda: None)
                    if frame is None:
                        break
                    write_frame(sock, self._answer(frame))
        finally:
            with self._lock:
                self._open.discard(sock)
            sock.close()

    def _answer(self, frame: Frame) -> Answer:
        op = _OPS.get(str(frame.pop("op", "")))
        try:
            if op is None:
                raise UsageError("a request that this server does not know")
            return op(self, **frame)
        except CoordError as error:
            return values.error_json(error)
        except (TypeError, ValueError, LookupError) as error:
            return values.error_json(UsageError(f"a request that makes no sense: {error!r}"))

    # ------------------------------------------------------------------------------- requests

    def _open_session(self, group: str, record: list[str], ttl_s: float) -> Answer:
        asked = values.member_from(record)
        session, granted_s = self._server.apply(
            group, lambda state, now: state.open(now, asked, ttl_s)
        )
        return {"session": session, "ttl_s": granted_s}

    def _heartbeat(self, group: str, session: str, beacon: str) -> Answer:
        payload = beacon.encode("latin-1")
        self._server.apply(group, lambda state, now: state.heartbeat(now, session, payload))
        return {}

    def _claim(self, group: str, session: str, requests: list[values.Row]) -> Answer:
        batch = values.requests_from(requests)
        answers = self._server.apply(group, lambda state, now: state.claim(now, session, batch))
        return {"tokens": values.answers_json(answers)}

    def _release(self, group: str, session: str, tenures: list[values.Row]) -> Answer:
        batch = values.tenures_from(tenures)
        self._server.apply(group, lambda state, now: state.release(now, session, batch))
        return {}

    def _amend(self, group: str, session: str, tenures: list[values.Row]) -> Answer:
        batch = values.tenures_from(tenures)
        self._server.apply(group, lambda state, now: state.amend(now, session, batch))
        return {}

    def _update(self, group: str, session: str, record: list[str]) -> Answer:
        newer = values.member_from(record)
        self._server.apply(group, lambda state, now: state.update(now, session, newer))
        return {}

    def _close(self, group: str, session: str) -> Answer:
        self._server.apply(group, lambda state, now: state.close(now, session))
        return {}

    def _view(self, group: str, known: int) -> Answer:
        view = self._server.apply(group, lambda state, now: state.view(now, hints=False))
        return values.view_json(view, revision=self._first + view.revision, known=known)

    def _beacons(self, group: str) -> Answer:
        found = self._server.apply(group, lambda state, now: state.beacons(now))
        return {
            "beacons": {
                session: [seen.seq, seen.payload.decode("latin-1")]
                for session, seen in found.items()
            }
        }

    def _await(self, group: str, seen: int, for_s: float) -> Answer:
        """Answer once the group is at another revision, or when it is still at this one."""
        changed = threading.Event()
        watch = self._server.subscribe(group, changed.set)
        try:
            if self._revision(group) == seen:
                changed.wait(min(for_s, _LONGEST_WAIT_S))
        finally:
            watch.close()
        return {"revision": self._revision(group)}

    def _revision(self, group: str) -> int:
        return self._first + self._server.apply(group, _revision_of)

    def _evict(self, group: str, session: str, seq: int) -> Answer:
        observed = Observed(session, seq)
        return {"over": self._server.apply(group, lambda state, now: state.evict(now, observed))}

    def _depose(self, group: str, tenures: list[values.Row]) -> Answer:
        [tenure] = values.tenures_from(tenures)
        return {"over": self._server.apply(group, lambda state, now: state.depose(now, tenure))}

    def _put_role(self, group: str, record: values.Row) -> Answer:
        asked = values.role_from(record)
        stored = self._server.apply(group, lambda state, now: state.put_role(now, asked))
        return {"record": values.role_json(stored)}

    def _forget(self, group: str) -> Answer:
        self._server.forget(group)
        return {}

    def _ping(self) -> Answer:
        return {"serves": "memory"}

    OPS: Mapping[str, Callable[..., Answer]] = {
        "open": _open_session,
        "heartbeat": _heartbeat,
        "claim": _claim,
        "release": _release,
        "amend": _amend,
        "update": _update,
        "close": _close,
        "view": _view,
        "beacons": _beacons,
        "await": _await,
        "evict": _evict,
        "depose": _depose,
        "put_role": _put_role,
        "forget": _forget,
        "ping": _ping,
    }


def _revision_of(state: GroupState, _now_s: float) -> int:
    return state.revision


_OPS = Service.OPS
