"""Reads the parameters of a request: present, of the right type, within their limits.

Owns the conversion from JSON and the rules that all batches share. Knows no queue.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from coord.testing.sqs.errors import SqsError, invalid_value, missing

__all__ = ["Params", "Reply", "answer_each", "entries_of", "mapping", "names", "text", "whole"]

Params = Mapping[str, Any]
Reply = dict[str, Any]

_BATCH_MAX = 10
_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


def text(params: Params, name: str) -> str:
    """A text that must be there. Raises SqsError."""
    value = params.get(name)
    if not isinstance(value, str) or not value:
        raise missing(name)
    return value


def whole(params: Params, name: str, reason: str, *, lowest: int, highest: int) -> int | None:
    """A whole number within limits, or None if it is not there. Raises SqsError."""
    value = params.get(name)
    if value is None:
        return None
    number = int(value) if isinstance(value, int) or str(value).isdecimal() else None
    if number is None or not lowest <= number <= highest:
        raise invalid_value(value, name, reason)
    return number


def mapping(params: Params, name: str) -> Mapping[str, str]:
    """A map of texts; empty if it is not there. Raises SqsError."""
    value = params.get(name) or {}
    if not isinstance(value, dict):
        raise SqsError("SerializationException", f"{name} is not a map.")
    return value


def names(params: Params, name: str) -> list[str]:
    """A list of texts; empty if it is not there. Raises SqsError."""
    value = params.get(name) or []
    if not isinstance(value, list):
        raise SqsError("SerializationException", f"{name} is not a list.")
    return [str(item) for item in value]


def entries_of(params: Params) -> list[Params]:
    """The entries of a batch: 1 to 10, with distinct well-formed ids. Raises SqsError."""
    entries = params.get("Entries") or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise SqsError("SerializationException", "Entries is not a list of structures.")
    if not entries:
        raise SqsError("EmptyBatchRequest", "There should be at least one entry in the request.")
    if len(entries) > _BATCH_MAX:
        raise SqsError(
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {_BATCH_MAX}. "
            f"You have sent {len(entries)}.",
        )
    seen: set[str] = set()
    for entry in entries:
        name = entry.get("Id")
        if not isinstance(name, str) or not _ENTRY_ID.fullmatch(name):
            raise SqsError(
                "InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and "
                "underscores. It can be at most 80 letters long.",
            )
        if name in seen:
            raise SqsError("BatchEntryIdsNotDistinct", f"Id {name} repeated.")
        seen.add(name)
    return entries


def answer_each(entries: Iterable[Params], act: Callable[[Params], Reply]) -> Reply:
    """What a batch answers: each entry's own result or error."""
    successful: list[Reply] = []
    failed: list[Reply] = []
    for entry in entries:
        try:
            successful.append({"Id": entry["Id"], **act(entry)})
        except SqsError as error:
            failed.append(
                {
                    "Id": entry["Id"],
                    "SenderFault": error.fault == "Sender",
                    "Code": error.name,
                    "Message": error.message,
                }
            )
    return {"Successful": successful, "Failed": failed} if failed else {"Successful": successful}
