"""Where the benchmarks of the stores run: one kind of server each, started and stopped here."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from coord.registry import open_store
from coord.testing.servers import Servers
from tests.bench.figures import Section
from tests.integration.stores.kinds import KINDS

__all__ = ["TEXTS", "TITLES", "Place"]

TEXTS = {
    "etcd": """\
The server shares the machine's cores with its clients. What a whole member takes beyond its session
is Python of the core and the runtime, some 12 µs a shard: a third goes into planning and asking
(the view's step), a third into taking in the answers, the rest into giving the terms to their loop.
etcd answers so fast that only the last hides behind it; on the other stores all of it does.""",
    "zookeeper": """\
The server shares the machine's cores with its clients. Most of the time is kazoo's, which packs and
unpacks each request in Python.""",
    "dynamodb": """\
DynamoDB Local shares the machine's cores with its clients, and takes a minute for 10,000 claims,
whoever asks: so 1,000 are claimed. Units are what the server said of each request, by Amazon's
rules where it is cheaper (items in transactions, refused conditions).""",
}
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
