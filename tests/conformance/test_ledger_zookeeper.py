"""The ZooKeeper ledger keeps every promise, on a real server."""

from __future__ import annotations

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.testing.ledger_conformance import LEDGER_CHECKS, LedgerCheck
from coord.testing.servers import ZooKeeperServers
from coord_zookeeper.deadline import Deadline
from coord_zookeeper.ledger import ZooKeeperLedger
from coord_zookeeper.ledger_nodes import Place, removing
from coord_zookeeper.requests import Node, data_of, refusal
from tests.conformance.servers import prove_ledger

pytestmark = pytest.mark.xdist_group("zookeeper")

TIMEOUT_S = 2.0


def _opened(hosts: str, group: str) -> ZooKeeperLedger:
    url = f"zookeeper://{hosts}/{group}"
    return ZooKeeperLedger.from_url(url, clock=SYSTEM_CLOCK, timeout_s=TIMEOUT_S)


@pytest.mark.parametrize("check", LEDGER_CHECKS, ids=lambda check: check.name)
def test_the_zookeeper_ledger_keeps_the_promise(
    check: LedgerCheck, zookeeper_server: ZooKeeperServers
) -> None:
    [member] = zookeeper_server.members

    def remove(group: str, key: str) -> None:
        """As a ledger that sweeps removes what is old."""
        ledger = _opened(zookeeper_server.hosts, group)
        link, place = ledger._connector.link(), Place.of(f"/{group}")
        bucket, path = place.bucket(key), place.record(key)
        deadline = Deadline(TIMEOUT_S)
        there, node = link.read([data_of(bucket), data_of(path)], deadline, sync=bucket)
        assert isinstance(there, Node)
        assert isinstance(node, Node)
        ops = removing(bucket, there.stat.version, [(path, node)])
        assert refusal(link.commit(ops, deadline)) is None
        ledger.close()

    prove_ledger(check, member, _opened, remove=remove, reopen=member.restart, timeout_s=TIMEOUT_S)
