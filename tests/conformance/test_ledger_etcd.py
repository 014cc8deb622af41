"""The etcd ledger keeps every promise, on a real server."""

from __future__ import annotations

import time

import etcd3.etcdrpc as rpc
import grpc
import pytest

from coord.clock import SYSTEM_CLOCK
from coord.testing.ledger_conformance import (
    LEDGER_CHECKS,
    LedgerCheck,
    LedgerGate,
    LedgerHarness,
)
from coord.testing.servers import EtcdServers
from coord_etcd.ledger import EtcdLedger
from tests.conformance.ledger_servers import ProxyGate, leftovers

pytestmark = pytest.mark.xdist_group("etcd")

TIMEOUT_S = 1.0


def _opened(hosts: str, group: str) -> EtcdLedger:
    url = f"etcd://{hosts}/{group}"
    return EtcdLedger.from_url(url, clock=SYSTEM_CLOCK, timeout_s=TIMEOUT_S)


class _Server:
    """One etcd, and what the suite needs to do to it."""

    def __init__(self, servers: EtcdServers) -> None:
        self._servers = servers
        self._gates: list[ProxyGate] = []

    def open(self, group: str) -> EtcdLedger:
        return _opened(self._servers.hosts, group)

    def gate(self, group: str) -> LedgerGate:
        member = self._servers.members[0]
        address = (member.host, member.port)
        self._gates.append(ProxyGate(address, lambda hostport: _opened(hostport, group)))
        return self._gates[-1]

    def remove(self, group: str, key: str) -> None:
        """As etcd removes what hung on a lease that is over."""
        name = f"/coord/{group}/t/{key}".encode()
        with grpc.insecure_channel(self._servers.hosts) as channel:
            found = rpc.KVStub(channel).Range(rpc.RangeRequest(key=name), timeout=5.0)
            assert found.kvs[0].lease, "a record without a lease would stay for ever"
            rpc.KVStub(channel).DeleteRange(rpc.DeleteRangeRequest(key=name), timeout=5.0)

    def close(self) -> None:
        while self._gates:
            self._gates.pop().proxy.close()

    def harness(self) -> LedgerHarness:
        return LedgerHarness(
            open=self.open,
            clock=SYSTEM_CLOCK,
            sleep=time.sleep,
            timeout_s=TIMEOUT_S,
            gate=self.gate,
            remove=self.remove,
            reopen=self._servers.members[0].restart,
            leftovers=leftovers,
        )


@pytest.mark.parametrize("check", LEDGER_CHECKS, ids=lambda check: check.name)
def test_the_etcd_ledger_keeps_the_promise(check: LedgerCheck, etcd_server: EtcdServers) -> None:
    server = _Server(etcd_server)
    assert not check.missing(server.harness()), "no check is left out"
    try:
        check.run(server.harness())
    finally:
        server.close()
