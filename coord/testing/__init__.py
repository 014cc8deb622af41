"""What users and people who write stores test with: fake terms, time, stores in memory, faults,
and whole fleets in virtual time.

Owns the table of names below and holds no logic; a name's module is imported on first use.
`coord.testing.conformance` is a package of its own and not needed to use the rest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the same table once more, for type checkers and editors
    from coord.testing.clock import ManualClock, SkewedClock
    from coord.testing.faults import Fate, FaultPlan, FaultyStore
    from coord.testing.faulty_ledger import FaultyLedger
    from coord.testing.memory import Manner, MemoryServer, MemoryStore
    from coord.testing.memory_ledger import MemoryLedger
    from coord.testing.proxy import FaultProxy
    from coord.testing.servers.dynamodb import DynamoDBLocal
    from coord.testing.servers.etcd import EtcdServers
    from coord.testing.servers.zookeeper import ZooKeeperServers
    from coord.testing.terms import FakeAsyncTerm, FakeTerm, fake_term
    from coord.testing.world import World
    from coord.testing.world_link import Link
    from coord.testing.world_work import Behaviour, Conduct

__all__ = [
    "Behaviour",
    "Conduct",
    "DynamoDBLocal",
    "EtcdServers",
    "FakeAsyncTerm",
    "FakeTerm",
    "Fate",
    "FaultPlan",
    "FaultProxy",
    "FaultyLedger",
    "FaultyStore",
    "Link",
    "Manner",
    "ManualClock",
    "MemoryLedger",
    "MemoryServer",
    "MemoryStore",
    "SkewedClock",
    "World",
    "ZooKeeperServers",
    "fake_term",
]

_HOMES = {
    "Behaviour": "coord.testing.world_work",
    "Conduct": "coord.testing.world_work",
    "DynamoDBLocal": "coord.testing.servers.dynamodb",
    "EtcdServers": "coord.testing.servers.etcd",
    "FakeAsyncTerm": "coord.testing.terms",
    "FakeTerm": "coord.testing.terms",
    "Fate": "coord.testing.faults",
    "FaultPlan": "coord.testing.faults",
    "FaultProxy": "coord.testing.proxy",
    "FaultyLedger": "coord.testing.faulty_ledger",
    "FaultyStore": "coord.testing.faults",
    "Link": "coord.testing.world_link",
    "Manner": "coord.testing.memory",
    "ManualClock": "coord.testing.clock",
    "MemoryLedger": "coord.testing.memory_ledger",
    "MemoryServer": "coord.testing.memory",
    "MemoryStore": "coord.testing.memory",
    "SkewedClock": "coord.testing.clock",
    "World": "coord.testing.world",
    "ZooKeeperServers": "coord.testing.servers.zookeeper",
    "fake_term": "coord.testing.terms",
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
