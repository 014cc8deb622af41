"""Notifications of S3 as calls of a task.

Owns how they look: by themselves, or wrapped by SNS. Asks nothing. What is no notification of S3 is
left to others; what is one and cannot be read stays in the queue.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from coord.tasks.queue.spi import Asked, Ignored, Message, Reader

__all__ = ["s3_event"]

_SOURCE = "aws:s3"
_TEST = "s3:TestEvent"


def s3_event(task: str = "") -> Reader:
    """A reader for `Worker` and `lambda_handler`: each object that S3 tells of is a call of `task`
    (empty: of the only task there is).

    Offered are `bucket`, `key` (decoded), `version` (empty in a bucket without versions), `event`
    (such as "ObjectCreated:Put"), `size` and `etag` (0 and empty if something was deleted), and
    `sequencer`, which orders the events of one key as text of equal length. A function names those
    that it wants: `def resize(job, bucket, key)`.

    A message may tell of several objects: they are called in turn, and all again if one fails. S3
    tells at least once and in no order. Its test event, which it sends when notifications are set
    up, is ignored, and told of.
    """

    def read(message: Message) -> Asked | Ignored | None:
        told = _unwrapped(message.body)
        if told is None:
            return None
        if told.get("Event") == _TEST:
            return Ignored(f"{_TEST} of bucket {told.get('Bucket')}: notifications were set up")
        records = told.get("Records")
        if not isinstance(records, list) or not records:
            return None
        if not all(isinstance(one, dict) and one.get("eventSource") == _SOURCE for one in records):
            return None
        return Asked(task, [_offered(one) for one in records])

    return read


def _unwrapped(body: str) -> dict[str, Any] | None:
    """The object in a body, out of the envelope that SNS puts it into; None: there is none."""
    found = _object(body)
    if found is not None and found.get("Type") == "Notification" and "TopicArn" in found:
        return _object(found.get("Message"))
    return found


def _object(text: object) -> dict[str, Any] | None:
    if not isinstance(text, str):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _offered(record: Mapping[str, Any]) -> dict[str, Any]:
    """Raises KeyError or TypeError for a record that is not as S3 writes them."""
    told = record["s3"]
    thing = told["object"]
    return {
        "bucket": told["bucket"]["name"],
        "key": unquote_plus(thing["key"], errors="strict"),
        "version": thing.get("versionId") or "",
        "event": record["eventName"].removeprefix("s3:"),
        "size": int(thing.get("size") or 0),
        "etag": thing.get("eTag") or "",
        "sequencer": thing.get("sequencer") or "",
    }
