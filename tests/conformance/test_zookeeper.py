"""The ZooKeeper store keeps every promise, on a real server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from coord.clock import SYSTEM_CLOCK
from coord.spi import Session
from coord.testing import FaultProxy
from coord.testing.conformance import CHECKS, Check, Gate, Harness
from coord.testing.servers import ZooKeeperServers
from coord_zookeeper import ZooKeeperStore
from coord_zookeeper.url import target_of

pytestmark = pytest.mark.xdist_group("zookeeper")

TIMEOUT_S = 2.0


def opened(hosts: str) -> ZooKeeperStore:
    """A handle, as another process would have it."""
    url = f"zookeeper://{hosts}/unused"
    return ZooKeeperStore(target_of(url), clock=SYSTEM_CLOCK, timeout_s=TIMEOUT_S)


class _ProxyGate:
    """A handle whose bytes wait in a proxy while the gate is shut."""

    def __init__(self, servers: ZooKeeperServers, proxies: list[FaultProxy]) -> None:
        member = servers.members[0]
        self._proxy = FaultProxy((member.host, member.port))
        proxies.append(self._proxy)
        self.store = opened(self._proxy.hostport)

    def shut(self) -> None:
        self._proxy.requests.hold()

    def open(self) -> None:
        self._proxy.requests.mend()


@pytest.fixture
def harness(zookeeper_server: ZooKeeperServers) -> Iterator[Harness]:
    proxies: list[FaultProxy] = []

    def gate() -> Gate:
        return _ProxyGate(zookeeper_server, proxies)

    def forget(group: str) -> None:
        client = KazooClient(hosts=zookeeper_server.hosts)
        client.start()
        client.delete(f"/{group}", recursive=True)
        client.stop()
        client.close()

    yield Harness(
        open=lambda: opened(zookeeper_server.hosts),
        clock=SYSTEM_CLOCK,
        sleep=time.sleep,
        ttl_s=1.0,
        late_s=1.5,
        timeout_s=TIMEOUT_S,
        gate=gate,
        reopen=zookeeper_server.members[0].restart,
        forget=forget,
        leftovers=_leftovers,
        silence=_silence,
    )
    for proxy in proxies:
        proxy.close()


def _silence(_session: Session) -> None:
    """Nothing to do: heartbeats are all that renews (no pings of the client's own)."""


def _leftovers() -> Mapping[str, int]:
    return {
        "threads": threading.active_count(),
        "descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()),
    }


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_zookeeper_keeps_the_promise(check: Check, harness: Harness) -> None:
    assert not check.missing(harness), "no check is left out"
    check.run(harness)
