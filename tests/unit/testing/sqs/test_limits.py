"""What a queue takes: sizes, batches, numbers, names, and what it counts."""

from __future__ import annotations

import pytest

from coord.testing.sqs.queue import IN_FLIGHT_MAX
from tests.unit.testing.sqs.desk import Desk, Refused

MIB = 1_048_576
PREFIX = "AWS.SimpleQueueService."


def batch(desk: Desk, operation: str, *entries: dict[str, object]) -> dict[str, object]:
    return desk.call(operation, QueueUrl=desk.queue, Entries=list(entries))


def sends(*bodies: str) -> list[dict[str, object]]:
    return [{"Id": str(place), "MessageBody": body} for place, body in enumerate(bodies)]


def code(desk: Desk, operation: str, **params: object) -> str:
    with pytest.raises(Refused) as caught:
        desk.call(operation, **params)
    return caught.value.code


def test_a_message_has_at_most_a_mebibyte_attributes_included() -> None:
    desk = Desk()
    desk.send("x" * MIB)
    assert code(desk, "SendMessage", QueueUrl=desk.queue, MessageBody="x" * (MIB + 1)) == (
        "InvalidParameterValue"
    )
    with pytest.raises(Refused, match="shorter than 1048576 bytes"):
        desk.send(
            "x" * (MIB - 10),
            MessageAttributes={"name": {"DataType": "String", "StringValue": "v"}},
        )


def test_a_queue_may_set_itself_a_smaller_limit_and_bytes_count() -> None:
    desk = Desk("q", {"MaximumMessageSize": "1024"})
    desk.send("é" * 512)
    with pytest.raises(Refused, match="shorter than 1024 bytes"):
        desk.send("é" * 513)


@pytest.mark.parametrize("body", ["\x00", "a\x0bb", "\ufffe"])
def test_a_body_of_forbidden_characters_is_refused(body: str) -> None:
    assert code(Desk(), "SendMessage", QueueUrl="q", MessageBody=body) == "InvalidMessageContents"


def test_a_body_of_any_other_characters_comes_back_as_it_was() -> None:
    desk = Desk()
    body = "tab\t line\n é 漢 \U0001f600 \ud7ff \ue000"
    desk.send(body)
    assert desk.bodies() == [body]


def test_a_batch_has_one_to_ten_entries() -> None:
    desk = Desk()
    assert code(desk, "SendMessageBatch", QueueUrl="q", Entries=[]) == f"{PREFIX}EmptyBatchRequest"
    eleven = sends(*("x" for _ in range(11)))
    assert code(desk, "SendMessageBatch", QueueUrl="q", Entries=eleven) == (
        f"{PREFIX}TooManyEntriesInBatchRequest"
    )
    batch(desk, "SendMessageBatch", *eleven[:10])
    assert desk.counts() == (10, 0, 0)


@pytest.mark.parametrize("name", ["", "a b", "x" * 81])
def test_an_impossible_entry_id_spoils_the_batch(name: str) -> None:
    entries = [{"Id": name, "MessageBody": "x"}]
    assert code(Desk(), "SendMessageBatch", QueueUrl="q", Entries=entries) == (
        f"{PREFIX}InvalidBatchEntryId"
    )


@pytest.mark.parametrize(
    "operation", ["SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"]
)
def test_equal_entry_ids_spoil_the_batch(operation: str) -> None:
    entries = [{"Id": "1", "MessageBody": "x", "ReceiptHandle": "y"}] * 2
    assert code(Desk(), operation, QueueUrl="q", Entries=entries) == (
        f"{PREFIX}BatchEntryIdsNotDistinct"
    )


def test_a_batch_has_at_most_a_mebibyte_in_all() -> None:
    desk = Desk()
    batch(desk, "SendMessageBatch", *sends("x" * (MIB // 2), "x" * (MIB // 2)))
    entries = sends("x" * (MIB // 2), "x" * (MIB // 2 + 1))
    assert code(desk, "SendMessageBatch", QueueUrl="q", Entries=entries) == (
        f"{PREFIX}BatchRequestTooLong"
    )
    assert desk.counts() == (2, 0, 0)


def test_entries_of_a_batch_fail_one_by_one() -> None:
    desk = Desk()
    found = batch(
        desk,
        "SendMessageBatch",
        {"Id": "good", "MessageBody": "x"},
        {"Id": "late", "MessageBody": "x", "DelaySeconds": 901},
        {"Id": "odd", "MessageBody": "\x00"},
    )
    assert [each["Id"] for each in found["Successful"]] == ["good"]  # type: ignore[attr-defined]
    assert [(each["Id"], each["Code"], each["SenderFault"]) for each in found["Failed"]] == [  # type: ignore[attr-defined]
        ("late", "InvalidParameterValue", True),
        ("odd", "InvalidMessageContents", True),
    ]


def test_changes_of_a_batch_fail_one_by_one() -> None:
    desk = Desk()
    desk.send("a")
    receipt = desk.one()
    found = batch(
        desk,
        "ChangeMessageVisibilityBatch",
        {"Id": "1", "ReceiptHandle": receipt, "VisibilityTimeout": 60},
        {"Id": "2", "ReceiptHandle": "nonsense", "VisibilityTimeout": 60},
        {"Id": "3", "ReceiptHandle": receipt},
    )
    assert found["Successful"] == [{"Id": "1"}]
    assert [(each["Id"], each["Code"]) for each in found["Failed"]] == [  # type: ignore[attr-defined]
        ("2", "ReceiptHandleIsInvalid"),
        ("3", "MissingParameter"),
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MaxNumberOfMessages", 0),
        ("MaxNumberOfMessages", 11),
        ("VisibilityTimeout", 43_201),
        ("VisibilityTimeout", -1),
        ("WaitTimeSeconds", 21),
        ("MaxNumberOfMessages", "many"),
    ],
)
def test_a_receive_with_an_impossible_number_is_refused(name: str, value: object) -> None:
    assert code(Desk(), "ReceiveMessage", QueueUrl="q", **{name: value}) == (
        "InvalidParameterValue"
    )


def test_at_most_120000_messages_are_in_flight_and_a_short_poll_is_told() -> None:
    desk = Desk()
    assert desk.service.queues["q"].in_flight_max == IN_FLIGHT_MAX == 120_000
    desk.service.queues["q"].in_flight_max = 12
    for number in range(15):
        desk.send(str(number))
    assert len(desk.bodies()) == 10
    receipts = [each["ReceiptHandle"] for each in desk.receive()]
    assert len(receipts) == 2
    assert code(desk, "ReceiveMessage", QueueUrl="q") == "OverLimit"
    poll = desk.poll(WaitTimeSeconds=20)
    assert poll.open
    desk.delete(receipts[0])
    assert poll.bodies == ["12"]


def test_messages_are_dropped_after_the_retention_period_wherever_they_are() -> None:
    desk = Desk("q", {"MessageRetentionPeriod": "60"})
    for body in ("flying", "waiting"):
        desk.send(body)
    receipt = desk.one(VisibilityTimeout=600)
    desk.send("delayed", DelaySeconds=900)
    desk.advance(59)
    assert desk.counts() == (1, 1, 1)
    desk.advance(1)
    assert desk.counts() == (0, 0, 0)
    desk.delete(receipt)
    assert desk.tally().aged == 3


def test_a_shorter_retention_period_counts_for_messages_that_are_there() -> None:
    desk = Desk()
    desk.send("a")
    desk.advance(100)
    desk.call("SetQueueAttributes", QueueUrl="q", Attributes={"MessageRetentionPeriod": "60"})
    assert desk.counts() == (0, 0, 0)


def test_visible_and_hidden_and_delayed_messages_are_counted() -> None:
    desk = Desk()
    for number in range(5):
        desk.send(str(number))
    desk.send("later", DelaySeconds=10)
    receipts = [each["ReceiptHandle"] for each in desk.receive(3)]
    assert desk.counts() == (2, 3, 1)
    desk.delete(receipts[0])
    desk.change(receipts[1], 0)
    assert desk.counts() == (3, 1, 1)
    desk.advance(10)
    assert desk.counts() == (4, 1, 0)
    desk.advance(20)
    assert desk.counts() == (5, 0, 0)


def test_a_purge_drops_everything_and_is_allowed_once_a_minute() -> None:
    desk = Desk()
    desk.send("a")
    receipt = desk.one()
    desk.send("b")
    desk.call("PurgeQueue", QueueUrl=desk.queue)
    assert desk.counts() == (0, 0, 0)
    desk.delete(receipt)
    desk.advance(59)
    assert code(desk, "PurgeQueue", QueueUrl="q") == f"{PREFIX}PurgeQueueInProgress"
    desk.advance(1)
    desk.call("PurgeQueue", QueueUrl=desk.queue)
    desk.send("c")
    assert desk.bodies() == ["c"]


def test_the_head_of_a_standard_queue_can_be_out_of_order() -> None:
    desk = Desk()
    desk.control.perform("misbehave", {"reorder": 50})
    sent = [str(number) for number in range(50)]
    for body in sent:
        desk.send(body)
    found = [body for _ in range(5) for body in desk.bodies()]
    assert found != sent
    assert sorted(found) == sorted(sent)
