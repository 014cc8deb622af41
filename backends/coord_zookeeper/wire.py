"""kazoo's client with a shorter temper: bounded connects, no pings of its own, an end when told.

Owns everything that touches kazoo's inside. Knows no group. What it changes, and why:

- **A retired wire never connects again.** kazoo answers the loss of a session with a new one, and
  sends what was queued under it. A session of ours is one session of ZooKeeper's or none, so at
  its loss, and at our giving up, the wire is retired: `create_connection` refuses, which ends
  kazoo's thread (`test_a_lost_session_sends_nothing_under_a_new_one`).
- **Pings can be left out.** kazoo pings from a thread of its own, so a member whose heartbeat
  thread has stopped would live on for ever. Without pings only requests renew
  (`test_a_member_that_stops_heartbeating_dies_though_its_process_lives`).
- **A connection that went silent is cut** (`sever`) by whoever waited in vain, and the next server
  is tried; kazoo alone would wait for two thirds of the ttl.
- Connecting, TLS and the greeting are bounded by the patience of the link, not by the session.
- kazoo logs passwords at DEBUG: it gets a logger that keeps the last complaint and prints nothing.
- Reads are buffered: 11,000 answers a second of CPU instead of 7,000.
"""

from __future__ import annotations

import logging
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from kazoo.client import KazooClient
from kazoo.handlers.threading import SequentialThreadingHandler
from kazoo.protocol.connection import ConnectionHandler
from kazoo.protocol.serialization import Connect
from kazoo.retry import KazooRetry, RetryFailedError

__all__ = ["Greeting", "Wire", "ZooClient"]

_CHUNK = 1 << 16
_RETRY_S = 0.05
_RETRY_MAX_S = 0.5


class Greeting(NamedTuple):
    """A server's answer to a connection: the session it serves, and the ttl it granted."""

    session: int
    ttl_s: float


class _Buffered:
    """A socket that is read in large pieces, by whoever waits for it (`fill`).

    `pending` tells kazoo not to wait for more. With TLS a socket may be readable and hold nothing
    for us (a session ticket): kazoo would then wait for an answer to what it has not sent yet.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._data = memoryview(b"")
        self._ended: Exception | None = None
        self._is_over = False

    def fill(self) -> bool:
        """Take what has come; whether there is anything to be read, an end included."""
        if self._data or self._is_over:
            return True
        try:
            found = self._sock.recv(_CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError as error:
            self._ended, found = error, b""
        self._data = memoryview(found)
        self._is_over = not found
        return True

    def pending(self) -> int:
        """How many bytes can be had without the network."""
        if self._data:
            return len(self._data)
        return self._sock.pending() if isinstance(self._sock, ssl.SSLSocket) else 0

    def recv(self, size: int) -> bytes:
        """At most `size` bytes; none at the end."""
        if not self.fill():
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "nothing yet")
        if self._ended is not None:
            raise self._ended
        found, self._data = self._data[:size], self._data[size:]
        return bytes(found)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  all else is the socket's
        return getattr(self._sock, name)


class _Ear(logging.Logger):
    """Hears kazoo's complaints and repeats none: they may hold credentials."""

    def __init__(self) -> None:
        super().__init__("coord.zookeeper", logging.CRITICAL)
        self.propagate = False
        self.last = ""

    def warning(self, msg: object, *args: object, **_: object) -> None:
        """Keep it for an error of ours."""
        self.last = str(msg) % args if args else str(msg)

    def exception(self, msg: object, *args: object, **_: object) -> None:
        """Nothing: what matters reaches a caller as an error."""


class Wire(SequentialThreadingHandler):  # type: ignore[misc]  # kazoo has no types
    """kazoo's threads, sockets and waits, in our hands. One client each."""

    def __init__(self, *, patience_s: float, tls: ssl.SSLContext | None) -> None:
        super().__init__()
        self.epoch = 0
        """Counts connections, so that what was learned of one is not believed of the next."""
        self.address: tuple[str, int] | None = None
        self.hostname = ""
        self.trouble: Exception | None = None
        self.heard_s = 0.0
        self._patience_s = patience_s
        self._tls = tls
        self._retired = threading.Event()
        self._socket: socket.socket | None = None

    def retire(self) -> None:
        """Cut the connection and make no other. kazoo's thread ends soon. Any thread."""
        self._retired.set()
        self.sever()

    def sever(self) -> None:
        """Cut the connection; kazoo makes another, unless retired. Any thread."""
        found = self._socket
        if found is not None:
            try:
                socket.socket.shutdown(found, socket.SHUT_RDWR)
            except OSError:
                return  # it is cut already

    @property
    def retired(self) -> bool:
        """Whether it was told to end."""
        return self._retired.is_set()

    def connect(self, address: tuple[str, int], hostname: str) -> socket.socket:
        """A connection to a server, with TLS where that is wanted. Raises OSError."""
        found = socket.create_connection(address, timeout=self._patience_s)
        try:
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                found = self._tls.wrap_socket(found, server_hostname=hostname)
        except BaseException:
            found.close()
            raise
        return found

    # ------------------------------------------------------------------------- what kazoo calls

    def sleep_func(self, seconds: float) -> None:
        """The pause between attempts; it ends when the wire is retired."""
        self._retired.wait(seconds)

    def create_connection(
        self, address: tuple[str, int], hostname: str = "", **_: object
    ) -> _Buffered:
        """Connect for kazoo, unless retired: then its loop ends."""
        if self.retired:
            raise RetryFailedError("the session is over")
        self.epoch += 1
        self.address, self.hostname = address, hostname
        try:
            found = self.connect(address, hostname)
        except Exception as error:
            self.trouble = error
            raise
        self._socket, self.trouble = found, None
        if self._retired.is_set():  # in the meantime
            self.sever()
        return _Buffered(found)

    def select(
        self,
        reading: Sequence[Any],
        writing: Sequence[Any],
        _: Sequence[Any],
        timeout: float | None = None,
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """Wait for sockets. A buffered one is ready when there is something for us to read."""
        until_s = None if timeout is None else time.monotonic() + max(0.0, timeout)
        poll = select.poll()
        for one in reading:
            poll.register(one.fileno(), select.POLLIN)
        for one in writing:
            poll.register(one.fileno(), select.POLLOUT)
        held = any(isinstance(one, _Buffered) and one.pending() for one in reading)
        while True:
            wait_s = None if until_s is None else max(0.0, until_s - time.monotonic())
            ready = {fd for fd, _ in poll.poll(0 if held else wait_s and _ms(wait_s))}
            can_read = [one for one in reading if self._readable(one, ready)]
            can_write = [one for one in writing if one.fileno() in ready]
            if can_read or can_write or wait_s == 0:
                return can_read, can_write, []

    def _readable(self, one: Any, ready: set[int]) -> bool:  # noqa: ANN401  a socket of kazoo's
        if not isinstance(one, _Buffered):
            return one.fileno() in ready
        if one.fileno() in ready:
            self.heard_s = time.monotonic()
        return bool(one.pending()) or (one.fileno() in ready and one.fill())

    def spawn(self, func: Callable[..., object], *args: Any, **kwargs: Any) -> threading.Thread:  # noqa: ANN401
        """A thread of kazoo's. One that fails ends the wire, and is no riddle on stderr."""

        def run() -> None:
            try:
                func(*args, **kwargs)
            except Exception as error:  # noqa: BLE001  told by the next request that fails
                self.trouble = error
                self.retire()

        thread = threading.Thread(target=run, name="coord-zookeeper", daemon=True)
        thread.start()
        return thread


def _ms(seconds: float) -> float:
    """Milliseconds, not cut to none."""
    return max(1.0, seconds * 1000)


class _Connection(ConnectionHandler):  # type: ignore[misc]  # kazoo has no types
    """kazoo's connection, which tells what was granted and when it was asked."""

    def __init__(self, client: ZooClient, retry: KazooRetry, sasl: dict[str, str] | None) -> None:
        super().__init__(client, retry, logger=client.logger, sasl_options=sasl)
        self._owner = client

    def _invoke(self, timeout: float, request: Any, xid: int | None = None) -> Any:  # noqa: ANN401
        owner = self._owner
        if not isinstance(request, Connect):
            return super()._invoke(min(timeout, owner.patience_s), request, xid)
        stamp_s = owner.stamp()
        answer = super()._invoke(min(timeout, owner.patience_s), request, xid)
        if answer[0].time_out > 0:
            owner.ear.last = ""
            owner.greeted(Greeting(answer[0].session_id, answer[0].time_out / 1000), stamp_s)
        return answer

    def _send_ping(self, connect_timeout: float) -> None:
        if self._owner.pings:
            super()._send_ping(connect_timeout)


class ZooClient(KazooClient):  # type: ignore[misc]  # kazoo has no types
    """kazoo's client on a wire of ours. `greeted` is called in its thread, once a connection.

    `stamp` reads the clock right before each connection is asked for: what a server grants counts
    from there.
    """

    def __init__(
        self,
        hosts: str,
        *,
        ttl_s: float,
        patience_s: float,
        tls: ssl.SSLContext | None,
        auth: Sequence[tuple[str, str]],
        sasl: dict[str, str] | None,
        pings: bool,
        stamp: Callable[[], float],
        greeted: Callable[[Greeting, float], None],
    ) -> None:
        self.patience_s = patience_s
        self.pings = pings
        self.stamp = stamp
        self.greeted = greeted
        self.wire = Wire(patience_s=patience_s, tls=tls)
        self.ear = _Ear()
        retry = KazooRetry(
            max_tries=-1,
            delay=_RETRY_S,
            max_delay=_RETRY_MAX_S,
            sleep_func=self.wire.sleep_func,
        )
        super().__init__(
            hosts=hosts,
            timeout=ttl_s,
            handler=self.wire,
            auth_data=set(auth),
            connection_retry=retry,
            command_retry=KazooRetry(max_tries=1, sleep_func=self.wire.sleep_func),
            logger=self.ear,
        )
        self._connection = _Connection(self, self._conn_retry.copy(), sasl)

    def submit(self, request: object) -> Any:  # noqa: ANN401  kazoo's AsyncResult
        """Send a request of ours; its future answer."""
        answer = self.handler.async_result()
        self._call(request, answer)
        return answer
