"""Nothing takes longer because a queue is long."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from coord.testing.sqs import Settings, SqsServer
from tests.integration.sqs.raw import Raw

pytestmark = pytest.mark.xdist_group("sqs")

LONG = 20_000
ROUNDS = 60
SLACK = 4.0  # the machine is busy; with a hundred times as much to look at it would be a hundred


@pytest.fixture(scope="module")
def raw() -> Iterator[Raw]:
    queues = ("empty", "long", "flying", "empty.fifo", "long.fifo")
    with SqsServer(Settings(queues=queues)) as server:
        found = Raw(server.endpoint)
        yield found
        found.close()


def entries(number: int, *, fifo: bool) -> list[dict[str, Any]]:
    return [
        {
            "Id": str(place),
            "MessageBody": f"{number} {place}",
            **({"MessageGroupId": f"{place}"} if fifo else {}),
        }
        for place in range(10)
    ]


def fill(raw: Raw, queue: str) -> None:
    for number in range(LONG // 10):
        raw.call(
            "SendMessageBatch",
            QueueUrl=queue,
            Entries=entries(-number, fifo=queue.endswith(".fifo")),
        )


def median_s(acts: list[Callable[[int], object]]) -> list[float]:
    """The median time of each, taken in turns."""
    times: list[list[float]] = [[] for _ in acts]
    for number in range(1, ROUNDS + 1):
        for place, act in enumerate(acts):
            start = time.perf_counter()
            act(number)
            times[place].append(time.perf_counter() - start)
    return [statistics.median(each) for each in times]


@pytest.mark.parametrize("kind", ["", ".fifo"])
def test_sending_receiving_and_deleting_are_as_quick_with_20000_messages_as_with_none(
    raw: Raw, kind: str
) -> None:
    fill(raw, f"long{kind}")

    def turn(queue: str) -> Callable[[int], object]:
        def act(number: int) -> None:
            sent = entries(number, fifo=bool(kind))
            raw.call("SendMessageBatch", QueueUrl=queue, Entries=sent)
            found = raw.call("ReceiveMessage", QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
            named = [
                {"Id": str(place), "ReceiptHandle": each["ReceiptHandle"]}
                for place, each in enumerate(found)
            ]
            raw.call("DeleteMessageBatch", QueueUrl=queue, Entries=named)

        return act

    short_s, long_s = median_s([turn(f"empty{kind}"), turn(f"long{kind}")])
    assert long_s < short_s * SLACK


def test_extending_is_as_quick_with_20000_messages_in_flight(raw: Raw) -> None:
    fill(raw, "flying")
    for _ in range(LONG // 10):
        raw.call("ReceiveMessage", QueueUrl="flying", MaxNumberOfMessages=10, VisibilityTimeout=600)
    receipts: dict[str, str] = {}
    for queue in ("flying", "empty"):
        raw.call("SendMessage", QueueUrl=queue, MessageBody="a")
        found = raw.call("ReceiveMessage", QueueUrl=queue, VisibilityTimeout=600)
        receipts[queue] = found["Messages"][0]["ReceiptHandle"]

    def turn(queue: str) -> Callable[[int], object]:
        return lambda _number: raw.call(
            "ChangeMessageVisibility",
            QueueUrl=queue,
            ReceiptHandle=receipts[queue],
            VisibilityTimeout=600,
        )

    few_s, many_s = median_s([turn("empty"), turn("flying")])
    assert many_s < few_s * SLACK
