"""FIFO queues: order within groups, groups that wait, duplicates that are dropped."""

from __future__ import annotations

import pytest

from tests.unit.testing.sqs.desk import Desk, Refused

FIFO = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}


def fifo(**attributes: str) -> Desk:
    return Desk("q.fifo", {**FIFO, **attributes})


def fill(desk: Desk, *words: str) -> None:
    """`a1` goes to group a."""
    for word in words:
        desk.send(word, MessageGroupId=word[0])


def test_a_group_is_received_in_order_and_as_much_of_it_as_there_is() -> None:
    desk = fifo()
    fill(desk, "a1", "b1", "a2", "b2", "a3")
    assert desk.bodies(4) == ["a1", "a2", "a3", "b1"]


def test_a_group_with_a_message_in_flight_gives_no_other() -> None:
    desk = fifo()
    fill(desk, "a1", "a2", "b1")
    receipt = desk.one()
    assert desk.bodies() == ["b1"]
    desk.delete(receipt)
    assert desk.bodies() == ["a2"]


def test_a_message_that_lapses_comes_before_those_behind_it() -> None:
    desk = fifo()
    fill(desk, "a1", "a2")
    desk.one()
    desk.advance(30)
    assert desk.bodies() == ["a1", "a2"]


def test_a_group_waits_until_all_that_were_received_together_have_ended() -> None:
    desk = fifo()
    fill(desk, "a1", "a2", "a3")
    first, second = desk.receive(2)
    desk.change(first["ReceiptHandle"], 0)
    assert desk.bodies() == []
    desk.delete(second["ReceiptHandle"])
    assert desk.bodies() == ["a1", "a3"]


def test_groups_take_turns() -> None:
    desk = fifo()
    fill(desk, "a1", "a2", "b1", "c1")
    receipt = desk.one()
    desk.delete(receipt)
    assert desk.bodies(1) == ["b1"]
    assert desk.bodies(1) == ["c1"]
    assert desk.bodies(1) == ["a2"]


def test_the_same_content_within_five_minutes_is_one_message() -> None:
    desk = fifo()
    first = desk.send("a", MessageGroupId="g")
    again = desk.send("a", MessageGroupId="other")
    assert (again["MessageId"], again["SequenceNumber"]) == (
        first["MessageId"],
        first["SequenceNumber"],
    )
    assert desk.counts() == (1, 0, 0)
    desk.delete(desk.one())
    desk.advance(299)
    desk.send("a", MessageGroupId="g")
    assert desk.bodies() == []  # a deleted message is remembered too
    desk.advance(1)
    assert desk.send("a", MessageGroupId="g")["MessageId"] != first["MessageId"]
    assert desk.bodies() == ["a"]
    assert desk.tally("q.fifo").duplicates == 2


def test_an_explicit_id_decides_instead_of_the_content() -> None:
    desk = fifo()
    desk.send("a", MessageGroupId="g", MessageDeduplicationId="1")
    desk.send("a", MessageGroupId="g", MessageDeduplicationId="2")
    desk.send("b", MessageGroupId="g", MessageDeduplicationId="2")
    assert desk.bodies() == ["a", "a"]


def test_groups_may_have_duplicates_of_each_other_if_the_scope_is_the_group() -> None:
    desk = fifo(DeduplicationScope="messageGroup")
    for group in ("g", "h", "g"):
        desk.send("a", MessageGroupId=group)
    assert desk.counts() == (2, 0, 0)


def test_sequence_numbers_grow() -> None:
    desk = fifo()
    numbers = [int(desk.send(str(n), MessageGroupId="g")["SequenceNumber"]) for n in range(20)]
    assert numbers == sorted(set(numbers))
    assert {len(str(number)) for number in numbers} == {20}


def test_a_message_without_group_is_refused() -> None:
    desk = fifo()
    with pytest.raises(Refused, match="MessageGroupId") as caught:
        desk.send("a")
    assert caught.value.code == "MissingParameter"


def test_a_message_without_deduplication_id_is_refused_where_content_does_not_count() -> None:
    desk = fifo(ContentBasedDeduplication="false")
    with pytest.raises(Refused, match="ContentBasedDeduplication") as caught:
        desk.send("a", MessageGroupId="g")
    assert caught.value.code == "InvalidParameterValue"


def test_a_batch_with_one_entry_without_group_is_refused_as_a_whole() -> None:
    desk = fifo()
    entries = [
        {"Id": "1", "MessageBody": "a", "MessageGroupId": "g"},
        {"Id": "2", "MessageBody": "b"},
    ]
    with pytest.raises(Refused, match="MessageGroupId"):
        desk.call("SendMessageBatch", QueueUrl=desk.queue, Entries=entries)
    assert desk.counts() == (0, 0, 0)


def test_a_delay_is_the_queues_business_alone() -> None:
    desk = fifo(DelaySeconds="10")
    with pytest.raises(Refused, match="not valid for this queue type"):
        desk.send("a", MessageGroupId="g", DelaySeconds=1)
    desk.send("a", MessageGroupId="g")
    assert desk.bodies() == []
    desk.advance(10)
    assert desk.bodies() == ["a"]


def test_a_standard_queue_refuses_a_deduplication_id() -> None:
    with pytest.raises(Refused, match="not valid for this queue type"):
        Desk().send("a", MessageDeduplicationId="1")


def test_a_repeated_attempt_gets_the_same_messages_and_receipts() -> None:
    desk = fifo()
    fill(desk, "a1", "a2", "b1")
    first = desk.receive(2, ReceiveRequestAttemptId="try")
    desk.advance(20)
    again = desk.receive(2, ReceiveRequestAttemptId="try")
    assert [each["ReceiptHandle"] for each in again] == [each["ReceiptHandle"] for each in first]
    assert again[0]["Attributes"]["ApproximateReceiveCount"] == "1"
    desk.advance(20)  # its time has begun anew
    assert desk.bodies() == ["b1"]


def test_a_repeated_attempt_is_a_new_one_once_a_message_was_touched() -> None:
    desk = fifo()
    fill(desk, "a1", "a2", "b1")
    first = desk.receive(2, ReceiveRequestAttemptId="try")
    desk.delete(first[0]["ReceiptHandle"])
    assert desk.bodies(2, ReceiveRequestAttemptId="try") == ["b1"]


def test_a_repeated_attempt_is_a_new_one_once_a_visibility_was_changed() -> None:
    desk = fifo()
    fill(desk, "a1", "b1")
    first = desk.receive(1, ReceiveRequestAttemptId="try")
    desk.change(first[0]["ReceiptHandle"], 60)
    assert desk.bodies(1, ReceiveRequestAttemptId="try") == ["b1"]


def test_an_attempt_may_be_repeated_more_than_once() -> None:
    desk = fifo()
    fill(desk, "a1", "a2", "b1")
    (first,) = desk.receive(1, ReceiveRequestAttemptId="try")
    for _ in range(3):
        desk.advance(20)
        (again,) = desk.receive(1, ReceiveRequestAttemptId="try")
        assert again["ReceiptHandle"] == first["ReceiptHandle"]


def test_an_attempt_is_forgotten_after_five_minutes() -> None:
    desk = fifo()
    fill(desk, "a1", "b1")
    desk.receive(1, ReceiveRequestAttemptId="try", VisibilityTimeout=600)
    desk.advance(299)
    assert desk.bodies(1, ReceiveRequestAttemptId="try", VisibilityTimeout=600) == ["a1"]
    desk.advance(1)
    assert desk.bodies(1, ReceiveRequestAttemptId="try") == ["b1"]


def test_a_full_fifo_queue_gives_nothing_and_says_nothing() -> None:
    desk = fifo()
    desk.service.queues["q.fifo"].in_flight_max = 2
    fill(desk, "a1", "b1", "c1")
    assert desk.bodies() == ["a1", "b1"]
    assert desk.bodies() == []
