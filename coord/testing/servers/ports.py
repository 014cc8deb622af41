"""TCP ports of 127.0.0.1 that nobody else takes while we hold them.

Owns the choice and the reservation of ports; knows no server.

A port found by binding to port 0 comes from the range that the kernel also gives to outgoing
connections and to every other `bind(0)`. So it can be gone before the server binds it, or while a
killed member waits for its restart. Ours come from below that range, and each is claimed for the
whole machine by a socket in the abstract namespace, which has the scope of the ports themselves
(the network namespace) and ends with its process. What is left is a program that binds a fixed
port of the same range in the very moment: then the server says so and is started on other ports.
"""

from __future__ import annotations

import random
import socket
from pathlib import Path

from coord.testing.servers.errors import ServerFailed

__all__ = ["HOST", "Ports"]

HOST = "127.0.0.1"

_LOWEST = 15_000
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_EPHEMERAL_DEFAULT = 32_768
_ROOM = 1_000  # fewer ports than this below the kernel's range: take those above it


class Ports:
    """Reserved ports. `close()` gives them back. One thread at a time."""

    def __init__(self) -> None:
        self._claims: list[socket.socket] = []

    def take(self) -> int:
        """A port that is free and that no other `Ports` of this machine will give out."""
        lowest, highest = _range()
        for port in random.sample(range(lowest, highest), highest - lowest):
            claim = _claimed(port)
            if claim is None:
                continue
            if _free(port):
                self._claims.append(claim)
                return port
            claim.close()
        raise ServerFailed(
            f"no TCP port from {lowest} to {highest} is free on {HOST}",
            cure="Stop what occupies them (`ss -ltn` lists the listeners).",
        )

    def close(self) -> None:
        """Give all ports back. May be called again."""
        while self._claims:
            self._claims.pop().close()


def _range() -> tuple[int, int]:
    try:
        first, last = (int(word) for word in _EPHEMERAL.read_text().split())
    except (OSError, ValueError):
        first, last = _EPHEMERAL_DEFAULT, 60_999
    return (_LOWEST, first) if first - _LOWEST >= _ROOM else (min(last + 1, 64_000), 65_536)


def _claimed(port: int) -> socket.socket | None:
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0coord-port-{port}")
    except OSError:
        claim.close()
        return None
    return claim


def _free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # TIME_WAIT is no obstacle
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
