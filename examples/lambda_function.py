"""An AWS Lambda function that SQS triggers: the task of a queue worker, without a worker to run.

    python examples/lambda_function.py       # plays one batch of three messages, here

In AWS, set the function's handler to `lambda_function.handler`, and `FunctionResponseTypes` of the
event source mapping to `ReportBatchItemFailures`: without it Lambda deletes what has failed
(deploy/cloudformation/queue-lambda.yaml has both).

Of the three messages one is broken. It alone is named in the answer, and stays in the queue.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from coord import Job, task
from coord_sqs import lambda_handler

LEDGER = os.environ.get("LEDGER", "sqlite:///ledger.db")


def _resize(bucket: str, key: str) -> str:
    print(f"resized {bucket}/{key}", flush=True)
    return f"{bucket}/thumbnails/{key}"


@task("resize")
def resize(job: Job, bucket: str, key: str) -> None:
    """Called for each message, within what the invocation has left."""
    job.check()
    job.once(f"thumbnail/{bucket}/{key}", _resize, bucket, key)


handler = lambda_handler(tasks=[resize], ledger=LEDGER)


class PlayedContext:
    """What Lambda hands in beside the event, as far as it is asked."""

    def __init__(self, seconds: float) -> None:
        self._end_s = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        """As in AWS."""
        return int((self._end_s - time.monotonic()) * 1000)


def _record(number: int, body: str) -> dict[str, Any]:
    attribute = {"stringValue": "resize", "dataType": "String"}
    return {
        "messageId": f"00000000-0000-0000-0000-{number:012}",
        "receiptHandle": f"receipt-{number}",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1700000000000"},
        "messageAttributes": {"coord.task": attribute},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:housekeeping",
    }


def main() -> None:
    """Play one batch."""
    bodies = [json.dumps({"bucket": "b", "key": name}) for name in ("cat.png", "dog.png")]
    records = [_record(number, body) for number, body in enumerate([*bodies, "not JSON"])]
    print(json.dumps(handler({"Records": records}, PlayedContext(30.0))), flush=True)


if __name__ == "__main__":
    main()
