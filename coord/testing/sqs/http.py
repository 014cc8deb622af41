"""As much of HTTP/1.1 as clients of AWS speak: requests with a length, answered one by one.

Owns the connection, its buffer and the shape of requests and replies. Knows nothing of queues.
No chunked requests, no pipelining beyond taking requests in turn, no TLS, no compression. A
parser of our own, because these few lines cost less time than a library and no dependency.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple, Protocol

__all__ = ["Connection", "Exchange", "Reply", "Request"]

_HEAD_MAX = 64 << 10
_BODY_MAX = 16 << 20  # a batch of 1 MiB, escaped as JSON
_END = b"\r\n\r\n"
_PHRASES = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    411: "Length Required",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Request(NamedTuple):
    """A request; the names of its headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Reply(NamedTuple):
    """An answer, and lines that are added to its head."""

    status: int
    body: bytes
    head: str = ""


class Exchange(Protocol):
    """What becomes of one request."""

    def answer(self, reply: Reply | None) -> None:
        """Send the reply; cut the connection if it is None. Once, now or later."""
        ...

    def when_lost(self, forget: Callable[[], None]) -> None:
        """Call `forget` if the client goes before it is answered."""
        ...


class Connection(asyncio.Protocol):
    """A connection from a client: hands its requests on, one at a time."""

    def __init__(
        self, serve: Callable[[Request, Exchange], None], everyone: set[Connection]
    ) -> None:
        self._serve = serve
        self._everyone = everyone
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._head: tuple[str, str, dict[str, str], int] | None = None
        self._busy = False
        self._last = False
        self._forget: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._everyone.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._everyone.discard(self)
        if self._forget is not None:
            self._forget()
            self._forget = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._busy:
            self._next()

    def cut(self) -> None:
        """End the connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    def when_lost(self, forget: Callable[[], None]) -> None:
        """As in `Exchange`."""
        self._forget = forget

    def answer(self, reply: Reply | None) -> None:
        """As in `Exchange`."""
        self._forget = None
        self._busy = False
        if self._transport is None:
            return
        if reply is None:
            self.cut()
            return
        status, body, extra = reply
        end = "Connection: close\r\n" if self._last else ""
        head = (
            f"HTTP/1.1 {status} {_PHRASES.get(status, 'Unknown')}\r\n{extra}{end}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._transport.write(head.encode("latin-1") + body)
        if self._last:
            self._transport.close()
        elif self._buffer:
            asyncio.get_running_loop().call_soon(self._resume)

    def _resume(self) -> None:
        if not self._busy and self._transport is not None:
            self._next()

    def _next(self) -> None:
        """Hand on the next request if all of it is here."""
        if self._head is None and not self._read_head():
            return
        assert self._head is not None
        method, path, headers, length = self._head
        buffer = self._buffer
        if len(buffer) < length:
            if not buffer and headers.pop("expect", "").lower() == "100-continue":
                self._continue()
            return
        body = bytes(buffer[:length])
        del buffer[:length]
        self._head = None
        self._busy = True
        self._last = headers.get("connection", "").lower() == "close"
        self._serve(Request(method, path, headers, body), self)

    def _read_head(self) -> bool:
        """Whether the head of a request that we can read was here; it is taken out."""
        end = self._buffer.find(_END)
        if end < 0:
            if len(self._buffer) > _HEAD_MAX:
                self._refuse(431)
            return False
        try:
            method, path, headers = _head_of(self._buffer[:end].decode("latin-1"))
            length = int(headers.get("content-length", "0"))
        except ValueError:
            self._refuse(400)
            return False
        if "transfer-encoding" in headers:
            self._refuse(411)
            return False
        if not 0 <= length <= _BODY_MAX:
            self._refuse(413)
            return False
        del self._buffer[: end + len(_END)]
        self._head = (method, path, headers, length)
        return True

    def _continue(self) -> None:
        if self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _refuse(self, status: int) -> None:
        self._last = True
        self._buffer.clear()
        self.answer(Reply(status, b""))


def _head_of(head: str) -> tuple[str, str, dict[str, str]]:
    """Method, path and headers. Raises ValueError."""
    first, *lines = head.split("\r\n")
    method, path, version = first.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(version)
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(line)
        headers[name.lower()] = value.strip()
    return method, path, headers
