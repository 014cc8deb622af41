"""The fields of `coord.events/1`: one table for those who write the log and those who read it.

Owns names, types and choices. Does no I/O and gives the fields no meaning: what they mean stands in
`docs/events.md`, and a test keeps that page and this table together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["COMMON", "KINDS", "SCHEMA", "Field", "fault_in"]

SCHEMA = "coord.events/1"


@dataclass(frozen=True, slots=True)
class Field:
    """What a field may hold. `kind` is "number", "count", "text", "flag" or "texts"."""

    kind: str
    required: bool = True
    nullable: bool = False
    choices: frozenset[str] = frozenset()


_TEXT = Field("text")
_COUNT = Field("count")
_NUMBER = Field("number")
_FLAG = Field("flag")
_TEXTS = Field("texts")


def _optional(kind: str) -> Field:
    return Field(kind, required=False)


def _one_of(*choices: str) -> Field:
    return Field("text", choices=frozenset(choices))


COMMON: Mapping[str, Field] = {"t": _NUMBER, "kind": _TEXT, "member": _TEXT, "pid": _COUNT}

_SCOPE = {"role": _TEXT, "generation": _COUNT, "shard": _COUNT, "seat": _COUNT, "token": _COUNT}

KINDS: Mapping[str, Mapping[str, Field]] = {
    "log": {"schema": _TEXT, "boot": _TEXT},
    "member": {"state": _one_of("start", "stop")},
    "role": {
        "role": _TEXT,
        "generation": _COUNT,
        "shards": _COUNT,
        "seats": _COUNT,
        "queue": _optional("flag"),
    },
    "belief": {
        **_SCOPE,
        "state": _one_of("lead", "extend", "end"),
        "until": Field("number", required=False, nullable=True),
        "asked": _optional("number"),
        "why": _optional("text"),
    },
    "trust": {"until": Field("number", nullable=True)},
    "act": {
        **_SCOPE,
        "resource": _TEXT,
        "fenced": _FLAG,
        "accepted": _FLAG,
        "start": _optional("number"),
        "seq": _optional("count"),
        "units": _optional("texts"),
        "error": _optional("text"),
    },
    "progress": {**_SCOPE},
    "backlog": {
        "role": _TEXT,
        "shard": _COUNT,
        "units": _TEXTS,
        "seat": _optional("count"),
    },
    "rpc": {
        "op": _TEXT,
        "start": _NUMBER,
        "end": _NUMBER,
        "ok": _FLAG,
        "certainty": Field("text", required=False, nullable=True),
        "requests": _optional("count"),
    },
    "fault": {"fault": _TEXT, "id": _TEXT, "phase": _one_of("begin", "effect", "end")},
    "round": {
        "number": _COUNT,
        "mode": _TEXT,
        "fault": _TEXT,
        "state": _one_of("start", "end"),
    },
    "note": {"what": _TEXT, "detail": _TEXT},
}


def fault_in(record: Mapping[str, Any]) -> str | None:
    """What is wrong with one record, or None. Fields that the table does not know are allowed."""
    kind = record.get("kind")
    fields = KINDS.get(kind) if isinstance(kind, str) else None
    if fields is None:
        return f"kind is {kind!r}"
    for name, field in {**COMMON, **fields}.items():
        if name not in record:
            if field.required:
                return f"{name} is missing"
            continue
        value = record[name]
        if value is None and field.nullable:
            continue
        if not _fits(field, value):
            return f"{name} is {value!r}"
    return None


def _fits(field: Field, value: object) -> bool:
    match field.kind:
        case "flag":
            return isinstance(value, bool)
        case "count":
            return type(value) is int and value >= 0
        case "number":
            return type(value) in {int, float}
        case "texts":
            return isinstance(value, list) and all(isinstance(one, str) for one in value)
        case _:
            return isinstance(value, str) and (not field.choices or value in field.choices)
