"""A proxy before DynamoDB Local that answers by itself what it is told to.

Owns the faults that a stream of bytes cannot have: throttling, collisions, refused rights, which
the local server never answers. It can also take the request token away, so that a repeated
transaction meets the store's conditions instead of the server's memory. All else passes as it is.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

__all__ = ["Hook", "hooked"]

_TIMEOUT_S = 30.0

Match = Callable[[str, dict[str, Any]], bool]


@dataclass
class _Rule:
    match: Match
    status: int
    body: dict[str, Any]
    times: int | None
    after: int


@dataclass
class Hook:
    """What to answer, and what was asked. Any thread."""

    endpoint: str = ""
    forget_tokens: bool = False
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _rules: list[_Rule] = field(default_factory=list)
    _pretences: dict[str, tuple[str, str, str, int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def refuse(
        self,
        operation: str,
        code: str,
        *,
        times: int | None = 1,
        after: int = 0,
        status: int = 400,
        message: str = "said so",
        **more: object,
    ) -> None:
        """Answer the next requests of an operation with an error; None: all of them.

        `after`: let that many pass before.
        """
        body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message, **more}
        with self._lock:
            self._rules.append(_Rule(lambda op, _: op == operation, status, body, times, after))

    def collide(self, *, times: int, reason: str = "TransactionConflict") -> None:
        """Cancel the next transactions for another that is under way."""
        reasons = [{"Code": reason, "Message": "Transaction is ongoing for the item"}]
        self.refuse(
            "TransactWriteItems",
            "TransactionCanceledException",
            times=times,
            CancellationReasons=reasons,
        )

    def pretend(self, operation: str, part: str, name: str, value: str, *, times: int) -> None:
        """Answer as the server does, but for one value: `answer[part][name]`."""
        with self._lock:
            self._pretences[operation] = (part, name, value, times)

    def pretended(self, operation: str, answer: bytes) -> bytes:
        with self._lock:
            part, name, value, times = self._pretences.get(operation, ("", "", "", 0))
            if not times:
                return answer
            self._pretences[operation] = (part, name, value, times - 1)
        found = json.loads(answer)
        found[part][name] = value
        return json.dumps(found).encode()

    def count(self, operation: str) -> int:
        """How often this was asked since `forget`."""
        with self._lock:
            return sum(1 for asked, _ in self.asked if asked == operation)

    def forget(self) -> None:
        """Begin a new count."""
        with self._lock:
            self.asked.clear()

    def answer(self, operation: str, body: dict[str, Any]) -> tuple[int, bytes] | None:
        with self._lock:
            self.asked.append((operation, body))
            for rule in self._rules:
                if rule.times != 0 and rule.match(operation, body):
                    if rule.after:
                        rule.after -= 1
                        continue
                    rule.times = None if rule.times is None else rule.times - 1
                    return rule.status, json.dumps(rule.body).encode()
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    upstream: ClassVar[str]
    hook: ClassVar[Hook]
    _server: http.client.HTTPConnection | None = None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        operation = self.headers.get("X-Amz-Target", "").partition(".")[2]
        asked = json.loads(body or b"{}")
        answered = self.hook.answer(operation, asked)
        if answered is None:
            if self.hook.forget_tokens and asked.pop("ClientRequestToken", None):
                body = json.dumps(asked).encode()
            status, answer = self._pass_on(body)
            answered = status, self.hook.pretended(operation, answer)
        status, answer = answered
        self.send_response_only(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _pass_on(self, body: bytes) -> tuple[int, bytes]:
        if self._server is None:
            self._server = http.client.HTTPConnection(self.upstream, timeout=_TIMEOUT_S)
        kept = ("x-amz-target", "content-type", "authorization", "x-amz-date")
        headers = {k: v for k, v in self.headers.items() if k.lower() in kept}
        self._server.request("POST", self.path, body, headers)
        response = self._server.getresponse()
        return response.status, response.read()

    def finish(self) -> None:
        super().finish()
        if self._server is not None:
            self._server.close()


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


@contextmanager
def hooked(upstream: str) -> Iterator[Hook]:
    """A hook before the server at `upstream` (host:port), as long as the block runs."""
    hook = Hook()
    with _Proxy(
        ("127.0.0.1", 0), type("H", (_Handler,), {"upstream": upstream, "hook": hook})
    ) as p:
        hook.endpoint = f"http://127.0.0.1:{p.server_address[1]}"
        thread = threading.Thread(target=p.serve_forever, name="hook", daemon=True)
        thread.start()
        try:
            yield hook
        finally:
            p.shutdown()
            thread.join(_TIMEOUT_S)
