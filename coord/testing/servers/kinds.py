"""From the scheme of a store's URL to its servers.

Owns that table, for whoever has only the word: the command line and the demo.
"""

from __future__ import annotations

from coord.errors import ConfigError
from coord.testing.servers.cluster import Servers
from coord.testing.servers.dynamodb import DynamoDBLocal
from coord.testing.servers.etcd import EtcdServers
from coord.testing.servers.find import KINDS
from coord.testing.servers.zookeeper import ZooKeeperServers
from coord.testing.wire.launcher import MemoryServers

__all__ = ["servers_of"]

_SINGLE: dict[str, type[DynamoDBLocal | MemoryServers]] = {
    "dynamodb": DynamoDBLocal,
    "memory": MemoryServers,
}


def servers_of(kind: str, *, members: int = 1) -> Servers:
    """The servers of `kind` ("etcd", "zookeeper", "dynamodb" or "memory"), not yet started."""
    if kind == "etcd":
        return EtcdServers(members=members)
    if kind == "zookeeper":
        return ZooKeeperServers(members=members)
    single = _SINGLE.get(kind)
    if single is None:
        raise ConfigError(f"no server of kind {kind!r}", cure=f"Choose one of {', '.join(KINDS)}.")
    if members != 1:
        raise ConfigError(f"{single.kind} is one process", cure="Ask for 1 member.")
    return single()
