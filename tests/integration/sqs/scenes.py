"""Scenes: calls whose answers are the same at the fake and at moto. What differs is not here."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from tests.integration.sqs.client import Client

__all__ = ["SCENES"]

Scene = Callable[[Client], None]
SCENES: dict[str, Scene] = {}

ATTRIBUTES = {
    "text": {"DataType": "String", "StringValue": "é"},
    "number.x": {"DataType": "Number", "StringValue": "3.5"},
    "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    "own": {"DataType": "String.own", "StringValue": "x"},
}
FIFO = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}


def scene(act: Scene) -> Scene:
    SCENES[act.__name__] = act
    return act


def receipts(reply: dict[str, Any]) -> list[str]:
    return [message["ReceiptHandle"] for message in reply.get("Messages", [])]


@scene
def queues_are_made_found_and_deleted(client: Client) -> None:
    url = client.make("q", VisibilityTimeout="60", DelaySeconds="5")
    client.make("q", VisibilityTimeout="60")
    other = {"VisibilityTimeout": "61"}
    client.call("CreateQueue", QueueName=client.name("q"), Attributes=other)
    client.call("GetQueueUrl", QueueName=client.name("q"))
    client.call("GetQueueUrl", QueueName=client.name("none"))
    client.call("DeleteQueue", QueueUrl=url)
    client.call("GetQueueUrl", QueueName=client.name("q"))
    client.call("DeleteQueue", QueueUrl=url)
    client.call("SendMessage", QueueUrl=url, MessageBody="a")
    client.call("ReceiveMessage", QueueUrl=url)
    client.call("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])


@scene
def names_are_checked(client: Client) -> None:
    for name in ("a b", "x" * 81):
        client.call("CreateQueue", QueueName=name)
    client.call("CreateQueue", QueueName="a", Attributes={"FifoQueue": "true"})


@scene
def queues_are_listed(client: Client) -> None:
    for number in range(3):
        client.make(f"list-{number}")
    prefix = client.name("list-0")
    client.call("ListQueues", QueueNamePrefix=prefix)
    client.call("ListQueues", QueueNamePrefix=f"{prefix}-none")


@scene
def attributes_of_a_standard_queue(client: Client) -> None:
    url = client.make("q")
    client.call("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])
    client.call(
        "SetQueueAttributes",
        QueueUrl=url,
        Attributes={"VisibilityTimeout": "9", "ReceiveMessageWaitTimeSeconds": "1"},
    )
    client.call("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])
    client.call(
        "GetQueueAttributes", QueueUrl=url, AttributeNames=["VisibilityTimeout", "QueueArn"]
    )
    client.call("GetQueueAttributes", QueueUrl=url)
    client.call("GetQueueAttributes", QueueUrl=url, AttributeNames=["Nonsense"])


@scene
def attributes_of_a_fifo_queue(client: Client) -> None:
    url = client.make("q.fifo", **FIFO)
    client.call("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])


@scene
def a_message_goes_and_comes(client: Client) -> None:
    url = client.make("q")
    client.call("SendMessage", QueueUrl=url, MessageBody="tab\t é 漢 \U0001f600")
    found = client.call("ReceiveMessage", QueueUrl=url, MessageSystemAttributeNames=["All"])
    client.call("ReceiveMessage", QueueUrl=url)
    (receipt,) = receipts(found)
    client.call("DeleteMessage", QueueUrl=url, ReceiptHandle=receipt)
    client.call("DeleteMessage", QueueUrl=url, ReceiptHandle=receipt)
    client.call("ReceiveMessage", QueueUrl=url)
    client.call("DeleteMessage", QueueUrl=url, ReceiptHandle="nonsense")


@scene
def attributes_of_messages_are_chosen_by_name(client: Client) -> None:
    url = client.make("q", VisibilityTimeout="0")
    client.call("SendMessage", QueueUrl=url, MessageBody="a", MessageAttributes=ATTRIBUTES)
    for names in (["All"], [".*"], ["text"], ["b.*", "own"], ["none"], []):
        client.call("ReceiveMessage", QueueUrl=url, MessageAttributeNames=names)
    for names in (["SenderId", "SentTimestamp"], ["ApproximateReceiveCount"]):
        client.call("ReceiveMessage", QueueUrl=url, MessageSystemAttributeNames=names)
        client.call("ReceiveMessage", QueueUrl=url, AttributeNames=names)


@scene
def a_trace_header_is_carried(client: Client) -> None:
    url = client.make("q")
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988"}}
    client.boto.send_message(QueueUrl=url, MessageBody="a", MessageSystemAttributes=trace)
    client.call("ReceiveMessage", QueueUrl=url, MessageSystemAttributeNames=["AWSTraceHeader"])


@scene
def a_bad_name_of_an_attribute_is_refused(client: Client) -> None:
    url = client.make("q")
    attribute = {"DataType": "String", "StringValue": "x"}
    client.call("SendMessage", QueueUrl=url, MessageBody="a", MessageAttributes={"a b": attribute})


@scene
def visibility_changes(client: Client) -> None:
    url = client.make("q")
    client.call("SendMessage", QueueUrl=url, MessageBody="a")
    (receipt,) = receipts(client.call("ReceiveMessage", QueueUrl=url))
    for seconds in (100, 0):
        client.call(
            "ChangeMessageVisibility",
            QueueUrl=url,
            ReceiptHandle=receipt,
            VisibilityTimeout=seconds,
        )
        client.call(
            "ReceiveMessage", QueueUrl=url, MessageSystemAttributeNames=["ApproximateReceiveCount"]
        )
    for bad in (43_201, 43_200_000):
        client.call(
            "ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=bad
        )
    client.call(
        "ChangeMessageVisibility", QueueUrl=url, ReceiptHandle="nonsense", VisibilityTimeout=1
    )


@scene
def visibility_ends_on_real_time(client: Client) -> None:
    url = client.make("q", VisibilityTimeout="1")
    client.call("SendMessage", QueueUrl=url, MessageBody="a")
    client.call("ReceiveMessage", QueueUrl=url)
    client.call("ReceiveMessage", QueueUrl=url)
    time.sleep(1.1)
    client.call(
        "ReceiveMessage", QueueUrl=url, MessageSystemAttributeNames=["ApproximateReceiveCount"]
    )


@scene
def delays(client: Client) -> None:
    url = client.make("q", DelaySeconds="1")
    client.call("SendMessage", QueueUrl=url, MessageBody="queue's own")
    client.call("SendMessage", QueueUrl=url, MessageBody="later", DelaySeconds=900)
    client.call("SendMessage", QueueUrl=url, MessageBody="too late", DelaySeconds=901)
    client.call("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10)
    time.sleep(1.2)
    client.call("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10)
    client.call(
        "GetQueueAttributes", QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesDelayed"]
    )


@scene
def impossible_numbers_are_refused(client: Client) -> None:
    url = client.make("q")
    for name, value in (
        ("MaxNumberOfMessages", 0),
        ("MaxNumberOfMessages", 11),
        ("WaitTimeSeconds", 21),
        ("WaitTimeSeconds", -1),
        ("VisibilityTimeout", 43_201),
    ):
        client.call("ReceiveMessage", QueueUrl=url, **{name: value})


@scene
def batches_go_and_come(client: Client) -> None:
    url = client.make("q")
    entries = [{"Id": f"m{number}", "MessageBody": f"{number}"} for number in range(10)]
    entries[3]["MessageAttributes"] = ATTRIBUTES  # type: ignore[assignment]
    client.call("SendMessageBatch", QueueUrl=url, Entries=entries)
    found = client.call("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10)
    named = [
        {"Id": f"r{place}", "ReceiptHandle": each} for place, each in enumerate(receipts(found))
    ]
    client.call("DeleteMessageBatch", QueueUrl=url, Entries=named[:5])
    client.call(
        "ChangeMessageVisibilityBatch",
        QueueUrl=url,
        Entries=[{**each, "VisibilityTimeout": 0} for each in named[5:]],
    )
    client.call("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10)


@scene
def entries_fail_one_by_one(client: Client) -> None:
    url = client.make("q")
    client.call("SendMessage", QueueUrl=url, MessageBody="a")
    (receipt,) = receipts(client.call("ReceiveMessage", QueueUrl=url))
    good, bad = {"Id": "good", "ReceiptHandle": receipt}, {"Id": "bad", "ReceiptHandle": "x"}
    for operation, more in (
        ("ChangeMessageVisibilityBatch", {"VisibilityTimeout": 60}),
        ("DeleteMessageBatch", {}),
    ):
        client.call(operation, QueueUrl=url, Entries=[{**good, **more}, {**bad, **more}])


@scene
def impossible_batches_are_refused(client: Client) -> None:
    url = client.make("q")
    entry = {"MessageBody": "a"}
    for entries in (
        [],
        [{"Id": str(number), **entry} for number in range(11)],
        [{"Id": "a b", **entry}],
        [{"Id": "x" * 81, **entry}],
        [{"Id": "1", **entry}, {"Id": "1", **entry}],
        [{"Id": str(number), "MessageBody": "x" * 600_000} for number in range(2)],
    ):
        client.call("SendMessageBatch", QueueUrl=url, Entries=entries)
    client.call("DeleteMessageBatch", QueueUrl=url, Entries=[])


@scene
def oversized_bodies_are_refused(client: Client) -> None:
    url = client.make("q", MaximumMessageSize="1024")
    client.call("SendMessage", QueueUrl=url, MessageBody="x" * 1024)
    client.call("SendMessage", QueueUrl=url, MessageBody="x" * 1025)


@scene
def a_purge_empties_a_queue(client: Client) -> None:
    url = client.make("q")
    for number in range(3):
        client.call("SendMessage", QueueUrl=url, MessageBody=str(number))
    client.call("ReceiveMessage", QueueUrl=url)
    client.call("PurgeQueue", QueueUrl=url)
    client.call("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])
    client.call("PurgeQueue", QueueUrl=url)


@scene
def dead_letters_move(client: Client) -> None:
    dead = client.make("dead")
    found = client.call("GetQueueAttributes", QueueUrl=dead, AttributeNames=["QueueArn"])
    arn = found["Attributes"]["QueueArn"]
    wanted = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    url = client.make("q", RedrivePolicy=wanted, VisibilityTimeout="0")
    client.call("SendMessage", QueueUrl=url, MessageBody="a")
    for _ in range(3):
        client.call("ReceiveMessage", QueueUrl=url)
    client.call("ReceiveMessage", QueueUrl=dead, MessageSystemAttributeNames=["SenderId"])
    client.call("ListDeadLetterSourceQueues", QueueUrl=dead)


@scene
def groups_keep_their_order(client: Client) -> None:
    url = client.make("q.fifo", FifoQueue="true")
    for word in ("a1", "a2", "b1"):
        ids = {"MessageGroupId": word[0], "MessageDeduplicationId": word}
        client.call("SendMessage", QueueUrl=url, MessageBody=word, **ids)
    found = client.call("ReceiveMessage", QueueUrl=url, MessageSystemAttributeNames=["All"])
    client.call("ReceiveMessage", QueueUrl=url)
    (receipt,) = receipts(found)
    client.call("DeleteMessage", QueueUrl=url, ReceiptHandle=receipt)
    client.call("ReceiveMessage", QueueUrl=url)


@scene
def fifo_rules(client: Client) -> None:
    url = client.make("q.fifo", FifoQueue="true")
    client.call("SendMessage", QueueUrl=url, MessageBody="a", MessageDeduplicationId="1")
    client.call("SendMessage", QueueUrl=url, MessageBody="a", MessageGroupId="g")
    send = {"QueueUrl": url, "MessageGroupId": "g", "MessageDeduplicationId": "1"}
    client.call("SendMessage", MessageBody="a", DelaySeconds=1, **send)
    for _ in range(2):
        client.boto.send_message(MessageBody="a", **send)
    client.call("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10)


@scene
def a_group_on_a_standard_queue_is_carried(client: Client) -> None:
    url = client.make("q")
    client.call("SendMessage", QueueUrl=url, MessageBody="a", MessageGroupId="tenant")
    client.call("ReceiveMessage", QueueUrl=url, MessageSystemAttributeNames=["MessageGroupId"])


@scene
def tags_are_kept(client: Client) -> None:
    url = client.make("q")
    client.call("TagQueue", QueueUrl=url, Tags={"a": "1", "b": "2"})
    client.call("UntagQueue", QueueUrl=url, TagKeys=["a"])
    client.call("ListQueueTags", QueueUrl=url)


@scene
def an_empty_long_poll_ends(client: Client) -> None:
    url = client.make("q")
    client.call("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=1)
