"""The etcd ledger keeps every promise, on a real server."""

from __future__ import annotations

import etcd3.etcdrpc as rpc
import grpc
import pytest

from coord.clock import SYSTEM_CLOCK
from coord.testing.ledger_conformance import LEDGER_CHECKS, LedgerCheck
from coord.testing.servers import EtcdServers
from coord_etcd.ledger import EtcdLedger
from tests.conformance.servers import prove_ledger

pytestmark = pytest.mark.xdist_group("etcd")

TIMEOUT_S = 3.0


def _opened(hosts: str, group: str) -> EtcdLedger:
    url = f"etcd://{hosts}/{group}"
    return EtcdLedger.from_url(url, clock=SYSTEM_CLOCK, timeout_s=TIMEOUT_S)


@pytest.mark.parametrize("check", LEDGER_CHECKS, ids=lambda check: check.name)
def test_the_etcd_ledger_keeps_the_promise(check: LedgerCheck, etcd_server: EtcdServers) -> None:
    [member] = etcd_server.members

    def remove(group: str, key: str) -> None:
        """As etcd removes what hung on a lease that is over."""
        name = f"/coord/{group}/t/{key}".encode()
        with grpc.insecure_channel(etcd_server.hosts) as channel:
            found = rpc.KVStub(channel).Range(rpc.RangeRequest(key=name), timeout=5.0)
            assert found.kvs[0].lease, "a record without a lease would stay for ever"
            rpc.KVStub(channel).DeleteRange(rpc.DeleteRangeRequest(key=name), timeout=5.0)

    prove_ledger(check, member, _opened, remove=remove, reopen=member.restart, timeout_s=TIMEOUT_S)
