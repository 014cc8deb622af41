"""The ZooKeeper store keeps every promise, on a real server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from kazoo.client import KazooClient

from coord.clock import SYSTEM_CLOCK
from coord.spi import Session
from coord.testing.conformance import CHECKS, Check, Harness
from coord.testing.servers import ZooKeeperServers
from coord_zookeeper import ZooKeeperStore
from coord_zookeeper.url import target_of
from tests.conformance.harnesses import leftovers
from tests.conformance.servers import ProxyGate

pytestmark = pytest.mark.xdist_group("zookeeper")

TIMEOUT_S = 2.0


def opened(hosts: str) -> ZooKeeperStore:
    """A handle, as another process would have it."""
    url = f"zookeeper://{hosts}/unused"
    return ZooKeeperStore(target_of(url), clock=SYSTEM_CLOCK, timeout_s=TIMEOUT_S)


@pytest.fixture
def harness(zookeeper_server: ZooKeeperServers) -> Iterator[Harness]:
    [member] = zookeeper_server.members

    def forget(group: str) -> None:
        client = KazooClient(hosts=zookeeper_server.hosts)
        client.start()
        client.delete(f"/{group}", recursive=True)
        client.stop()
        client.close()

    with ExitStack() as ends:
        yield Harness(
            open=lambda: opened(zookeeper_server.hosts),
            clock=SYSTEM_CLOCK,
            sleep=time.sleep,
            ttl_s=1.0,
            late_s=1.5,
            timeout_s=TIMEOUT_S,
            gate=lambda: ProxyGate(member, opened, ends),
            reopen=member.restart,
            forget=forget,
            leftovers=leftovers,
            silence=_silence,
        )


def _silence(_session: Session) -> None:
    """Nothing to do: heartbeats are all that renews (no pings of the client's own)."""


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_zookeeper_keeps_the_promise(check: Check, harness: Harness) -> None:
    assert not check.missing(harness), "no check is left out"
    check.run(harness)
