"""Amazon SQS: a queue for workers on many machines, and its messages in Lambda functions.

Owns the table of public names. A name's module is imported on first use: whoever sends to a queue
does not load what runs tasks.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the same table once more, for type checkers and editors
    from coord_sqs.aws_lambda import lambda_handler
    from coord_sqs.queue import SqsQueue
    from coord_sqs.s3 import s3_event

__all__ = ["SqsQueue", "lambda_handler", "s3_event"]

_HOMES = {
    "SqsQueue": "coord_sqs.queue",
    "lambda_handler": "coord_sqs.aws_lambda",
    "s3_event": "coord_sqs.s3",
}

if not TYPE_CHECKING:  # or a type checker would believe that every name exists

    def __getattr__(name: str) -> object:
        """Import a public name on first use; from then on it is an ordinary attribute."""
        if name not in _HOMES:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
