"""What SQS takes, and what is refused before anything is sent."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from coord.errors import ConfigError
from coord.tasks.queue.spi import Outgoing
from coord_sqs.entries import batches, checked, entry, message, settings

STANDARD = settings("http://q", {"QueueArn": "arn:aws:sqs:us-east-1:1:q"}).limits
FIFO = settings("http://q", {"QueueArn": "arn:q.fifo", "FifoQueue": "true"}).limits
MIB = 1_048_576


def test_settings_are_read_from_the_queues_attributes() -> None:
    policy = {"deadLetterTargetArn": "arn:dead", "maxReceiveCount": "4"}
    found = settings(
        "http://q",
        {
            "QueueArn": "arn:q",
            "MaximumMessageSize": "2048",
            "RedrivePolicy": json.dumps(policy),
        },
    )
    assert (found.arn, found.dead) == ("arn:q", "arn:dead")
    assert (found.limits.max_receives, found.limits.max_body_bytes) == (4, 2048)
    assert (STANDARD.max_receives, STANDARD.max_body_bytes) == (None, MIB)
    assert (STANDARD.ordered, STANDARD.max_delay_s) == (False, 900.0)
    assert (FIFO.ordered, FIFO.max_delay_s) == (True, 0.0)


_BAD = [
    Outgoing(body=""),
    Outgoing(body="\0"),
    Outgoing(body="a\x0bb"),
    Outgoing(body="\ufffe"),
    Outgoing(body="\ud800"),
    Outgoing(body="a", attributes={"n": ""}),
    Outgoing(body="a", attributes={"n": "\x01"}),
    Outgoing(body="a", attributes={"": "v"}),
    Outgoing(body="a", attributes={"é": "v"}),
    Outgoing(body="a", attributes={"AWS.x": "v"}),
    Outgoing(body="a", attributes={"amazon.x": "v"}),
    Outgoing(body="a", attributes={".x": "v"}),
    Outgoing(body="a", attributes={"x.": "v"}),
    Outgoing(body="a", attributes={"x..y": "v"}),
    Outgoing(body="a", attributes={"n" * 257: "v"}),
    Outgoing(body="a", attributes={f"n{n}": "v" for n in range(11)}),
    Outgoing(body="a", group="a b"),
    Outgoing(body="a", group="é"),
    Outgoing(body="a", group="g" * 129),
    Outgoing(body="a", delay_s=901),
    Outgoing(body="x" * (MIB + 1)),
]


@pytest.mark.parametrize("bad", _BAD, ids=range(len(_BAD)))
def test_what_sqs_never_takes_is_refused_before_it_is_sent(bad: Outgoing) -> None:
    with pytest.raises(ConfigError) as caught:
        checked(bad, STANDARD)
    assert caught.value.cure


@pytest.mark.parametrize("name", ["coord.task", "a", "A-b_c.9", "awsx", "n" * 256])
def test_names_that_sqs_takes_are_taken(name: str) -> None:
    checked(Outgoing(body="\t\n\r \ud7ff\ue000\ufffd🔑", attributes={name: "v"}), STANDARD)


def test_a_dedup_that_sqs_never_takes_is_refused() -> None:
    good = Outgoing(body="a", group="g", dedup="1")
    checked(good, FIFO)
    for dedup in ("a b", "é", "d" * 129):
        with pytest.raises(ConfigError):
            checked(replace(good, dedup=dedup), FIFO)


def test_batches_hold_ten_messages_and_what_one_request_may_have() -> None:
    small = [Outgoing(body="x")] * 25
    assert [len(places) for places in batches(small, STANDARD)] == [10, 10, 5]
    large = [Outgoing(body="x" * (MIB // 2))] * 3
    assert batches(large, STANDARD) == [[0, 1], [2]]
    tiny = replace(STANDARD, max_body_bytes=1024)
    assert len(batches([Outgoing(body="x" * 1024)] * 10, tiny)) == 1
    assert batches([], STANDARD) == []


def test_every_message_of_a_fifo_queue_has_a_name_and_equal_ones_have_different_names() -> None:
    same = Outgoing(body="a", group="g")
    one, two = (entry(n, same, ordered=True) for n in (1, 2))
    assert one["MessageDeduplicationId"] != two["MessageDeduplicationId"]
    named = entry(3, replace(same, dedup="mine"), ordered=True)
    assert named["MessageDeduplicationId"] == "mine"
    assert "MessageDeduplicationId" not in entry(4, same, ordered=False)


def test_a_delay_is_rounded_up() -> None:
    assert entry(1, Outgoing(body="a", delay_s=0.2), ordered=False)["DelaySeconds"] == 1


def test_a_message_of_somebody_elses_is_read_as_far_as_it_goes() -> None:
    found = message(
        {
            "MessageId": "m",
            "ReceiptHandle": "r",
            "Body": "b",
            "MessageAttributes": {
                "text": {"DataType": "String", "StringValue": "t"},
                "number": {"DataType": "Number", "StringValue": "1.5"},
                "bytes": {"DataType": "Binary", "BinaryValue": b"\0"},
            },
        }
    )
    assert dict(found.attributes) == {"text": "t", "number": "1.5"}
    assert (found.received, found.group, found.sent_at_s) == (1, "", 0.0)
