"""Queues of SQS for one test, and handles on them, closed whatever happens."""

from __future__ import annotations

import json

from coord.tasks.opening import open_queue
from coord.tasks.queue.spi import Queue
from coord.testing.sqs import SqsServer
from tests.integration.sqs.client import Client

__all__ = ["Desk"]

TIMEOUT_S = 3.0


class Desk:
    """Queues of one test, each with dead letters after three deliveries."""

    def __init__(self, server: SqsServer, client: Client) -> None:
        self.server = server
        self.client = client
        self._opened: list[Queue] = []

    def url(self, short: str = "jobs", *, endpoint: str = "", **more: str) -> str:
        """Of a queue that is made; FIFO if its name ends so."""
        kind = {"FifoQueue": "true"} if short.endswith(".fifo") else {}
        dead = self.client.make(f"dead-{short}", **kind)
        found = self.client.call("GetQueueAttributes", QueueUrl=dead, AttributeNames=["QueueArn"])
        policy = {"deadLetterTargetArn": found["Attributes"]["QueueArn"], "maxReceiveCount": 3}
        self.client.make(short, **kind, RedrivePolicy=json.dumps(policy), **more)
        where = endpoint or self.server.endpoint
        return f"sqs://{self.client.name(short)}?region=us-east-1&endpoint={where}"

    def open(self, url: str, timeout_s: float = TIMEOUT_S) -> Queue:
        queue = open_queue(url, timeout_s=timeout_s)
        self._opened.append(queue)
        return queue

    def close(self) -> None:
        for queue in self._opened:
            queue.close()
