"""The ZooKeeper ledger keeps every promise, on a real server."""

from __future__ import annotations

import time

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.testing.ledger_conformance import (
    LEDGER_CHECKS,
    LedgerCheck,
    LedgerGate,
    LedgerHarness,
)
from coord.testing.servers import ZooKeeperServers
from coord_zookeeper.deadline import Deadline
from coord_zookeeper.ledger import ZooKeeperLedger
from coord_zookeeper.ledger_nodes import Place, removing
from coord_zookeeper.requests import Node, data_of, refusal
from tests.conformance.ledger_servers import ProxyGate, leftovers

pytestmark = pytest.mark.xdist_group("zookeeper")

TIMEOUT_S = 2.0


def _opened(hosts: str, group: str) -> ZooKeeperLedger:
    url = f"zookeeper://{hosts}/{group}"
    return ZooKeeperLedger.from_url(url, clock=SYSTEM_CLOCK, timeout_s=TIMEOUT_S)


class _Server:
    """One ZooKeeper, and what the suite needs to do to it."""

    def __init__(self, servers: ZooKeeperServers) -> None:
        self._servers = servers
        self._gates: list[ProxyGate] = []

    def open(self, group: str) -> ZooKeeperLedger:
        return _opened(self._servers.hosts, group)

    def gate(self, group: str) -> LedgerGate:
        member = self._servers.members[0]
        address = (member.host, member.port)
        self._gates.append(ProxyGate(address, lambda hostport: _opened(hostport, group)))
        return self._gates[-1]

    def remove(self, group: str, key: str) -> None:
        """As a ledger that sweeps removes what is old."""
        ledger = self.open(group)
        link, place = ledger._connector.link(), Place.of(f"/{group}")
        bucket, path = place.bucket(key), place.record(key)
        deadline = Deadline(TIMEOUT_S)
        there, node = link.read([data_of(bucket), data_of(path)], deadline, sync=bucket)
        assert isinstance(there, Node)
        assert isinstance(node, Node)
        ops = removing(bucket, there.stat.version, [(path, node)])
        assert refusal(link.commit(ops, deadline)) is None
        ledger.close()

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
def test_the_zookeeper_ledger_keeps_the_promise(
    check: LedgerCheck, zookeeper_server: ZooKeeperServers
) -> None:
    server = _Server(zookeeper_server)
    assert not check.missing(server.harness()), "no check is left out"
    try:
        check.run(server.harness())
    finally:
        server.close()
