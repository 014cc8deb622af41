"""The fake's engine on a clock that the test moves: requests in, replies out, nothing waits."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from coord.testing.clock import ManualClock
from coord.testing.sqs.control import Control
from coord.testing.sqs.engine import Engine
from coord.testing.sqs.http import Reply, Request
from coord.testing.sqs.service import Service
from coord.testing.sqs.tally import Tally

__all__ = ["Desk", "Refused", "Slip"]

HOST = "sqs.test"


class Refused(Exception):
    """An error as a client sees it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message


class Slip:
    """One exchange: what came of a request."""

    def __init__(self) -> None:
        self.answers: list[Reply | None] = []
        self._forget: Callable[[], None] | None = None

    def answer(self, reply: Reply | None) -> None:
        self.answers.append(reply)

    def when_lost(self, forget: Callable[[], None]) -> None:
        self._forget = forget

    def leave(self) -> None:
        """The client goes away."""
        assert self._forget is not None
        self._forget()

    @property
    def open(self) -> bool:
        return not self.answers

    @property
    def cut(self) -> bool:
        return self.answers == [None]

    @property
    def result(self) -> dict[str, Any]:
        assert len(self.answers) == 1
        reply = self.answers[0]
        assert reply is not None
        found: dict[str, Any] = json.loads(reply.body)
        if reply.status != 200:
            fields = dict(line.split(": ", 1) for line in reply.head.splitlines() if line)
            code, _ = fields["x-amzn-query-error"].split(";")
            raise Refused(reply.status, code, found["message"])
        return found

    @property
    def bodies(self) -> list[str]:
        return [message["Body"] for message in self.result.get("Messages", [])]


class Desk:
    """A client of one service. `queue` is the URL of a queue that is there."""

    def __init__(self, name: str = "q", attributes: dict[str, str] | None = None) -> None:
        self.clock = ManualClock()
        self.service = Service(epoch_s=1_000_000.0)
        self.engine = Engine(self.service, self.clock)
        self.control = Control(self.engine)
        self.queue = self.make(name, **(attributes or {}))

    def make(self, name: str, **attributes: str) -> str:
        url: str = self.call("CreateQueue", QueueName=name, Attributes=attributes)["QueueUrl"]
        return url

    def arn(self, url: str) -> str:
        return self.attributes("QueueArn", queue=url)["QueueArn"]

    def ask(self, operation: str, **params: object) -> Slip:
        return self.ask_as({}, operation, **params)

    def ask_as(self, headers: dict[str, str], operation: str, **params: object) -> Slip:
        slip = Slip()
        head = {"host": HOST, "x-amz-target": f"AmazonSQS.{operation}", **headers}
        self.engine.serve(Request("POST", "/", head, json.dumps(params).encode()), slip)
        return slip

    def call(self, operation: str, **params: object) -> dict[str, Any]:
        return self.ask(operation, **params).result

    def advance(self, by_s: float) -> None:
        self.control.perform("advance", {"by_s": by_s})

    def send(self, body: str, **more: object) -> dict[str, Any]:
        return self.call("SendMessage", QueueUrl=self.queue, MessageBody=body, **more)

    def poll(self, **more: object) -> Slip:
        queue = more.pop("queue", self.queue)
        return self.ask("ReceiveMessage", QueueUrl=queue, **more)

    def receive(self, number: int = 10, **more: object) -> list[dict[str, Any]]:
        slip = self.poll(MaxNumberOfMessages=number, MessageSystemAttributeNames=["All"], **more)
        found: list[dict[str, Any]] = slip.result.get("Messages", [])
        return found

    def bodies(self, number: int = 10, **more: object) -> list[str]:
        return [message["Body"] for message in self.receive(number, **more)]

    def one(self, **more: object) -> str:
        """Receive one message; its receipt."""
        (message,) = self.receive(1, **more)
        receipt: str = message["ReceiptHandle"]
        return receipt

    def delete(self, receipt: str, *, queue: str | None = None) -> None:
        self.call("DeleteMessage", QueueUrl=queue or self.queue, ReceiptHandle=receipt)

    def change(self, receipt: str, seconds: int) -> None:
        self.call(
            "ChangeMessageVisibility",
            QueueUrl=self.queue,
            ReceiptHandle=receipt,
            VisibilityTimeout=seconds,
        )

    def attributes(self, *names: str, queue: str | None = None) -> dict[str, str]:
        found: dict[str, str] = self.call(
            "GetQueueAttributes", QueueUrl=queue or self.queue, AttributeNames=list(names)
        ).get("Attributes", {})
        return found

    def counts(self, queue: str | None = None) -> tuple[int, int, int]:
        """Visible, in flight, delayed."""
        names = (
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        )
        found = self.attributes(*names, queue=queue)
        ready, flying, delayed = (int(found[name]) for name in names)
        return ready, flying, delayed

    def tally(self, name: str = "q") -> Tally:
        return self.service.queues[name].tally
