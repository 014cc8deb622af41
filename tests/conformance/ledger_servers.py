"""What the ledger suite needs of a server: handles, handles behind a proxy, leftovers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from coord.tasks.spi import LedgerStore
from coord.testing.proxy import FaultProxy

__all__ = ["ProxyGate", "leftovers"]


class ProxyGate:
    """A handle whose bytes pass a proxy. `always`: what each of its writes is known by, if the
    body cannot be read on the way.
    """

    def __init__(
        self,
        address: tuple[str, int],
        opened: Callable[[str], LedgerStore],
        *,
        always: bytes = b"",
    ) -> None:
        self.proxy = FaultProxy(address)
        self._always = always
        self.store = opened(self.proxy.hostport)

    def shut(self) -> None:
        self.proxy.requests.hold()

    def open(self) -> None:
        self.proxy.requests.mend()

    def lose_reply(self, needle: bytes) -> None:
        self.proxy.on_request(self._always or needle, "lose_reply")


def leftovers() -> dict[str, int]:
    return {
        "threads": threading.active_count(),
        "descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()),
    }
