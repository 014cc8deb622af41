"""A small TCP server for tests of the proxy: takes requests of a line, tells what it has done.

Owns its sockets and threads. `slow…` takes a moment to take effect; `cancel…` has none if anything
else comes in that moment, as servers do whose clients cancel or hang up.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

__all__ = ["PATIENCE_S", "RequestServer"]

PATIENCE_S = 20.0
_MOMENT_S = 0.1


class RequestServer:
    """`effects` are the lines that took effect, in order; `ends` how connections ended."""

    def __init__(self) -> None:
        self.effects: list[str] = []
        self.ends: list[str] = []
        self.bytes = 0
        self._changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def address(self) -> tuple[str, int]:
        address: tuple[str, int] = self._listener.getsockname()
        return address

    def wait_for_effects(self, *lines: str) -> None:
        self._wait(lambda: self.effects == list(lines), "effects", lines)

    def wait_for_ends(self, *ends: str) -> None:
        self._wait(lambda: sorted(self.ends) == sorted(ends), "ends", ends)

    def wait_for_bytes(self, count: int) -> None:
        self._wait(lambda: self.bytes >= count, "bytes", (str(count),))

    def _wait(self, condition: object, what: str, wanted: tuple[str, ...]) -> None:
        assert callable(condition)
        with self._changed:
            done = self._changed.wait_for(condition, PATIENCE_S)
            assert done, f"{what} are {getattr(self, what)}, not {wanted}"

    def _note(self, kind: str, what: str) -> None:
        with self._changed:
            getattr(self, kind).append(what)
            self._changed.notify_all()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        rest = b""
        try:
            while data := connection.recv(65_536):
                with self._changed:
                    self.bytes += len(data)
                    self._changed.notify_all()
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._act(connection, line.decode())
            self._note("ends", "fin")
            connection.sendall(b"bye\n")
            connection.shutdown(socket.SHUT_WR)
        except ConnectionResetError:
            self._note("ends", "reset")
        except OSError:
            pass

    def _act(self, connection: socket.socket, line: str) -> None:
        if line.startswith("slow"):
            time.sleep(_MOMENT_S)
        if line.startswith("cancel") and select.select([connection], [], [], _MOMENT_S)[0]:
            return
        self._note("effects", line)
        connection.sendall(f"did {line}\n".encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(PATIENCE_S)
        self.close_connections()

    def close_connections(self) -> None:
        """Close what was accepted so far; its threads are over on return."""
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join(PATIENCE_S)
        for connection in self._connections:
            connection.close()
