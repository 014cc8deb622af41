"""Real servers for tests and demonstrations: etcd, ZooKeeper, DynamoDB Local on free ports.

Owns the table of names below and holds no logic; a name's module is imported on first use.
Nothing here is for production. `python -m coord.testing.servers --help` starts and installs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the same table once more, for type checkers and editors
    from coord.testing.servers.cluster import Servers
    from coord.testing.servers.dynamodb import DynamoDBLocal
    from coord.testing.servers.errors import ServerFailed, ServerMissing
    from coord.testing.servers.etcd import EtcdServers
    from coord.testing.servers.find import KINDS, missing
    from coord.testing.servers.kinds import servers_of
    from coord.testing.servers.member import ServerMember
    from coord.testing.servers.zookeeper import ZooKeeperServers, four_letters

__all__ = [
    "KINDS",
    "DynamoDBLocal",
    "EtcdServers",
    "ServerFailed",
    "ServerMember",
    "ServerMissing",
    "Servers",
    "ZooKeeperServers",
    "four_letters",
    "missing",
    "servers_of",
]

_HOMES = {
    "KINDS": "coord.testing.servers.find",
    "DynamoDBLocal": "coord.testing.servers.dynamodb",
    "EtcdServers": "coord.testing.servers.etcd",
    "ServerFailed": "coord.testing.servers.errors",
    "ServerMember": "coord.testing.servers.member",
    "ServerMissing": "coord.testing.servers.errors",
    "Servers": "coord.testing.servers.cluster",
    "ZooKeeperServers": "coord.testing.servers.zookeeper",
    "four_letters": "coord.testing.servers.zookeeper",
    "missing": "coord.testing.servers.find",
    "servers_of": "coord.testing.servers.kinds",
}


def __getattr__(name: str) -> object:
    """Import a public name on first use; from then on it is an ordinary attribute."""
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
