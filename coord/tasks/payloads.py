"""What is remembered of payloads and results: JSON texts and digests. Pure.

Owns both, for the ledger and for what shares a transaction with its records, in backends too.
"""

from __future__ import annotations

import hashlib
import json

from coord.errors import UsageError

__all__ = ["digest", "result_text"]

# Made once: json.dumps would make an encoder for every call with settings of its own.
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode
_COMPACT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def digest(payload: object) -> str:
    """What is remembered of a payload: equal JSON gives equal digests, whatever its order of
    names. Empty for None. Raises UsageError for what is no JSON.
    """
    if payload is None:
        return ""
    if isinstance(payload, bytes):
        return hashlib.sha256(payload).hexdigest()
    try:
        text = _CANONICAL(payload)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"a payload that is no JSON ({error})",
            cure="Give what names the request: text, bytes, numbers, lists and dicts of them.",
        ) from error
    return hashlib.sha256(text.encode()).hexdigest()


def result_text(key: str, result: object) -> str:
    """A result as it is stored. Raises UsageError for what is no JSON."""
    try:
        return _COMPACT(result)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"the result for {key!r} is no JSON ({error}): nothing was written",
            cure="Return text, numbers, lists and dicts of them, or None.",
        ) from error
