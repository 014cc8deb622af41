"""Puts messages into a queue of the fake at a given rate, or keeps so many of them outstanding.

Owns the sending, by plain HTTP, since the fake verifies no signature: the sender must not take the
time of those it measures. The moment of sending is read before the request is sent.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["Feed"]

_TIMEOUT_S = 30.0
_BATCH = 10
_NAP_S = 0.002


class Feed:
    """One queue, made anew. `sent_at[n]`: when message n was sent, on the monotonic clock."""

    def __init__(self, endpoint: str, queue: str, messages: Sequence[Mapping[str, Any]]) -> None:
        self._connection = http.client.HTTPConnection(
            endpoint.removeprefix("http://"), timeout=_TIMEOUT_S
        )
        self._messages = messages
        self.sent_at: list[float] = []
        self._url = self._called("CreateQueue", QueueName=queue)["QueueUrl"]

    def close(self) -> None:
        """The queue is no more."""
        self._called("DeleteQueue", QueueUrl=self._url)
        self._connection.close()

    def purge(self) -> None:
        """Nothing that was sent is received any more."""
        self._called("PurgeQueue", QueueUrl=self._url)

    @property
    def left(self) -> int:
        """How many messages there are to send."""
        return len(self._messages) - len(self.sent_at)

    def all_at_once(self, count: int) -> None:
        """As fast as they go."""
        end = len(self.sent_at) + count
        while len(self.sent_at) < end:
            self._batch(min(_BATCH, end - len(self.sent_at)))

    def steadily(self, count: int, rate: float) -> None:
        """One by one, so many a second; late ones are sent at once."""
        began = time.monotonic()
        for number in range(count):
            if (early := began + number / rate - time.monotonic()) > 0:
                time.sleep(early)
            one = self._messages[len(self.sent_at)]
            self.sent_at.append(time.monotonic())
            self._called("SendMessage", QueueUrl=self._url, **one)

    def kept_outstanding(self, most: int, seconds: float, begun: Callable[[], int]) -> None:
        """For so long, keep that many sent and not begun; `begun()` tells how many were."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s and self.left >= _BATCH:
            if len(self.sent_at) - begun() > most - _BATCH:
                time.sleep(_NAP_S)
            else:
                self._batch(_BATCH)

    def _batch(self, count: int) -> None:
        first = len(self.sent_at)
        entries = [{"Id": str(n), **self._messages[n]} for n in range(first, first + count)]
        self.sent_at += [time.monotonic()] * count
        answer = self._called("SendMessageBatch", QueueUrl=self._url, Entries=entries)
        assert not answer.get("Failed"), answer

    def _called(self, operation: str, **asked: Any) -> dict[str, Any]:  # noqa: ANN401
        headers = {
            "X-Amz-Target": f"AmazonSQS.{operation}",
            "Content-Type": "application/x-amz-json-1.0",
        }
        self._connection.request("POST", "/", json.dumps(asked).encode(), headers)
        response = self._connection.getresponse()
        body = response.read()
        assert response.status == 200, body
        answer: dict[str, Any] = json.loads(body or b"{}")
        return answer
