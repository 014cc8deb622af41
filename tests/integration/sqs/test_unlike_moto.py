"""Where moto is wrong, the fake does as Amazon documents, or as has been recorded there."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from coord.testing.sqs import Settings, SqsFake, SqsServer
from tests.integration.sqs.client import Client, client_of, error_code

pytestmark = pytest.mark.xdist_group("sqs")

FIFO = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}


def code(client: Client, method: str, **params: Any) -> str:  # noqa: ANN401
    with pytest.raises(ClientError) as caught:
        getattr(client.boto, method)(**params)
    return error_code(caught.value)


def received(client: Client, url: str, **more: Any) -> str:  # noqa: ANN401
    """The receipt of the one message."""
    (message,) = client.boto.receive_message(QueueUrl=url, **more)["Messages"]
    receipt: str = message["ReceiptHandle"]
    return receipt


def test_a_superseded_receipt_neither_deletes_nor_extends(sqs: SqsServer, client: Client) -> None:
    """Moto lets it do both."""
    url = client.make("q")
    client.boto.send_message(QueueUrl=url, MessageBody="a")
    old = received(client, url, VisibilityTimeout=1)
    new = received(client, url, WaitTimeSeconds=10)
    assert (
        code(
            client,
            "change_message_visibility",
            QueueUrl=url,
            ReceiptHandle=old,
            VisibilityTimeout=0,
        )
        == "InvalidParameterValue"
    )
    client.boto.delete_message(QueueUrl=url, ReceiptHandle=old)
    assert sqs.stats().queues[client.name("q")].in_flight == 1
    client.boto.delete_message(QueueUrl=url, ReceiptHandle=new)
    assert sqs.stats().queues[client.name("q")].in_flight == 0


def test_a_fifo_queue_says_that_a_receipt_has_expired(client: Client) -> None:
    """Moto deletes the message."""
    url = client.make("q.fifo", **FIFO)
    client.boto.send_message(QueueUrl=url, MessageBody="a", MessageGroupId="g")
    old = received(client, url, VisibilityTimeout=1)
    received(client, url, WaitTimeSeconds=10)
    assert code(client, "delete_message", QueueUrl=url, ReceiptHandle=old) == (
        "InvalidParameterValue"
    )


def test_twelve_hours_count_from_the_receive(client: Client) -> None:
    """Moto counts from the sending, so that a message that has waited cannot be extended."""
    url = client.make("q")
    client.boto.send_message(QueueUrl=url, MessageBody="a")
    time.sleep(1.1)
    receipt = received(client, url)
    client.boto.change_message_visibility(
        QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=43_199
    )
    assert (
        code(
            client,
            "change_message_visibility",
            QueueUrl=url,
            ReceiptHandle=receipt,
            VisibilityTimeout=43_200,
        )
        == "InvalidParameterValue"
    )


def test_a_long_poll_is_answered_when_visibility_ends(client: Client) -> None:
    """Moto looks once a second."""
    url = client.make("q")
    client.boto.send_message(QueueUrl=url, MessageBody="a")
    delays = []
    for _ in range(3):
        received(client, url, VisibilityTimeout=1)
        visible_s = time.monotonic() + 1
        received(client, url, WaitTimeSeconds=10, VisibilityTimeout=0)
        delays.append(time.monotonic() - visible_s)
    assert min(delays) < 0.3
    assert min(delays) > -0.1


def test_a_long_poll_is_answered_when_a_message_arrives(client: Client) -> None:
    url = client.make("q")
    other = client_of(client.boto.meta.endpoint_url)
    arrivals: list[float] = []

    def wait() -> None:
        assert len(other.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]) == 1
        arrivals.append(time.monotonic())

    for _ in range(3):
        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.2)
        client.boto.send_message(QueueUrl=url, MessageBody="a")
        arrivals.append(-time.monotonic())
        thread.join(30)
    delays = [abs(arrivals[place] + arrivals[place + 1]) for place in (0, 2, 4)]
    assert min(delays) < 0.3
    other.close()


def test_too_much_in_flight_is_refused() -> None:
    """Moto knows no limit."""
    with SqsFake(Settings(in_flight_max=3, queues=("q",))) as fake:
        client = Client(fake.endpoint)
        for number in range(5):
            client.boto.send_message(QueueUrl="q", MessageBody=str(number))
        taken = client.boto.receive_message(QueueUrl="q", MaxNumberOfMessages=10)["Messages"]
        assert len(taken) == 3
        assert code(client, "receive_message", QueueUrl="q") == "OverLimit"
        client.boto.delete_message(QueueUrl="q", ReceiptHandle=taken[0]["ReceiptHandle"])
        received(client, "q")
        client.close()


@pytest.mark.parametrize(
    "attribute",
    [
        {"DataType": "Nonsense", "StringValue": "x"},
        {"DataType": "String", "StringValue": ""},
        {"DataType": "Number", "StringValue": "many"},
    ],
)
def test_message_attributes_are_checked(client: Client, attribute: dict[str, str]) -> None:
    """Moto takes them."""
    url = client.make("q")
    sent = {"QueueUrl": url, "MessageBody": "a", "MessageAttributes": {"x": attribute}}
    assert code(client, "send_message", **sent) == "InvalidParameterValue"


def test_forbidden_characters_are_refused(client: Client) -> None:
    """Moto takes them."""
    url = client.make("q")
    assert code(client, "send_message", QueueUrl=url, MessageBody="\x00") == (
        "InvalidMessageContents"
    )


def test_a_fifo_queue_with_content_based_ids_numbers_its_messages(client: Client) -> None:
    """Moto leaves the number out."""
    url = client.make("q.fifo", **FIFO)
    sent = client.boto.send_message(QueueUrl=url, MessageBody="a", MessageGroupId="g")
    assert len(sent["SequenceNumber"]) == 20


def test_the_name_of_a_deleted_queue_is_not_free(client: Client) -> None:
    """Moto makes it at once."""
    url = client.make("q")
    client.boto.delete_queue(QueueUrl=url)
    assert code(client, "create_queue", QueueName=client.name("q")) == (
        "AWS.SimpleQueueService.QueueDeletedRecently"
    )


def test_dead_letters_are_moved_back(sqs: SqsServer, client: Client) -> None:
    """Moto has no move tasks."""
    dead = client.make("dead")
    arn = client.boto.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
    arn = arn["Attributes"]["QueueArn"]
    wanted = f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": "1"}}'
    url = client.make("q", RedrivePolicy=wanted, VisibilityTimeout="0")
    client.boto.send_message(QueueUrl=url, MessageBody="a")
    for _ in range(2):
        client.boto.receive_message(QueueUrl=url)
    assert sqs.stats().queues[client.name("dead")].ready == 1
    assert client.boto.start_message_move_task(SourceArn=arn)["TaskHandle"]
    received(client, url, WaitTimeSeconds=10)
    until_s = time.monotonic() + 10
    task: dict[str, Any] = {"Status": "RUNNING"}
    while task["Status"] == "RUNNING" and time.monotonic() < until_s:
        (task,) = client.boto.list_message_move_tasks(SourceArn=arn)["Results"]
    assert task["Status"] == "COMPLETED"
    assert task["ApproximateNumberOfMessagesMoved"] == 1
