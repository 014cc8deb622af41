"""Dead letters, and the way back."""

from __future__ import annotations

import json

import pytest

from tests.unit.testing.sqs.desk import Desk, Refused


def policy(arn: str, receives: int) -> str:
    return json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": receives})


def pair(receives: int = 2) -> tuple[Desk, str]:
    """A queue and its dead-letter queue."""
    desk = Desk()
    dead = desk.make("dead")
    wanted = {"RedrivePolicy": policy(desk.arn(dead), receives)}
    desk.call("SetQueueAttributes", QueueUrl=desk.queue, Attributes=wanted)
    return desk, dead


def doomed(desk: Desk, *bodies: str) -> None:
    """Have messages received as often as they may be, and once more."""
    for body in bodies:
        desk.send(body)
    for _ in range(3):
        desk.receive(10)
        desk.advance(31)


def test_a_message_is_moved_when_it_would_be_received_once_too_often() -> None:
    desk, dead = pair(receives=2)
    desk.send("a")
    for _ in range(2):
        assert desk.bodies() == ["a"]
        desk.advance(31)
    assert desk.bodies() == []
    assert desk.counts() == (0, 0, 0)
    (message,) = desk.receive(queue=dead)
    assert message["Body"] == "a"
    assert message["Attributes"]["ApproximateReceiveCount"] == "3"
    assert message["Attributes"]["DeadLetterQueueSourceArn"] == desk.arn(desk.queue)
    assert desk.tally().buried == 1


def test_giving_back_counts_as_a_receive() -> None:
    desk, dead = pair(receives=2)
    desk.send("a")
    for _ in range(2):
        desk.change(desk.one(), 0)
    assert desk.bodies() == []
    assert desk.bodies(queue=dead) == ["a"]


def test_a_receipt_of_a_dead_letter_is_over_in_the_queue_that_it_left() -> None:
    desk, dead = pair(receives=1)
    desk.send("a")
    receipt = desk.one()
    desk.advance(31)
    assert desk.bodies() == []
    desk.delete(receipt)
    assert desk.counts(dead) == (1, 0, 0)


def test_a_poison_message_does_not_keep_others_from_being_received() -> None:
    desk, _ = pair(receives=1)
    desk.send("poison")
    desk.change(desk.one(), 0)
    desk.send("good")
    assert desk.bodies(1) == ["good"]


def test_a_dead_letter_ages_from_its_first_sending() -> None:
    desk, dead = pair(receives=1)
    desk.send("a")
    desk.one()
    desk.advance(345_600 - 100)
    assert desk.bodies() == []
    assert desk.counts(dead) == (1, 0, 0)
    desk.advance(100)
    assert desk.counts(dead) == (0, 0, 0)


def test_messages_stay_where_they_are_if_the_dead_letter_queue_is_gone() -> None:
    desk, dead = pair(receives=1)
    desk.call("DeleteQueue", QueueUrl=dead)
    desk.send("a")
    desk.change(desk.one(), 0)
    assert desk.bodies() == ["a"]


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ('{"deadLetterTargetArn": "x", "maxReceiveCount": 1}', "deadLetterTargetArn"),
        (policy("arn:aws:sqs:us-east-1:123456789012:none", 1), "does not exist"),
        (policy("arn:aws:sqs:us-east-1:123456789012:dead", 0), "maxReceiveCount"),
        (policy("arn:aws:sqs:us-east-1:123456789012:dead", 1001), "maxReceiveCount"),
        (policy("arn:aws:sqs:us-east-1:123456789012:d.fifo", 1), "same type"),
        (policy("arn:aws:sqs:us-east-1:123456789012:closed", 1), "does not allow"),
    ],
)
def test_an_impossible_redrive_policy_is_refused(wanted: str, reason: str) -> None:
    desk = Desk()
    desk.make("dead")
    desk.make("d.fifo", FifoQueue="true")
    desk.make("closed", RedriveAllowPolicy='{"redrivePermission": "denyAll"}')
    with pytest.raises(Refused, match=reason) as caught:
        desk.call("SetQueueAttributes", QueueUrl=desk.queue, Attributes={"RedrivePolicy": wanted})
    assert caught.value.code == "InvalidParameterValue"
    assert "RedrivePolicy" not in desk.attributes("All")


def test_a_queue_lets_in_those_it_names() -> None:
    desk = Desk()
    allowed = json.dumps(
        {"redrivePermission": "byQueue", "sourceQueueArns": [desk.arn(desk.queue)]}
    )
    dead = desk.make("dead", RedriveAllowPolicy=allowed)
    wanted = {"RedrivePolicy": policy(desk.arn(dead), 1)}
    desk.call("SetQueueAttributes", QueueUrl=desk.queue, Attributes=wanted)
    found = desk.call("ListDeadLetterSourceQueues", QueueUrl=dead)
    assert found["queueUrls"] == [desk.queue]
    other = desk.make("other")
    with pytest.raises(Refused, match="does not allow"):
        desk.call("SetQueueAttributes", QueueUrl=other, Attributes=wanted)


def test_dead_letters_go_back_as_new_messages() -> None:
    desk, dead = pair()
    doomed(desk, "a", "b")
    assert desk.counts(dead) == (2, 0, 0)
    desk.call("StartMessageMoveTask", SourceArn=desk.arn(dead))
    poll = desk.poll(WaitTimeSeconds=20)
    desk.advance(1)
    assert poll.bodies == ["a"]
    (task,) = desk.call("ListMessageMoveTasks", SourceArn=desk.arn(dead))["Results"]
    assert task["Status"] == "COMPLETED"
    assert task["ApproximateNumberOfMessagesMoved"] == 2
    assert desk.counts(dead) == (0, 0, 0)
    (message,) = desk.receive()
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert "DeadLetterQueueSourceArn" not in message["Attributes"]


def test_a_move_keeps_to_its_rate_and_can_be_cancelled() -> None:
    desk, dead = pair()
    doomed(desk, *"abcdefgh")
    started = desk.call(
        "StartMessageMoveTask", SourceArn=desk.arn(dead), MaxNumberOfMessagesPerSecond=2
    )
    desk.advance(1.6)
    assert desk.counts(dead) == (5, 0, 0)
    with pytest.raises(Refused, match="already a task running"):
        desk.call("StartMessageMoveTask", SourceArn=desk.arn(dead))
    stopped = desk.call("CancelMessageMoveTask", TaskHandle=started["TaskHandle"])
    assert stopped["ApproximateNumberOfMessagesMoved"] == 3
    desk.advance(60)
    assert desk.counts(dead) == (5, 0, 0)
    (task,) = desk.call("ListMessageMoveTasks", SourceArn=desk.arn(dead))["Results"]
    assert (task["Status"], "TaskHandle" in task) == ("CANCELLED", False)


def test_a_move_fails_visibly_where_a_message_came_from_nowhere() -> None:
    desk, dead = pair()
    desk.call("SendMessage", QueueUrl=dead, MessageBody="sent here")
    desk.call("StartMessageMoveTask", SourceArn=desk.arn(dead))
    desk.advance(1)
    (task,) = desk.call("ListMessageMoveTasks", SourceArn=desk.arn(dead))["Results"]
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "CouldNotDetermineMessageSource")
    assert desk.counts(dead) == (1, 0, 0)


def test_only_a_dead_letter_queue_is_redriven() -> None:
    desk = Desk()
    with pytest.raises(Refused, match="Dead Letter Queue"):
        desk.call("StartMessageMoveTask", SourceArn=desk.arn(desk.queue))
    with pytest.raises(Refused) as caught:
        desk.call("StartMessageMoveTask", SourceArn="arn:aws:sqs:us-east-1:123456789012:none")
    assert (caught.value.code, caught.value.status) == ("ResourceNotFoundException", 404)
