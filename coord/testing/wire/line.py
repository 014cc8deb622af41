"""One connection to the server, on which one request at a time is answered.

Owns the socket and what is known of a request that failed. Whatever goes wrong, the connection is
given up and the next request makes another: an answer that comes late finds nobody.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from coord.errors import Certainty, StoreRefused, StoreUnavailable
from coord.testing.wire.frames import Frame, read_frame, write_frame
from coord.testing.wire.values import error_from

__all__ = ["NOTHING", "Line"]

NOTHING: Mapping[str, Any] = MappingProxyType({})
"""What a request says that says nothing."""

_CURE = "See whether it still runs; its groups end with it."


class Line:
    """Requests of any thread, one after the other, each answered within the timeout."""

    def __init__(self, address: tuple[str, int], timeout_s: float) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._sock: socket.socket | None = None
        self._closed = False

    def ask(self, op: str, asked: Mapping[str, Any] = NOTHING, *, wait_s: float = 0.0) -> Frame:
        """The server's answer. `wait_s`: how long it may take its time beyond the timeout.

        Raises what the server raised, and StoreUnavailable if there was no answer in time.
        """
        end_s = time.monotonic() + self._timeout_s + wait_s
        if not self._lock.acquire(timeout=self._timeout_s):
            raise self._silent(op, "others wait for their answers", Certainty.NOT_APPLIED)
        try:
            answer = self._asked({"op": op, **asked}, end_s)
        finally:
            self._lock.release()
        if "error" in answer:
            raise error_from(answer)
        return answer

    def close(self) -> None:
        """Close the connection; whoever waits for an answer gets none. Idempotent."""
        self._closed = True
        sock = self._sock
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        if self._lock.acquire(timeout=self._timeout_s):
            try:
                self._give_up()
            finally:
                self._lock.release()

    def _asked(self, request: Frame, end_s: float) -> Frame:
        op = request["op"]
        sock = self._connected(op, end_s)
        try:
            sock.settimeout(max(0.001, end_s - time.monotonic()))
            write_frame(sock, request)
            answer = read_frame(sock, lambda: end_s - time.monotonic())
        except TimeoutError:
            self._give_up()
            raise self._silent(op, "no answer in time", Certainty.UNKNOWN) from None
        except OSError as error:
            self._give_up()
            raise self._silent(op, str(error), Certainty.UNKNOWN) from error
        except BaseException:
            self._give_up()  # interrupted within a frame
            raise
        if answer is None:
            self._give_up()
            raise self._silent(op, "it ended the connection", Certainty.UNKNOWN)
        return answer

    def _connected(self, op: str, end_s: float) -> socket.socket:
        if self._sock is not None and _has_ended(self._sock):
            self._give_up()
        if self._closed:
            raise StoreRefused(
                "this memory store is closed", cure="Open another; nothing was done."
            )
        if self._sock is None:
            left_s = max(0.001, end_s - time.monotonic())
            try:
                sock = socket.create_connection(self._address, timeout=left_s)
            except OSError as error:
                raise self._silent(op, str(error), Certainty.NOT_APPLIED) from error
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sock = sock
        return self._sock

    def _give_up(self) -> None:
        sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()

    def _silent(self, op: str, why: str, certainty: Certainty) -> StoreUnavailable:
        host, port = self._address
        cause = f"{op}: the memory store on {host}:{port} did not answer ({why})"
        return StoreUnavailable(cause, cure=_CURE, certainty=certainty)


def _has_ended(sock: socket.socket) -> bool:
    """Whether the other side has ended it: nothing else is there to be read before we ask."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
