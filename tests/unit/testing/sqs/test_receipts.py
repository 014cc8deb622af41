"""Receipts are over when their message has been received again, or when their time is."""

from __future__ import annotations

import pytest

from coord.testing.sqs.mischief import Mischief
from tests.unit.testing.sqs.desk import Desk, Refused

FIFO = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}


def test_a_message_is_hidden_until_its_time_is_over() -> None:
    desk = Desk()
    desk.send("a")
    assert desk.bodies() == ["a"]
    desk.advance(29.9)
    assert desk.bodies() == []
    desk.advance(0.2)
    assert desk.bodies() == ["a"]


def test_each_receive_has_a_receipt_of_its_own_and_is_counted() -> None:
    desk = Desk()
    desk.send("a")
    (first,) = desk.receive()
    desk.advance(31)
    (second,) = desk.receive()
    assert first["MessageId"] == second["MessageId"]
    assert first["ReceiptHandle"] != second["ReceiptHandle"]
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    assert (
        first["Attributes"]["ApproximateFirstReceiveTimestamp"]
        == second["Attributes"]["ApproximateFirstReceiveTimestamp"]
        == "1001000000"
    )


def test_a_superseded_receipt_deletes_nothing_and_a_standard_queue_says_nothing() -> None:
    desk = Desk()
    desk.send("a")
    old = desk.one()
    desk.advance(31)
    new = desk.one()
    desk.delete(old)
    assert desk.counts() == (0, 1, 0)
    assert desk.tally().stale_deletes == 1
    desk.delete(new)
    assert desk.counts() == (0, 0, 0)


def test_a_superseded_receipt_extends_nothing() -> None:
    desk = Desk()
    desk.send("a")
    old = desk.one()
    desk.advance(31)
    desk.one()
    with pytest.raises(Refused, match="not available for visibility timeout change") as caught:
        desk.change(old, 300)
    assert caught.value.code == "InvalidParameterValue"
    desk.advance(31)
    assert desk.bodies() == ["a"]


def test_a_superseded_receipt_cannot_end_the_visibility_of_its_successor() -> None:
    desk = Desk()
    desk.send("a")
    old = desk.one()
    desk.advance(31)
    desk.one()
    with pytest.raises(Refused):
        desk.change(old, 0)
    assert desk.bodies() == []


def test_a_receipt_whose_time_is_over_extends_nothing() -> None:
    desk = Desk()
    desk.send("a")
    receipt = desk.one()
    desk.advance(30)
    with pytest.raises(Refused) as caught:
        desk.change(receipt, 30)
    assert caught.value.code == "AWS.SimpleQueueService.MessageNotInflight"
    assert desk.tally().stale_changes == 1


def test_the_latest_receipt_of_a_standard_queue_deletes_after_its_time() -> None:
    desk = Desk()
    desk.send("a")
    receipt = desk.one()
    desk.advance(31)
    desk.delete(receipt)
    assert desk.bodies() == []


def test_a_fifo_queue_refuses_a_delete_after_its_time() -> None:
    desk = Desk("q.fifo", FIFO)
    desk.send("a", MessageGroupId="g")
    receipt = desk.one()
    desk.advance(31)
    with pytest.raises(Refused, match="The receipt handle has expired") as caught:
        desk.delete(receipt)
    assert caught.value.code == "InvalidParameterValue"
    entries = [{"Id": "x", "ReceiptHandle": receipt}]
    answer = desk.call("DeleteMessageBatch", QueueUrl=desk.queue, Entries=entries)
    assert answer["Successful"] == []
    assert answer["Failed"][0]["Code"] == "ReceiptHandleIsInvalid"
    assert desk.bodies() == ["a"]


def test_a_second_delete_succeeds() -> None:
    desk = Desk("q.fifo", FIFO)
    desk.send("a", MessageGroupId="g")
    receipt = desk.one()
    desk.delete(receipt)
    desk.delete(receipt)
    assert desk.tally("q.fifo").deleted == 1


@pytest.mark.parametrize("receipt", ["nonsense", "QUJD", "AQAB"])
def test_what_is_no_receipt_is_refused(receipt: str) -> None:
    desk = Desk()
    with pytest.raises(Refused) as caught:
        desk.delete(receipt)
    assert caught.value.code == "ReceiptHandleIsInvalid"


def test_a_receipt_of_another_queue_is_refused() -> None:
    desk = Desk()
    other = desk.make("other")
    desk.send("a")
    receipt = desk.one()
    with pytest.raises(Refused) as caught:
        desk.delete(receipt, queue=other)
    assert caught.value.code == "ReceiptHandleIsInvalid"


def test_an_extension_counts_from_the_call() -> None:
    desk = Desk()
    desk.send("a")
    receipt = desk.one()
    desk.advance(20)
    desk.change(receipt, 60)
    desk.advance(59)
    assert desk.bodies() == []
    desk.advance(1)
    assert desk.bodies() == ["a"]


def test_a_shorter_visibility_takes_the_place_of_a_longer() -> None:
    desk = Desk()
    desk.send("a")
    receipt = desk.one()
    desk.change(receipt, 5)
    desk.advance(5)
    assert desk.bodies() == ["a"]
    desk.advance(25)  # where the first time would have ended
    assert desk.bodies() == []


def test_zero_gives_a_message_back_at_once() -> None:
    desk = Desk()
    desk.send("a")
    desk.change(desk.one(), 0)
    assert desk.bodies() == ["a"]


def test_no_message_is_hidden_for_more_than_twelve_hours_of_one_receive() -> None:
    desk = Desk()
    desk.send("a")
    receipt = desk.one(VisibilityTimeout=43_200)
    desk.advance(3600)
    with pytest.raises(Refused, match="beyond the limit") as caught:
        desk.change(receipt, 43_200 - 3599)
    assert caught.value.code == "InvalidParameterValue"
    desk.change(receipt, 43_200 - 3600)
    desk.advance(43_200 - 3600)
    receipt = desk.one()
    desk.change(receipt, 43_200)  # twelve hours of a new receive


def test_a_message_that_is_delivered_twice_has_two_good_receipts() -> None:
    desk = Desk()
    desk.service.misbehave(Mischief(duplicate_rate=1.0))
    desk.send("a")
    first = desk.one()
    desk.service.misbehave(Mischief())
    second = desk.one()
    desk.change(first, 60)
    desk.change(second, 60)
    desk.delete(first)
    assert desk.counts() == (0, 0, 0)
    desk.delete(second)


def test_a_fifo_queue_delivers_nothing_twice() -> None:
    desk = Desk("q.fifo", FIFO)
    desk.service.misbehave(Mischief(duplicate_rate=1.0, reorder=10))
    desk.send("a", MessageGroupId="g")
    assert desk.bodies() == ["a"]
    assert desk.bodies() == []
