"""Real servers for tests, as fixtures: one of each a lane, stopped when the lane ends.

A test that uses one carries its `xdist_group` ("etcd", "zookeeper", "dynamodb", "sqs"), so that
all of them run in one lane and share it; each test takes a group name of its own. A cluster is
healed before each test that uses it: all members run and one leads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from coord.testing.servers import DynamoDBLocal, EtcdServers, Servers, ZooKeeperServers, missing
from coord.testing.sqs import SqsServer
from tests.support import require_server

__all__ = [
    "dynamodb_server",
    "etcd_cluster",
    "etcd_members",
    "etcd_server",
    "require",
    "sqs",
    "sqs_server",
    "zookeeper_cluster",
    "zookeeper_members",
    "zookeeper_server",
]

ServersT = TypeVar("ServersT", bound=Servers)


def require(kind: str) -> None:
    """Skip on a laptop, or fail in CI, a test whose server cannot be started here."""
    lacking = missing(kind)
    require_server(not lacking, name=kind, cure=lacking)


@contextmanager
def _started(kind: str, servers: ServersT) -> Iterator[ServersT]:
    require(kind)
    with servers:
        yield servers


@pytest.fixture(scope="session")
def etcd_server() -> Iterator[EtcdServers]:
    with _started("etcd", EtcdServers()) as servers:
        yield servers


@pytest.fixture(scope="session")
def etcd_members() -> Iterator[EtcdServers]:
    """Three members, in whatever state the last test left them: use `etcd_cluster`."""
    with _started("etcd", EtcdServers(members=3)) as servers:
        yield servers


@pytest.fixture
def etcd_cluster(etcd_members: EtcdServers) -> EtcdServers:
    etcd_members.heal()
    return etcd_members


@pytest.fixture(scope="session")
def zookeeper_server() -> Iterator[ZooKeeperServers]:
    with _started("zookeeper", ZooKeeperServers()) as servers:
        yield servers


@pytest.fixture(scope="session")
def zookeeper_members() -> Iterator[ZooKeeperServers]:
    """Three servers, in whatever state the last test left them: use `zookeeper_cluster`."""
    with _started("zookeeper", ZooKeeperServers(members=3)) as servers:
        yield servers


@pytest.fixture
def zookeeper_cluster(zookeeper_members: ZooKeeperServers) -> ZooKeeperServers:
    zookeeper_members.heal()
    return zookeeper_members


@pytest.fixture(scope="session")
def dynamodb_server() -> Iterator[DynamoDBLocal]:
    """Its `environment` holds the credentials that a client needs: `monkeypatch.setenv` them."""
    with _started("dynamodb", DynamoDBLocal()) as servers:
        yield servers


@pytest.fixture(scope="session")
def sqs_server() -> Iterator[SqsServer]:
    """The fake, in a process of its own, in whatever state the last test left it: use `sqs`."""
    with SqsServer() as server:
        yield server


@pytest.fixture
def sqs(sqs_server: SqsServer) -> Iterator[SqsServer]:
    sqs_server.heal()
    yield sqs_server
    sqs_server.heal()
