"""boto3 as tests use it, and a record of what it was told that does not depend on who told it."""

from __future__ import annotations

import re
import secrets
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

__all__ = ["Client", "client_of", "error_code"]

_METHOD = re.compile(r"(?<=[a-z])(?=[A-Z])")
_VOLATILE = {
    "ApproximateFirstReceiveTimestamp",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "SenderId",
    "SentTimestamp",
}
_WORDING = {"Message"}
_NUMBERED = {"MessageId": "message", "ReceiptHandle": "receipt", "SequenceNumber": "sequence"}
_SHAPES = {
    "ApproximateFirstReceiveTimestamp": r"\d{13}",
    "CreatedTimestamp": r"\d{10}(\.\d+)?",
    "LastModifiedTimestamp": r"\d{10}(\.\d+)?",
    "MessageId": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "ReceiptHandle": r".{30,}",
    "SenderId": r"[A-Z0-9]{21}",
    "SentTimestamp": r"\d{13}",
    "SequenceNumber": r"\d{20}",
}


def client_of(endpoint: str, **settings: Any) -> Any:  # noqa: ANN401 (boto3 is untyped)
    """A client that tries once."""
    config = Config(retries={"total_max_attempts": 1}, read_timeout=30, **settings)
    return boto3.client(
        "sqs",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 (made up)
        config=config,
    )


def error_code(error: ClientError) -> str:
    code: str = error.response["Error"]["Code"]
    return code


class Client:
    """Calls, and the record of their outcomes: names that the server chose are numbered in the
    order of their appearance, moments are checked for their form and left out.
    """

    def __init__(self, endpoint: str) -> None:
        self.boto: Any = client_of(endpoint)
        self.record: list[tuple[str, object]] = []
        self._seen: dict[str, dict[str, str]] = {}
        self._suffix = f"-{secrets.token_hex(4)}"

    def close(self) -> None:
        self.boto.close()

    def name(self, short: str) -> str:
        """A name of a queue that nobody else uses."""
        stem, dot, kind = short.partition(".")
        return f"{stem}{self._suffix}{dot}{kind}"

    def make(self, short: str, **attributes: str) -> str:
        made = self.call("CreateQueue", QueueName=self.name(short), Attributes=attributes)
        assert made, self.record
        url: str = made["QueueUrl"]
        return url

    def call(self, operation: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401
        """The reply; empty after an error, which is in the record."""
        method = getattr(self.boto, _METHOD.sub("_", operation).lower())
        try:
            reply: dict[str, Any] = method(**params)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            self.record.append((operation, (status, error_code(error))))
            return {}
        kept = {name: value for name, value in reply.items() if name != "ResponseMetadata"}
        self.record.append((operation, self._plain(kept)))
        return reply

    def _plain(self, value: object, name: str = "") -> object:
        if isinstance(value, dict):
            told = {each: inner for each, inner in sorted(value.items()) if each not in _WORDING}
            if told.get("Failed") == []:  # sent along by some, left out by others
                del told["Failed"]
            return {each: self._plain(inner, each) for each, inner in told.items()}
        if isinstance(value, list):
            return [self._plain(inner, name) for inner in value]
        if not isinstance(value, str):
            return value
        if name in _SHAPES:
            assert re.fullmatch(_SHAPES[name], value), f"{name}: {value}"
        if name in _VOLATILE:
            return "…"
        if name in _NUMBERED:
            seen = self._seen.setdefault(name, {})
            return seen.setdefault(value, f"{_NUMBERED[name]} {len(seen) + 1}")
        text = value.replace(self._suffix, "")
        return re.sub(r"http://[\d.:]+/", "http://…/", text)
