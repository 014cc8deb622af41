"""Tasks in an AWS Lambda function that SQS triggers: events in, partial batch responses out.

Owns the translation of both. What is run, and what counts as done, is `coord.tasks.queue.pushed`'s.
Nothing is kept from one invocation to the next but the open ledger. Rules and their reasons:

- An answer that names no failure has the whole batch deleted, so whatever is not understood raises:
  then Lambda keeps the whole batch.
- An answer that names a message that was not in the batch makes the whole batch fail. So only ids
  of the event are ever named.
- Lambda ignores the answer, and deletes the whole batch, unless the event source mapping has
  `ReportBatchItemFailures` among its response types. Nobody can see that from inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from coord.clock import SYSTEM_CLOCK, Clock
from coord.errors import ConfigError, InternalError
from coord.tasks.queue.pushed import Codec, Pushed
from coord.tasks.queue.spi import Message, Reader
from coord_sqs.entries import message

__all__ = ["LambdaHandler", "lambda_handler"]

LambdaHandler: TypeAlias = Callable[[Any, Any], dict[str, Any]]

_FIFO = ".fifo"
_CURE = "Have the function triggered by an event source mapping of an SQS queue."


def lambda_handler(
    *,
    tasks: Iterable[Any],
    ledger: str | None = None,
    codec: Codec | None = None,
    readers: Iterable[Reader] = (),
    clock: Clock = SYSTEM_CLOCK,
) -> LambdaHandler:
    """The handler of a Lambda function that SQS triggers, to be kept in a global of its module.

    Each message is run in turn, within what the invocation has left: a handler is told to stop a
    tenth of that before its end, at most 5 s. Undone messages are named to Lambda, which leaves
    them in the queue: those whose handler raised, that nobody here can read, for which no time was
    left; and on FIFO queues all that come after one of these in its group.

    `ledger`: its URL, for `job.once`. `codec`, `readers`: as for `Worker`. Raises `ConfigError` for
    impossible tasks; the handler raises it for what is no event of SQS.
    """
    pushed = Pushed(tasks, ledger=ledger, codec=codec, readers=readers, clock=clock)

    def handler(event: Any, context: Any) -> dict[str, Any]:  # noqa: ANN401  Lambda's
        end_s = clock.now() + _left_s(context)
        undone: list[Message] = []
        for queue, messages in _messages(event).items():
            undone += pushed.run(
                messages,
                queue=queue,
                ordered=queue.endswith(_FIFO),
                left_s=max(0.0, end_s - clock.now()),
            )
        return {"batchItemFailures": [{"itemIdentifier": one.id} for one in undone]}

    return handler


def _left_s(context: Any) -> float:  # noqa: ANN401  Lambda's
    """What is left of the invocation. None left means none, and not that there is no end."""
    try:
        return float(context.get_remaining_time_in_millis()) / 1000
    except (AttributeError, TypeError, ValueError) as error:
        raise ConfigError(
            "the context does not say how much time is left",
            cure="Call it with Lambda's context: get_remaining_time_in_millis() is asked for.",
        ) from error


def _messages(event: Any) -> Mapping[str, Sequence[Message]]:  # noqa: ANN401  Lambda's
    """The messages of an event, by the ARN of their queue. Raises ConfigError for other events."""
    records = event.get("Records") if isinstance(event, dict) else None
    if not isinstance(records, list) or not records:
        raise ConfigError("this is no event of SQS: it has no Records", cure=_CURE)
    found: dict[str, list[Message]] = {}
    for record in records:
        try:
            found.setdefault(record["eventSourceARN"], []).append(_message(record))
        except (AttributeError, InternalError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"a record of this event is no message of SQS: {error!r}", cure=_CURE
            ) from error
    return found


def _message(record: Mapping[str, Any]) -> Message:
    """A record says the same as an answer of SQS, in another spelling."""
    named: Mapping[str, Mapping[str, Any]] = record.get("messageAttributes") or {}
    if not isinstance(record["messageId"], str) or not record["messageId"]:
        raise ValueError(f"its messageId is {record['messageId']!r}")
    return message(
        {
            "MessageId": record["messageId"],
            "ReceiptHandle": record.get("receiptHandle") or "",
            "Body": record.get("body"),
            "Attributes": record.get("attributes"),
            "MessageAttributes": {
                name: {"StringValue": value.get("stringValue")} for name, value in named.items()
            },
        }
    )
