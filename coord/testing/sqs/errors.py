"""What the fake answers instead of a result: SQS's errors, with the names that clients look for.

Owns the errors and their three names: the shape of the JSON protocol, the code of the former
query protocol (which boto3 shows, from a header), and the HTTP status. Knows no queue.
"""

from __future__ import annotations

__all__ = ["SqsError", "beyond_limit", "invalid_value", "missing", "no_queue"]

_SERVICE = "com.amazonaws.sqs"
_COMMON = "com.amazon.coral.service"
_LEGACY = "AWS.SimpleQueueService."

# Code of the query protocol -> shape of the JSON protocol, where the two differ.
_SHAPES = {
    f"{_LEGACY}BatchEntryIdsNotDistinct": f"{_SERVICE}#BatchEntryIdsNotDistinct",
    f"{_LEGACY}BatchRequestTooLong": f"{_SERVICE}#BatchRequestTooLong",
    f"{_LEGACY}EmptyBatchRequest": f"{_SERVICE}#EmptyBatchRequest",
    f"{_LEGACY}InvalidBatchEntryId": f"{_SERVICE}#InvalidBatchEntryId",
    f"{_LEGACY}MessageNotInflight": f"{_SERVICE}#MessageNotInflight",
    f"{_LEGACY}NonExistentQueue": f"{_SERVICE}#QueueDoesNotExist",
    f"{_LEGACY}PurgeQueueInProgress": f"{_SERVICE}#PurgeQueueInProgress",
    f"{_LEGACY}QueueDeletedRecently": f"{_SERVICE}#QueueDeletedRecently",
    f"{_LEGACY}TooManyEntriesInBatchRequest": f"{_SERVICE}#TooManyEntriesInBatchRequest",
    f"{_LEGACY}UnsupportedOperation": f"{_SERVICE}#UnsupportedOperation",
    "InternalFailure": f"{_COMMON}#InternalFailure",
    "InvalidAction": f"{_COMMON}#UnknownOperationException",
    "InvalidClientTokenId": f"{_COMMON}#UnrecognizedClientException",
    "InvalidParameterValue": f"{_COMMON}#InvalidParameterValueException",
    "MissingAuthenticationToken": f"{_COMMON}#MissingAuthenticationTokenException",
    "MissingParameter": f"{_COMMON}#MissingRequiredParameterException",
    "QueueAlreadyExists": f"{_SERVICE}#QueueNameExists",
    "SerializationException": f"{_COMMON}#SerializationException",
    "ServiceUnavailable": f"{_COMMON}#ServiceUnavailableException",
    "SignatureDoesNotMatch": f"{_COMMON}#InvalidSignatureException",
}
_STATUS = {
    f"{_LEGACY}PurgeQueueInProgress": 403,
    "InternalFailure": 500,
    "InvalidClientTokenId": 403,
    "MissingAuthenticationToken": 403,
    "ResourceNotFoundException": 404,
    "ServiceUnavailable": 503,
    "SignatureDoesNotMatch": 403,
}
_SERVER = 500


class SqsError(Exception):
    """A refusal, for a whole request or for one entry of a batch.

    `code` is what boto3 shows as `error.response["Error"]["Code"]`; the short names of SQS's own
    errors ("PurgeQueueInProgress") get the prefix that they have had since the query protocol.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = f"{_LEGACY}{code}" if f"{_LEGACY}{code}" in _SHAPES else code
        self.message = message

    @property
    def name(self) -> str:
        """The code as the entries of a batch carry it: without a prefix."""
        return self.code.removeprefix(_LEGACY)

    @property
    def shape(self) -> str:
        """The type in the JSON protocol's body."""
        return _SHAPES.get(self.code, f"{_SERVICE}#{self.code}")

    @property
    def status(self) -> int:
        """The HTTP status: 400 for nearly all."""
        return _STATUS.get(self.code, 400)

    @property
    def fault(self) -> str:
        """Whose fault: `Sender` or `Receiver`."""
        return "Receiver" if self.status >= _SERVER else "Sender"


def no_queue() -> SqsError:
    """The queue does not exist."""
    return SqsError("NonExistentQueue", "The specified queue does not exist.")


def missing(parameter: str) -> SqsError:
    """A required parameter is not there."""
    return SqsError("MissingParameter", f"The request must contain the parameter {parameter}.")


def invalid_value(value: object, parameter: str, reason: str) -> SqsError:
    """A parameter has an impossible value."""
    return SqsError(
        "InvalidParameterValue",
        f"Value {value} for parameter {parameter} is invalid. Reason: {reason}",
    )


def beyond_limit(message: str) -> SqsError:
    """Too many messages are in flight."""
    return SqsError("OverLimit", message)
