"""Long polls: woken by whatever makes a message visible, at the moment, in virtual time."""

from __future__ import annotations

import pytest

from tests.unit.testing.sqs.desk import Desk, Refused

FIFO = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}


def test_an_arrival_wakes_a_poll() -> None:
    desk = Desk()
    poll = desk.poll(WaitTimeSeconds=20)
    desk.advance(7)
    assert poll.open
    desk.send("a")
    assert poll.bodies == ["a"]


def test_a_poll_ends_with_nothing_when_its_time_is_over() -> None:
    desk = Desk()
    poll = desk.poll(WaitTimeSeconds=20)
    desk.advance(19.9)
    assert poll.open
    desk.advance(0.1)
    assert poll.result == {}
    desk.send("a")
    assert desk.counts() == (1, 0, 0)


def test_the_end_of_visibility_wakes_a_poll_at_its_moment() -> None:
    desk = Desk()
    desk.send("a")
    desk.one(VisibilityTimeout=5)
    poll = desk.poll(WaitTimeSeconds=20)
    desk.advance(100)  # in one step: what happens on the way happens at its time
    (message,) = poll.result["Messages"]
    assert message["Body"] == "a"
    assert desk.counts() == (1, 0, 0)
    assert desk.tally().lapsed == 2  # received at 5 s, visible again at 35 s


def test_the_end_of_a_delay_wakes_a_poll() -> None:
    desk = Desk()
    desk.send("a", DelaySeconds=3)
    assert desk.counts() == (0, 0, 1)
    poll = desk.poll(WaitTimeSeconds=20)
    desk.advance(2.9)
    assert poll.open
    desk.advance(0.1)
    assert poll.bodies == ["a"]


def test_a_message_that_is_given_back_wakes_a_poll() -> None:
    desk = Desk()
    desk.send("a")
    receipt = desk.one()
    poll = desk.poll(WaitTimeSeconds=20)
    desk.change(receipt, 0)
    assert poll.bodies == ["a"]


def test_a_visibility_that_is_shortened_while_a_poll_waits_counts() -> None:
    desk = Desk()
    desk.send("a")
    receipt = desk.one(VisibilityTimeout=300)
    poll = desk.poll(WaitTimeSeconds=20)
    desk.change(receipt, 2)
    desk.advance(2)
    assert poll.bodies == ["a"]


def test_a_visibility_that_is_extended_while_a_poll_waits_counts() -> None:
    desk = Desk()
    desk.send("a")
    receipt = desk.one(VisibilityTimeout=5)
    poll = desk.poll(WaitTimeSeconds=20)
    desk.change(receipt, 60)
    desk.advance(20)
    assert poll.result == {}


def test_a_delete_wakes_a_poll_for_the_rest_of_the_group() -> None:
    desk = Desk("q.fifo", FIFO)
    desk.send("a", MessageGroupId="g")
    desk.send("b", MessageGroupId="g")
    receipt = desk.one()
    poll = desk.poll(WaitTimeSeconds=20)
    assert poll.open
    desk.delete(receipt)
    assert poll.bodies == ["b"]


def test_a_dead_letter_wakes_a_poll_of_its_queue() -> None:
    desk = Desk()
    dead = desk.make("dead")
    desk.call(
        "SetQueueAttributes",
        QueueUrl=desk.queue,
        Attributes={
            "RedrivePolicy": f'{{"deadLetterTargetArn":"{desk.arn(dead)}","maxReceiveCount":1}}'
        },
    )
    desk.send("a")
    desk.change(desk.one(), 0)
    poll = desk.poll(queue=dead, WaitTimeSeconds=20)
    assert desk.bodies() == []
    assert poll.bodies == ["a"]


def test_first_come_first_served() -> None:
    desk = Desk()
    polls = [desk.poll(WaitTimeSeconds=20) for _ in range(3)]
    desk.send("a")
    desk.send("b")
    assert [poll.open for poll in polls] == [False, False, True]
    assert [poll.bodies for poll in polls[:2]] == [["a"], ["b"]]


def test_a_client_that_has_gone_gets_no_message() -> None:
    desk = Desk()
    gone = desk.poll(WaitTimeSeconds=20)
    gone.leave()
    desk.send("a")
    assert gone.open
    assert desk.bodies() == ["a"]


def test_the_queues_own_waiting_time_is_the_default() -> None:
    desk = Desk("q", {"ReceiveMessageWaitTimeSeconds": "10"})
    poll = desk.poll()
    assert poll.open
    desk.advance(10)
    assert poll.result == {}
    assert desk.poll(WaitTimeSeconds=0).result == {}


def test_deleting_a_queue_ends_its_polls() -> None:
    desk = Desk()
    poll = desk.poll(WaitTimeSeconds=20)
    desk.call("DeleteQueue", QueueUrl=desk.queue)
    with pytest.raises(Refused) as caught:
        poll.result  # noqa: B018 (it raises what the client is told)
    assert caught.value.code == "AWS.SimpleQueueService.NonExistentQueue"


def test_nobody_waits_longer_than_twenty_seconds() -> None:
    with pytest.raises(Refused, match="WaitTimeSeconds"):
        Desk().call("ReceiveMessage", QueueUrl="q", WaitTimeSeconds=21)
