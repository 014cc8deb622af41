"""Counts what DynamoDB charges: an HTTP proxy that has the server say what each request costs.

Owns the counting. It adds `ReturnConsumedCapacity` to each request that reads or writes items,
which the server then answers with the units that it charges, and passes everything else on as it
is. (DynamoDB Local does not verify signatures, which a changed request would break.) Where DynamoDB
Local is cheaper than Amazon's own rules, these are applied: an item written in a transaction costs
two units a kilobyte begun and not a share of the sum; a refused conditional write costs one.
"""

from __future__ import annotations

import http.client
import json
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

__all__ = ["Charges", "charged", "counting"]

_TIMEOUT_S = 30.0
_CHARGED = {
    **dict.fromkeys(("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"), "write_units"),
    **dict.fromkeys(("BatchWriteItem",), "write_units"),
    **dict.fromkeys(("GetItem", "Query", "Scan", "TransactGetItems"), "read_units"),
    **dict.fromkeys(("BatchGetItem",), "read_units"),
}
_HOP = ("connection", "content-length", "transfer-encoding", "host")


class Charges:
    """What was charged so far. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._units = {"read_units": 0.0, "write_units": 0.0}
        self._requests: Counter[str] = Counter()

    def note(self, operation: str, asked: bytes, answer: bytes) -> None:
        """One request and what the server answered."""
        units = _units(operation, asked, answer)
        with self._lock:
            self._requests[operation] += 1
            if operation in _CHARGED:
                self._units[_CHARGED[operation]] += units

    def so_far(self) -> dict[str, Any]:
        """Totals since the beginning."""
        with self._lock:
            return {
                "requests": sum(self._requests.values()),
                "read_units": self._units["read_units"],
                "write_units": self._units["write_units"],
                "by_operation": dict(self._requests),
            }


def _units(operation: str, asked: bytes, answer: bytes) -> float:
    """The capacity units that one request costs."""
    said = json.loads(answer or b"{}")
    found = said.get("ConsumedCapacity", [])
    every = found if isinstance(found, list) else [found]
    units = sum(float(one["CapacityUnits"]) for one in every)
    if operation.startswith("Transact"):
        units = max(units, 2.0 * len(json.loads(asked)["TransactItems"]))
    elif "ConditionalCheckFailed" in said.get("__type", ""):
        units = max(units, 1.0)
    return units


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client, with one of its own to the server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    upstream: ClassVar[str]
    charges: ClassVar[Charges]
    _server: http.client.HTTPConnection | None = None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base's name)
        """Say nothing."""

    def do_GET(self) -> None:
        """Tell what was charged so far."""
        self._answer(200, json.dumps(self.charges.so_far()).encode(), {})

    def do_POST(self) -> None:
        """Pass a request on, and count it."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        operation = self.headers.get("X-Amz-Target", "").partition(".")[2]
        if operation in _CHARGED:
            body = json.dumps({**json.loads(body), "ReturnConsumedCapacity": "TOTAL"}).encode()
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP}
        if self._server is None:
            self._server = http.client.HTTPConnection(self.upstream, timeout=_TIMEOUT_S)
        self._server.request("POST", self.path, body, headers)
        response = self._server.getresponse()
        answer = response.read()
        self.charges.note(operation, body, answer)
        self._answer(response.status, answer, dict(response.getheaders()))

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def finish(self) -> None:
        """The client has gone."""
        super().finish()
        if self._server is not None:
            self._server.close()


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has given up is no news here."""


@contextmanager
def counting(upstream: str) -> Iterator[str]:
    """A proxy before the server at `upstream` (host:port), as long as the block runs: its URL.

    A GET of any path tells what was charged so far.
    """
    members = {"upstream": upstream, "charges": Charges()}
    with _Proxy(("127.0.0.1", 0), type("Handler", (_Handler,), members)) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, name="counting", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{proxy.server_address[1]}"
        finally:
            proxy.shutdown()
            thread.join(_TIMEOUT_S)


def charged(url: str) -> dict[str, Any]:
    """What the proxy at this URL has counted so far."""
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 (http, our own)
        found: dict[str, Any] = json.loads(answer.read())
    return found
