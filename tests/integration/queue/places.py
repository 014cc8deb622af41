"""Where a depot's queue is: a SQLite file, or the SQS fake in a process of its own."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from coord.testing import FaultProxy
from coord.testing.sqs import SqsServer
from tests.integration.queue.depot import Depot
from tests.integration.sqs.client import client_of

__all__ = ["KINDS", "Place", "SqlitePlace", "SqsPlace", "place_of"]

KINDS = ("sqlite", "sqs")


class SqlitePlace:
    """A file. The way of everybody is cut by holding its write lock."""

    spares_others = False

    def __init__(self, folder: Path) -> None:
        self._file = folder / "queue.db"
        self._folder = folder

    def depot(self, *, ordered: bool = False, max_receives: int = 100) -> Depot:
        """A queue with nothing in it."""
        fifo = "&fifo=true" if ordered else ""
        return Depot(self._folder, f"sqlite:///{self._file}?max_receives={max_receives}{fifo}")

    def way(self) -> str:
        """The URL for a worker whose way may be cut."""
        return ""

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Nobody can change anything meanwhile."""
        with closing(sqlite3.connect(self._file, timeout=20.0, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")


class SqsPlace:
    """A fake, and a proxy that cuts the way of those workers that were given it."""

    spares_others = True

    def __init__(self, folder: Path, server: SqsServer) -> None:
        self._folder = folder
        self._server = server
        self.proxy = FaultProxy(("127.0.0.1", server.members[0].port))
        self._name = "haul"

    def depot(self, *, ordered: bool = False, max_receives: int = 100) -> Depot:
        """A queue with dead letters and nothing in it."""
        self._name = f"{self._folder.name[-40:]}{'.fifo' if ordered else ''}"
        kind = {"FifoQueue": "true"} if ordered else {}
        boto: Any = client_of(self._server.endpoint)
        dead = boto.create_queue(QueueName=f"dead-{self._name}", Attributes=kind)["QueueUrl"]
        asked = {"QueueUrl": dead, "AttributeNames": ["QueueArn"]}
        arn = boto.get_queue_attributes(**asked)["Attributes"]["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": max_receives})
        boto.create_queue(QueueName=self._name, Attributes={**kind, "RedrivePolicy": policy})
        environment = self._server.environment
        return Depot(self._folder, self._server.url(self._name), environment=environment)

    def way(self) -> str:
        """The URL for a worker whose way may be cut."""
        host, port = self.proxy.address
        direct = self._server.url(self._name)
        return direct.replace(self._server.endpoint, f"http://{host}:{port}")

    @contextmanager
    def cut(self) -> Iterator[None]:
        """What is sent by that way meanwhile does not arrive."""
        with self.proxy.blackhole("requests", lands="never"):
            yield

    @contextmanager
    def mute(self) -> Iterator[None]:
        """What is sent by that way meanwhile arrives, and its answers do not."""
        with self.proxy.lose_replies():
            yield


Place = SqlitePlace | SqsPlace


@contextmanager
def place_of(kind: str, folder: Path) -> Iterator[Place]:
    """One of `KINDS`, and its server."""
    if kind == "sqlite":
        yield SqlitePlace(folder)
        return
    with SqsServer() as server:
        made = SqsPlace(folder, server)
        with made.proxy:
            yield made
