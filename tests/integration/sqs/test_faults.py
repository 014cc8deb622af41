"""Faults and refusals as boto3 sees them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from coord.testing.sqs import Fault, SqsServer
from tests.integration.sqs.client import Client, error_code

pytestmark = pytest.mark.xdist_group("sqs")


@pytest.fixture
def stubborn(sqs: SqsServer) -> Iterator[Any]:
    """A client that tries three times."""
    found: Any = boto3.client(
        "sqs",
        region_name="us-east-1",
        endpoint_url=sqs.endpoint,
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 (made up)
        config=Config(retries={"total_max_attempts": 3, "mode": "standard"}),
    )
    yield found
    found.close()


@pytest.mark.parametrize(
    "fault",
    [
        Fault.throttle("SendMessage", times=2),
        Fault.unavailable("SendMessage", times=2),
        Fault.drop_request("SendMessage", times=2),
    ],
    ids=["throttled", "unavailable", "lost"],
)
def test_what_passes_is_tried_again_by_boto3(
    sqs: SqsServer,
    client: Client,
    stubborn: Any,  # noqa: ANN401
    fault: Fault,
) -> None:
    url = client.make("q")
    before = sqs.stats().calls.get("SendMessage", 0)
    sqs.inject(fault)
    stubborn.send_message(QueueUrl=url, MessageBody="a")
    assert sqs.stats().calls["SendMessage"] - before == 3
    assert sqs.stats().queues[client.name("q")].ready == 1


def test_a_send_whose_reply_was_lost_is_sent_twice(
    sqs: SqsServer,
    client: Client,
    stubborn: Any,  # noqa: ANN401
) -> None:
    url = client.make("q")
    sqs.inject(Fault.drop_reply("SendMessage", times=1))
    stubborn.send_message(QueueUrl=url, MessageBody="a")
    assert sqs.stats().queues[client.name("q")].ready == 2


def test_a_receive_whose_reply_was_lost_leaves_messages_in_flight(
    sqs: SqsServer, client: Client
) -> None:
    url = client.make("q")
    client.boto.send_message(QueueUrl=url, MessageBody="a")
    sqs.inject(Fault.drop_reply("ReceiveMessage", times=1))
    with pytest.raises(ConnectionClosedError):
        client.boto.receive_message(QueueUrl=url)
    assert sqs.stats().queues[client.name("q")].in_flight == 1


def test_entries_that_fail_are_told_to_boto3(sqs: SqsServer, client: Client) -> None:
    url = client.make("q")
    sqs.inject(Fault.fail_entries("SendMessageBatch", queue=client.name("q")))
    entries = [{"Id": "1", "MessageBody": "a"}]
    found = client.boto.send_message_batch(QueueUrl=url, Entries=entries)
    assert [(each["Id"], each["Code"]) for each in found["Failed"]] == [("1", "InternalError")]


def test_strangers_and_other_regions_are_refused(sqs: SqsServer) -> None:
    sqs.admit(access_keys=["known"], region="us-east-1")

    def code(key: str, region: str) -> tuple[int, str]:
        client: Any = boto3.client(
            "sqs",
            region_name=region,
            endpoint_url=sqs.endpoint,
            aws_access_key_id=key,
            aws_secret_access_key="x",  # noqa: S106 (made up)
        )
        try:
            client.list_queues()
        except ClientError as error:
            return error.response["ResponseMetadata"]["HTTPStatusCode"], error_code(error)
        finally:
            client.close()
        return 200, ""

    assert code("stranger", "us-east-1") == (403, "InvalidClientTokenId")
    assert code("known", "eu-west-1") == (403, "SignatureDoesNotMatch")
    assert code("known", "us-east-1") == (200, "")
    sqs.heal()
    assert code("stranger", "eu-west-1") == (200, "")


def test_the_errors_of_botocores_model_are_raised(client: Client) -> None:
    errors = client.boto.exceptions
    url = client.make("q")
    with pytest.raises(errors.QueueDoesNotExist):
        client.boto.get_queue_url(QueueName="none")
    with pytest.raises(errors.QueueNameExists):
        client.boto.create_queue(QueueName=client.name("q"), Attributes={"DelaySeconds": "1"})
    with pytest.raises(errors.ReceiptHandleIsInvalid):
        client.boto.delete_message(QueueUrl=url, ReceiptHandle="x")
    with pytest.raises(errors.EmptyBatchRequest):
        client.boto.delete_message_batch(QueueUrl=url, Entries=[])
    client.boto.purge_queue(QueueUrl=url)
    with pytest.raises(errors.PurgeQueueInProgress):
        client.boto.purge_queue(QueueUrl=url)
