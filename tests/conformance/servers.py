"""What suites need of a real server: handles behind a proxy, and ledgers under test.

Owns no kind of server: each test says how a handle is opened.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Generic, TypeVar

from coord.clock import SYSTEM_CLOCK
from coord.tasks.spi import LedgerStore
from coord.testing.ledger_conformance import LedgerCheck, LedgerGate, LedgerHarness
from coord.testing.proxy import FaultProxy
from coord.testing.servers import ServerMember
from tests.conformance.harnesses import leftovers

__all__ = ["ProxyGate", "prove_ledger"]

HandleT = TypeVar("HandleT")


class ProxyGate(Generic[HandleT]):
    """A handle whose bytes pass a proxy, which is closed with `ends`.

    `always`: what each of its writes is known by, if the body cannot be read on the way.
    """

    def __init__(
        self,
        member: ServerMember,
        opened: Callable[[str], HandleT],
        ends: ExitStack,
        *,
        always: bytes = b"",
    ) -> None:
        self._proxy = ends.enter_context(FaultProxy((member.host, member.port)))
        self._always = always
        self.store = opened(self._proxy.hostport)

    def shut(self) -> None:
        self._proxy.requests.hold()

    def open(self) -> None:
        self._proxy.requests.mend()

    def lose_reply(self, needle: bytes) -> None:
        self._proxy.on_request(self._always or needle, "lose_reply")


def prove_ledger(
    check: LedgerCheck,
    member: ServerMember,
    opened: Callable[[str, str], LedgerStore],
    *,
    remove: Callable[[str, str], None],
    reopen: Callable[[], None],
    timeout_s: float,
    always: bytes = b"",
) -> None:
    """Run a check of ledgers, `opened` on (host:port, group), with every hook there is."""
    with ExitStack() as ends:

        def gate(group: str) -> LedgerGate:
            return ProxyGate(member, lambda at: opened(at, group), ends, always=always)

        harness = LedgerHarness(
            open=lambda group: opened(f"{member.host}:{member.port}", group),
            clock=SYSTEM_CLOCK,
            sleep=time.sleep,
            timeout_s=timeout_s,
            gate=gate,
            remove=remove,
            reopen=reopen,
            leftovers=leftovers,
        )
        assert not check.missing(harness), "no check is left out"
        check.run(harness)
