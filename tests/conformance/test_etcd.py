"""The etcd store keeps every promise, on a real server, with requests held on the way to it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack

import etcd3.etcdrpc as rpc
import grpc
import pytest

from coord.clock import SYSTEM_CLOCK
from coord.testing.conformance import CHECKS, Check, Harness
from coord.testing.servers import EtcdServers
from coord_etcd import EtcdStore
from tests.conformance.harnesses import leftovers
from tests.conformance.servers import ProxyGate
from tests.support import require_server

pytestmark = pytest.mark.xdist_group("etcd")

TIMEOUT_S = 1.0


def _opened(hosts: str) -> EtcdStore:
    store, _ = EtcdStore.from_url(f"etcd://{hosts}", clock=SYSTEM_CLOCK, timeout_s=TIMEOUT_S)
    assert isinstance(store, EtcdStore)
    return store


@pytest.fixture(scope="module")
def servers() -> Iterator[EtcdServers]:
    require_server(shutil.which("etcd"), name="etcd", cure="apt install etcd-server")
    with EtcdServers() as found:
        yield found


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_etcd_keeps_the_promise(check: Check, servers: EtcdServers) -> None:
    [member] = servers.members

    def forget(group: str) -> None:
        """What an operator would tell etcdctl."""
        prefix = f"/coord/{group}/".encode()
        with grpc.insecure_channel(servers.hosts) as channel:
            rpc.KVStub(channel).DeleteRange(
                rpc.DeleteRangeRequest(key=prefix, range_end=prefix[:-1] + b"0"), timeout=5.0
            )

    with ExitStack() as ends:
        check.run(
            Harness(
                open=lambda: _opened(servers.hosts),
                clock=SYSTEM_CLOCK,
                sleep=time.sleep,
                ttl_s=1.0,
                late_s=2.0,
                timeout_s=TIMEOUT_S,
                gate=lambda: ProxyGate(member, _opened, ends),
                reopen=member.restart,
                forget=forget,
                leftovers=leftovers,
            )
        )
