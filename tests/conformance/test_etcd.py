"""The etcd store keeps every promise, on a real server, with requests held on the way to it."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import etcd3.etcdrpc as rpc
import grpc
import pytest

from coord.clock import SYSTEM_CLOCK
from coord.spi import Store
from coord.testing.conformance import CHECKS, Check, Gate, Harness
from coord.testing.proxy import FaultProxy
from coord.testing.servers import EtcdServers
from coord_etcd import EtcdStore
from tests.support import require_server

pytestmark = pytest.mark.xdist_group("etcd")

TIMEOUT_S = 1.0


class _ProxyGate:
    """Requests wait in a proxy while the gate is shut."""

    def __init__(self, host: str, port: int) -> None:
        self._proxy = FaultProxy((host, port))
        self.store: Store = _opened(self._proxy.hostport)

    def shut(self) -> None:
        self._proxy.requests.hold()

    def open(self) -> None:
        self._proxy.requests.mend()

    def close(self) -> None:
        self._proxy.close()


class _Server:
    """One etcd, and what the suite needs to do to it."""

    def __init__(self, servers: EtcdServers) -> None:
        self._servers = servers
        self.gates: list[_ProxyGate] = []

    def open(self) -> EtcdStore:
        return _opened(self._servers.hosts)

    def gate(self) -> Gate:
        member = self._servers.members[0]
        self.gates.append(_ProxyGate(member.host, member.port))
        return self.gates[-1]

    def reopen(self) -> None:
        self._servers.members[0].restart()

    def forget(self, group: str) -> None:
        """What an operator would tell etcdctl."""
        prefix = f"/coord/{group}/".encode()
        with grpc.insecure_channel(self._servers.hosts) as channel:
            rpc.KVStub(channel).DeleteRange(
                rpc.DeleteRangeRequest(key=prefix, range_end=prefix[:-1] + b"0"), timeout=5.0
            )

    def leftovers(self) -> Mapping[str, int]:
        return {
            "threads": threading.active_count(),
            "descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        }


def _opened(hosts: str) -> EtcdStore:
    store, _ = EtcdStore.from_url(f"etcd://{hosts}", clock=SYSTEM_CLOCK, timeout_s=TIMEOUT_S)
    assert isinstance(store, EtcdStore)
    return store


@pytest.fixture(scope="module")
def server() -> Iterator[_Server]:
    require_server(shutil.which("etcd"), name="etcd", cure="apt install etcd-server")
    with EtcdServers() as servers:
        yield _Server(servers)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_etcd_keeps_the_promise(check: Check, server: _Server) -> None:
    harness = Harness(
        open=server.open,
        clock=SYSTEM_CLOCK,
        sleep=time.sleep,
        ttl_s=1.0,
        late_s=2.0,
        timeout_s=TIMEOUT_S,
        gate=server.gate,
        reopen=server.reopen,
        forget=server.forget,
        leftovers=server.leftovers,
    )
    try:
        check.run(harness)
    finally:
        while server.gates:
            server.gates.pop().close()
