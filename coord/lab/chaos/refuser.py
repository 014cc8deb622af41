"""An HTTP proxy before DynamoDB Local that answers requests by itself, as Amazon's servers would.

Owns the sockets and the passing on. What is refused, and in which words, faults decide. All else
passes as it is: what a stream of bytes cannot tell apart, requests and answers, is all it sees.
"""

from __future__ import annotations

import http.client
import json
import secrets
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self

__all__ = ["Answer", "Refuser"]

_HOST = "127.0.0.1"
_UPSTREAM_S = 60.0  # a server that stands still is the client's to give up
_CLOSE_S = 5.0
_HOPS = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "expect"})
_REFUSED = 400

Answer = Callable[[str, dict[str, Any]], dict[str, Any] | None]
"""From an operation and what it asks to the error to answer; None: let it pass. Any thread."""


class Refuser:
    """A proxy to one server; a context manager. Any thread."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.refused = 0
        """How many requests it has answered by itself."""
        self._answers: list[Answer] = []
        self._lock = threading.Lock()
        kind = type("_Bound", (_Handler,), {"target": target, "refuser": self})
        self._server = _Server((_HOST, 0), kind)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.05},
            name="refuser",
            daemon=True,
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(_CLOSE_S)
        self._server.server_close()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port for clients."""
        return _HOST, self._server.server_address[1]

    @contextmanager
    def refusing(self, answer: Answer) -> Iterator[None]:
        """Ask this for each request that comes while the block runs; the first answer counts."""
        with self._lock:
            self._answers.append(answer)
        try:
            yield
        finally:
            with self._lock:
                self._answers.remove(answer)

    def answer(self, operation: str, asked: dict[str, Any]) -> dict[str, Any] | None:
        """What to say instead of passing this request on."""
        with self._lock:
            for refuses in self._answers:
                found = refuses(operation, asked)
                if found is not None:
                    self.refused += 1
                    return found
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone, or a server: the other side notices by itself."""


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client, and one to the server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    target: ClassVar[tuple[str, int]]
    refuser: ClassVar[Refuser]
    _upstream: http.client.HTTPConnection | None = None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base's name)
        """Say nothing."""

    def do_GET(self) -> None:
        self._pass(b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        operation = self.headers.get("X-Amz-Target", "").partition(".")[2]
        refusal = self.refuser.answer(operation, json.loads(body or b"{}"))
        if refusal is None:
            self._pass(body)
            return
        text = json.dumps(refusal).encode()
        head = {
            "x-amzn-RequestId": secrets.token_hex(26).upper(),
            "x-amz-crc32": str(zlib.crc32(text)),
            "Content-Type": "application/x-amz-json-1.0",
        }
        self._say(_REFUSED, head, text)

    def _pass(self, body: bytes) -> None:
        """To the server and back. A server that breaks off breaks this connection off."""
        if self._upstream is None:
            self._upstream = http.client.HTTPConnection(*self.target, timeout=_UPSTREAM_S)
        sent = {name: value for name, value in self.headers.items() if name.lower() not in _HOPS}
        try:
            self._upstream.request(self.command, self.path, body, sent)
            answer = self._upstream.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self.close_connection = True
            return
        head = {name: value for name, value in answer.getheaders() if name.lower() not in _HOPS}
        self._say(answer.status, head, text)

    def _say(self, status: int, head: dict[str, str], text: bytes) -> None:
        self.send_response_only(status)
        for name, value in head.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()
        if self._upstream is not None:
            self._upstream.close()
