"""Where the benchmarks of the stores run: one kind of server each, started and stopped here."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from coord.registry import open_store
from coord.testing.servers import Servers
from tests.bench.figures import Section
from tests.integration.stores.kinds import KINDS

__all__ = ["TITLES", "Place"]

TITLES = {"etcd": "etcd", "zookeeper": "ZooKeeper", "dynamodb": "DynamoDB"}


@dataclass(frozen=True)
class Place:
    """One kind of server, running, and the section that its figures go to."""

    kind: str
    servers: Servers
    section: Section
    endpoint: str = ""

    def url(self) -> str:
        """A new group, made ready for its first member."""
        options = {"endpoint": self.endpoint} if self.endpoint else {}
        return KINDS[self.kind].url(self.servers, **options)

    @property
    def batch(self) -> int:
        """How many keys the store claims at once."""
        opened = open_store(self.url(), timeout_s=5.0)
        with closing(opened.store):
            return opened.store.guarantees.batch_size
