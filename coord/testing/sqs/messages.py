"""The calls that send, delete and extend messages, one by one and in batches.

Owns the translation between requests and a queue. Pure: the queue and the moment come from outside.
"""

from __future__ import annotations

import hashlib

from coord.testing.sqs.attributes import HIDDEN_MAX_S, MESSAGE_MAX_BYTES
from coord.testing.sqs.errors import SqsError, invalid_value, missing
from coord.testing.sqs.message import Content, attributes_md5, check_token, content_of
from coord.testing.sqs.params import Params, Reply, answer_each, entries_of, text, whole
from coord.testing.sqs.queue import Order, Queue

__all__ = [
    "change_batch",
    "change_visibility",
    "delete_batch",
    "delete_message",
    "send_batch",
    "send_message",
]

_DELAY_MAX_S = 900
_DELAY = "DelaySeconds must be >= 0 and <= 900."
_VISIBILITY = f"VisibilityTimeout must be an integer between 0 and {HIDDEN_MAX_S}."
_NOT_HERE = "The request include parameter that is not valid for this queue type."


def send_message(queue: Queue, params: Params, now_s: float) -> Reply:
    """SendMessage."""
    content = content_of(params)
    return _send(queue, params, content, now_s)


def send_batch(queue: Queue, params: Params, now_s: float) -> Reply:
    """SendMessageBatch. A FIFO queue refuses the whole batch if an entry lacks an id it needs."""
    entries = entries_of(params)
    contents: dict[str, Content] = {}
    refused: dict[str, SqsError] = {}
    for entry in entries:
        _check_fifo_ids(queue, entry, in_batch=True)
        try:
            contents[entry["Id"]] = content_of(entry)
        except SqsError as error:
            refused[entry["Id"]] = error
    total = sum(content.size for content in contents.values())
    if total > MESSAGE_MAX_BYTES:
        raise SqsError(
            "BatchRequestTooLong",
            f"Batch requests cannot be longer than {MESSAGE_MAX_BYTES} bytes. "
            f"You have sent {total} bytes.",
        )

    def send(entry: Params) -> Reply:
        if entry["Id"] in refused:
            raise refused[entry["Id"]]
        return _send(queue, entry, contents[entry["Id"]], now_s)

    return answer_each(entries, send)


def delete_message(queue: Queue, params: Params, _now_s: float) -> Reply:
    """DeleteMessage."""
    queue.delete(text(params, "ReceiptHandle"))
    return {}


def delete_batch(queue: Queue, params: Params, _now_s: float) -> Reply:
    """DeleteMessageBatch."""

    def delete(entry: Params) -> Reply:
        try:
            queue.delete(text(entry, "ReceiptHandle"))
        except SqsError as error:
            if error.code != "InvalidParameterValue":
                raise
            raise SqsError("ReceiptHandleIsInvalid", "The receipt handle has expired") from None
        return {}

    return answer_each(entries_of(params), delete)


def change_visibility(queue: Queue, params: Params, now_s: float) -> Reply:
    """ChangeMessageVisibility."""
    receipt = text(params, "ReceiptHandle")
    seconds = whole(params, "VisibilityTimeout", _VISIBILITY, lowest=0, highest=HIDDEN_MAX_S)
    if seconds is None:
        raise missing("VisibilityTimeout")
    queue.change(receipt, seconds, now_s)
    return {}


def change_batch(queue: Queue, params: Params, now_s: float) -> Reply:
    """ChangeMessageVisibilityBatch."""
    return answer_each(entries_of(params), lambda entry: change_visibility(queue, entry, now_s))


def _send(queue: Queue, entry: Params, content: Content, now_s: float) -> Reply:
    if content.size > queue.attributes.size_max:
        raise SqsError(
            "InvalidParameterValue",
            "One or more parameters are invalid. Reason: Message must be shorter than "
            f"{queue.attributes.size_max} bytes.",
        )
    sent = queue.send(content, _order_of(queue, entry), now_s)
    reply: Reply = {"MessageId": sent.id, "MD5OfMessageBody": content.md5}
    if content.attributes_md5 is not None:
        reply["MD5OfMessageAttributes"] = content.attributes_md5
    if content.trace is not None:
        reply["MD5OfMessageSystemAttributes"] = attributes_md5(
            {"AWSTraceHeader": {"DataType": "String", "StringValue": content.trace}}
        )
    if sent.sequence is not None:
        reply["SequenceNumber"] = sent.sequence
    return reply


def _order_of(queue: Queue, entry: Params) -> Order:
    delay_s = whole(entry, "DelaySeconds", _DELAY, lowest=0, highest=_DELAY_MAX_S)
    group, deduplication = entry.get("MessageGroupId"), entry.get("MessageDeduplicationId")
    if group is not None:
        check_token(group, "MessageGroupId")
    if deduplication is not None:
        check_token(deduplication, "MessageDeduplicationId")
    if not queue.fifo:
        if deduplication is not None:
            raise invalid_value(deduplication, "MessageDeduplicationId", _NOT_HERE)
        return Order(delay_s=delay_s, group=group)
    if delay_s:
        raise invalid_value(delay_s, "DelaySeconds", _NOT_HERE)
    _check_fifo_ids(queue, entry, in_batch=False)
    if deduplication is None:
        deduplication = hashlib.sha256(entry["MessageBody"].encode()).hexdigest()
    return Order(group=group, deduplication=deduplication)


def _check_fifo_ids(queue: Queue, entry: Params, *, in_batch: bool) -> None:
    if not queue.fifo:
        return
    if entry.get("MessageGroupId") is None:
        error = missing("MessageGroupId")
        raise SqsError("InvalidParameterValue", error.message) if in_batch else error
    if entry.get("MessageDeduplicationId") is None and not queue.attributes.content_based:
        raise SqsError(
            "InvalidParameterValue",
            "The queue should either have ContentBasedDeduplication enabled or "
            "MessageDeduplicationId provided explicitly",
        )
