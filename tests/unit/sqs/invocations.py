"""Invocations of a Lambda function by SQS, as AWS makes them."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["FIFO", "STANDARD", "Context", "event", "failed", "record"]

STANDARD = "arn:aws:sqs:us-east-1:123456789012:housekeeping"
FIFO = f"{STANDARD}.fifo"


class Context:
    """Lambda's context: so much time is left."""

    def __init__(self, left_s: float = 30.0) -> None:
        self._left_s = left_s

    def get_remaining_time_in_millis(self) -> int:
        return int(self._left_s * 1000)


def record(
    number: str,
    body: object,
    *,
    task: str = "",
    group: str = "",
    received: int = 1,
    arn: str = STANDARD,
) -> dict[str, Any]:
    """One message; a body that is no text is written as JSON."""
    return {
        "messageId": number,
        "receiptHandle": f"receipt-{number}",
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": {
            "ApproximateReceiveCount": str(received),
            "SentTimestamp": "1700000000000",
            **({"MessageGroupId": group} if group else {}),
        },
        "messageAttributes": (
            {"coord.task": {"dataType": "String", "stringValue": task}} if task else {}
        ),
        "md5OfBody": "…",
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": "us-east-1",
    }


def event(*records: dict[str, Any]) -> dict[str, Any]:
    return {"Records": list(records)}


def failed(answer: dict[str, Any]) -> list[str]:
    """The ids that the answer names, in order."""
    assert set(answer) == {"batchItemFailures"}
    return [one["itemIdentifier"] for one in answer["batchItemFailures"]]
