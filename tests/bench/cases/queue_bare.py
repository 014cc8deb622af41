"""What the calls alone cost: boto3 in two threads, one that receives ten, one that deletes ten.

It asks for what our worker asks for, calls the handler as it receives, and keeps no promise at all.
"""

import json
import queue
import sys
import threading
from typing import Any

import boto3
from botocore.config import Config

from tests.bench.cases.calls import note_calls
from tests.bench.peers.setting import began

TEN = 10


def main(endpoint: str, name: str) -> None:
    client = boto3.client("sqs", endpoint_url=endpoint, config=Config(max_pool_connections=16))
    url = client.get_queue_url(QueueName=name)["QueueUrl"]
    done: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=delete, args=(client, url, done), daemon=True).start()
    while True:
        answer = client.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=TEN,
            WaitTimeSeconds=5,
            VisibilityTimeout=30,
            AttributeNames=["ApproximateReceiveCount", "MessageGroupId", "SentTimestamp"],
            MessageAttributeNames=["All"],
        )
        for message in answer.get("Messages", ()):
            noop(**json.loads(message["Body"]))
            done.put(message["ReceiptHandle"])


def noop(number: int) -> None:
    began(number)


def delete(client: Any, url: str, done: queue.SimpleQueue[str]) -> None:  # noqa: ANN401
    while True:
        receipts = [done.get()]
        while len(receipts) < TEN and not done.empty():
            receipts.append(done.get())
        entries = [{"Id": str(n), "ReceiptHandle": one} for n, one in enumerate(receipts)]
        client.delete_message_batch(QueueUrl=url, Entries=entries)


note_calls()
main(sys.argv[1], sys.argv[2])
