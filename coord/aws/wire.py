"""The connections of one client: an answer has one timeout as a whole, and closing ends them all.

Owns what boto3 lets nobody set, and reaches into botocore for it. Knows no request. Rules:

- boto3's read timeout is that of each piece of an answer. A link that lets bytes trickle would hold
  a caller for as long as they last, and a heartbeat that does not come back keeps those after it
  from being sent. So here it is the time for the whole answer, from the first wait for it
  (`test_an_answer_that_trickles_in_holds_nobody_beyond_the_timeout`). Connecting, a TLS handshake
  and sending each have one timeout as a whole already, which Python sees to.
- A request that is under way when its store is closed would keep its thread and its socket until
  its time is over. So closing shuts all sockets down: whoever waits for an answer fails at once,
  and closes its connection itself; one that is made later is closed as soon as it is made
  (`test_closing_while_an_answer_is_awaited_leaves_no_thread_and_no_socket`).
- Connections that nobody uses are closed here, too: boto3 only lets go of its pools, and one that a
  thread was just giving back would stay open until Python collects garbage
  (`test_a_connection_that_something_refers_to_is_closed_all_the_same`).
- One wait has no timeout: for the system's resolver, which answers when it wants to.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from coord.errors import ConfigError

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse
else:
    HTTPConnection = object

__all__ = ["Wires"]


class Wires:
    """The connections of a client that are open. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[_Wired] = set()
        self._calls = 0
        self._shut = False
        self._patience = threading.local()

    def take_over(self, client: Any) -> None:  # noqa: ANN401  boto3 makes their classes
        """Have a client that has not been used yet make its connections our way."""
        try:
            http = client._endpoint.http_session  # noqa: SLF001  boto3 has no other way in
            pools: dict[str, Any] = http._pool_classes_by_scheme  # noqa: SLF001
        except AttributeError:
            raise ConfigError(
                "this release of botocore hides its connections, so no timeout can be kept",
                cure="Install the botocore that coord's own requirements name.",
            ) from None
        for scheme, pool in list(pools.items()):
            made = type("Wired", (_Wired, pool.ConnectionCls), {"wires": self})
            pools[scheme] = type("WiredPool", (pool,), {"ConnectionCls": made})

    def shut(self) -> None:
        """Have all requests under way fail now, and all connections that follow."""
        with self._lock:
            self._shut = True
            found = list(self._open)
        for connection in found:
            _shut_down(connection.sock)

    @contextmanager
    def in_use(self, patience_s: float | None = None) -> Iterator[None]:
        """A call is under way on this thread. `patience_s`: the time for the whole answer, where
        it is not the client's read timeout.

        Whoever is the last to leave after the end closes what connections are left. boto3 lets
        go of its own, which closes them if nothing refers to them, be it garbage.
        """
        with self._lock:
            self._calls += 1
        self._patience.seconds = patience_s
        try:
            yield
        finally:
            self._patience.seconds = None
            with self._lock:
                self._calls -= 1
                left = list(self._open) if self._shut and not self._calls else []
            for connection in left:
                connection.close()

    def patience_s(self, usual_s: float) -> float:
        """How long the call of this thread waits for its answer."""
        asked_s: float | None = getattr(self._patience, "seconds", None)
        return usual_s if asked_s is None else asked_s

    def opened(self, connection: _Wired) -> bool:
        """Take note of it; False: it came too late."""
        with self._lock:
            if not self._shut:
                self._open.add(connection)
            return not self._shut

    def closed(self, connection: _Wired) -> None:
        """Forget it."""
        with self._lock:
            self._open.discard(connection)


class _Wired(HTTPConnection):
    """What is put before botocore's own class of connections."""

    wires: Wires

    def connect(self) -> None:
        super().connect()
        if not self.wires.opened(self):
            self.close()
            raise ConnectionAbortedError("it was closed meanwhile")

    def close(self) -> None:
        self.wires.closed(self)
        super().close()

    def getresponse(self) -> HTTPResponse:
        made: Any = self.response_class
        end_s = time.monotonic() + self.wires.patience_s(self.timeout or 0.0)
        timely: Any = lambda sock, **how: made(_Timely(sock, end_s), **how)  # noqa: E731
        self.response_class = timely
        try:
            return super().getresponse()
        finally:
            self.response_class = made


class _Timely:
    """A socket whose answer has to be here by `end_s`, on the monotonic clock, to be read."""

    def __init__(self, sock: socket.socket, end_s: float) -> None:
        self._sock = sock
        self._end_s = end_s

    def makefile(self, mode: str) -> io.BufferedReader:
        """All that `http.client` does with it. `mode` is always that of reading bytes."""
        raw = self._sock.makefile("rb", buffering=0)
        return io.BufferedReader(_Answer(raw, self._sock, self._end_s))


class _Answer(io.RawIOBase):
    """The bytes of one answer."""

    def __init__(self, raw: socket.SocketIO, sock: socket.socket, end_s: float) -> None:
        self._raw = raw
        self._sock = sock
        self._end_s = end_s

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401  whatever has a buffer
        """What has come, as soon as something has; TimeoutError at the end of the time."""
        left_s = self._end_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the answer was not whole in time")
        self._sock.settimeout(left_s)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Let go of the socket, which the connection may go on with."""
        if not self.closed:
            self._raw.close()
        super().close()


def _shut_down(sock: object) -> None:
    """Wake whoever reads from it. A TLS socket's own `shutdown` would take away its encryption
    first, under the eyes of a thread that may be about to send.
    """
    plain = sock if isinstance(sock, socket.socket) else getattr(sock, "socket", None)
    if isinstance(plain, socket.socket):
        with suppress(OSError):  # it is closed, or the other side has ended it
            socket.socket.shutdown(plain, socket.SHUT_RDWR)
