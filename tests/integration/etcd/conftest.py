"""Servers that tests share: one etcd, and a cluster of three with short elections."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from coord.testing.proxy import FaultProxy
from coord.testing.servers import EtcdServers
from tests.integration.etcd.tools import Etcd, started


@pytest.fixture(scope="package")
def alone() -> Iterator[EtcdServers]:
    """One etcd, which grants leases of 1 s."""
    with started() as servers:
        yield servers


@pytest.fixture
def etcd(alone: EtcdServers) -> Iterator[Etcd]:
    """Its own calls."""
    with Etcd.at(alone.hosts) as calls:
        yield calls


@pytest.fixture
def proxy(alone: EtcdServers) -> Iterator[FaultProxy]:
    """A way to it that can be cut."""
    member = alone.members[0]
    with FaultProxy((member.host, member.port)) as found:
        yield found


@pytest.fixture(scope="package")
def three() -> Iterator[EtcdServers]:
    """A cluster, whose elections take half a second to a second."""
    with started(lambda: EtcdServers(members=3, heartbeat_s=0.05, election_s=0.5)) as servers:
        yield servers


@pytest.fixture
def cluster(three: EtcdServers) -> Iterator[EtcdServers]:
    """The cluster, healed before and after."""
    three.heal()
    yield three
    three.heal()
