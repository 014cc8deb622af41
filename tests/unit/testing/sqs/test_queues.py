"""Queues: names, attributes, being made and deleted, tags, pages."""

from __future__ import annotations

import pytest

from tests.unit.testing.sqs.desk import HOST, Desk, Refused

PREFIX = "AWS.SimpleQueueService."


def code(desk: Desk, operation: str, **params: object) -> str:
    with pytest.raises(Refused) as caught:
        desk.call(operation, **params)
    return caught.value.code


def test_a_queue_is_found_by_name_under_the_address_that_the_client_used() -> None:
    desk = Desk()
    found = desk.call("GetQueueUrl", QueueName="q")["QueueUrl"]
    assert found == desk.queue == f"http://{HOST}/123456789012/q"


def test_an_unknown_queue_is_refused_by_every_call() -> None:
    desk = Desk()
    gone = f"{PREFIX}NonExistentQueue"
    assert code(desk, "GetQueueUrl", QueueName="none") == gone
    assert code(desk, "SendMessage", QueueUrl="http://x/123456789012/none", MessageBody="a") == gone
    assert code(desk, "ReceiveMessage", QueueUrl="http://x/999999999999/q") == gone
    assert code(desk, "ReceiveMessage") == "MissingParameter"


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("a b", {}),
        ("x" * 81, {}),
        ("name.fifo", {}),
        ("name", {"FifoQueue": "true"}),
        ("x" * 76 + ".fifo", {"FifoQueue": "true"}),
    ],
)
def test_an_impossible_name_is_refused(name: str, attributes: dict[str, str]) -> None:
    assert code(Desk(), "CreateQueue", QueueName=name, Attributes=attributes) == (
        "InvalidParameterValue"
    )


def test_making_a_queue_again_finds_it_unless_attributes_differ() -> None:
    desk = Desk("q", {"VisibilityTimeout": "60"})
    assert desk.make("q") == desk.make("q", VisibilityTimeout="60", DelaySeconds="0") == desk.queue
    with pytest.raises(Refused, match="different value for attribute VisibilityTimeout") as caught:
        desk.make("q", VisibilityTimeout="61")
    assert caught.value.code == "QueueAlreadyExists"


@pytest.mark.parametrize(
    ("attributes", "refusal"),
    [
        ({"Nonsense": "1"}, "InvalidAttributeName"),
        ({"QueueArn": "x"}, "InvalidAttributeName"),
        ({"ContentBasedDeduplication": "true"}, "InvalidAttributeName"),
        ({"FifoQueue": "true"}, "InvalidAttributeName"),
        ({"FifoQueue": "false"}, "InvalidAttributeValue"),
        ({"VisibilityTimeout": "43201"}, "InvalidAttributeValue"),
        ({"VisibilityTimeout": "soon"}, "InvalidAttributeValue"),
        ({"DelaySeconds": "-1"}, "InvalidAttributeValue"),
        ({"MessageRetentionPeriod": "59"}, "InvalidAttributeValue"),
        ({"ReceiveMessageWaitTimeSeconds": "21"}, "InvalidAttributeValue"),
        ({"MaximumMessageSize": "1048577"}, "InvalidAttributeValue"),
        ({"RedrivePolicy": "no json"}, "InvalidAttributeValue"),
        ({"RedriveAllowPolicy": '{"redrivePermission": "byQueue"}'}, "InvalidAttributeValue"),
    ],
)
def test_an_impossible_attribute_is_refused_and_nothing_is_changed(
    attributes: dict[str, str], refusal: str
) -> None:
    desk = Desk()
    before = desk.attributes("All")
    wanted = {"DelaySeconds": "5", **attributes}
    assert code(desk, "SetQueueAttributes", QueueUrl="q", Attributes=wanted) == refusal
    assert desk.attributes("All") == before


def test_attributes_are_those_that_were_set_and_defaults() -> None:
    desk = Desk("q", {"DelaySeconds": "7"})
    desk.advance(5)
    desk.call("SetQueueAttributes", QueueUrl="q", Attributes={"VisibilityTimeout": "9"})
    found = desk.attributes("All")
    assert found == {
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "CreatedTimestamp": "1001000",
        "DelaySeconds": "7",
        "LastModifiedTimestamp": "1001005",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "QueueArn": "arn:aws:sqs:us-east-1:123456789012:q",
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
        "VisibilityTimeout": "9",
    }
    assert desk.attributes("VisibilityTimeout") == {"VisibilityTimeout": "9"}
    assert desk.attributes() == {}
    assert code(desk, "GetQueueAttributes", QueueUrl="q", AttributeNames=["Nonsense"]) == (
        "InvalidAttributeName"
    )


def test_a_deleted_queue_is_gone_and_its_name_is_not_free_for_a_minute() -> None:
    desk = Desk()
    desk.send("a")
    desk.call("DeleteQueue", QueueUrl=desk.queue)
    assert code(desk, "SendMessage", QueueUrl="q", MessageBody="a") == f"{PREFIX}NonExistentQueue"
    desk.advance(59)
    assert code(desk, "CreateQueue", QueueName="q") == f"{PREFIX}QueueDeletedRecently"
    desk.advance(1)
    desk.make("q")
    assert desk.counts() == (0, 0, 0)


def test_queues_are_listed_by_prefix_in_pages() -> None:
    desk = Desk()
    for number in range(5):
        desk.make(f"job-{number}")
    first = desk.call("ListQueues", QueueNamePrefix="job-", MaxResults=3)
    rest = desk.call(
        "ListQueues", QueueNamePrefix="job-", MaxResults=3, NextToken=first["NextToken"]
    )
    names = [url.rpartition("/")[2] for url in first["QueueUrls"] + rest["QueueUrls"]]
    assert names == [f"job-{number}" for number in range(5)]
    assert "NextToken" not in rest
    assert desk.call("ListQueues", QueueNamePrefix="none") == {}


def test_tags_are_kept() -> None:
    desk = Desk()
    desk.call("TagQueue", QueueUrl="q", Tags={"a": "1", "b": "2"})
    desk.call("UntagQueue", QueueUrl="q", TagKeys=["a", "none"])
    assert desk.call("ListQueueTags", QueueUrl="q")["Tags"] == {"b": "2"}


def test_what_is_not_modelled_says_so() -> None:
    desk = Desk()
    assert code(desk, "AddPermission", QueueUrl="q") == f"{PREFIX}UnsupportedOperation"
    assert code(desk, "Nonsense") == "InvalidAction"
    assert code(desk, "TagQueue", QueueUrl="q", Tags=["no", "map"]) == "SerializationException"
