"""What a member's latest transactions did to claims, so that readers need not read all claims.

Owns the form of the log in a member's item (`items.py`, attribute `lg`). Makes no request. The log
is written in the same transaction as the claims and the counter `k`, so it is right whenever it is
seen. It is complete above `since`: a reader that knows everything up to `k = since` or later learns
the rest from it, and any other reader reads all claims.

How changes of several members are put in order: a larger token is newer, and under one token a
claim that was let go of is never held again. So `newer` decides without clocks, whatever comes
first, and applying a change twice is harmless (`test_changes_come_to_the_same_in_any_order`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from coord.model import ClaimKey
from coord_dynamodb.items import Stored

__all__ = ["LOG_BYTES", "Change", "Log", "all_changes_in", "changes_in", "log_of", "newer"]

LOG_BYTES = 4096
"""What a log may weigh: every poll reads it while it is there, and every transaction writes it.

The latest transaction is always in it, whatever it weighs. Else a reader that sees its counter
might neither learn nor read what it did: Amazon shows the items of a transaction one by one to a
query, and those of claims may come last (`snapshot.py`).
"""

_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError)


class Change(NamedTuple):
    """What became of one claim."""

    key: ClaimKey
    stored: Stored


class Log(NamedTuple):
    """A log as its writer keeps it: `entries` are texts, one for each transaction after `since`."""

    since: int
    entries: tuple[str, ...] = ()

    def with_entry(self, number: int, changes: Sequence[Change], most: int | None = None) -> Log:
        """The log after transaction `number`; what is oldest is left out while it is longer than
        `most` bytes (`LOG_BYTES`).
        """
        entries = [*self.entries, _entry(number, changes)]
        since = self.since
        most = most or LOG_BYTES
        while len(entries) > 1 and sum(map(len, entries)) + len(entries) > most:
            since = int(json.loads(entries.pop(0))[0])
        return Log(since, tuple(entries))

    def text(self) -> str:
        """As it is stored."""
        return f'{{"s":{self.since},"e":[{",".join(self.entries)}]}}'


def changes_in(log: str, *, known: int, upto: int) -> list[Change] | None:
    """What the transactions after `known` up to `upto` did; None if the log does not tell."""
    if known == upto:
        return []
    try:
        raw = json.loads(log)
        entries = [entry for entry in raw["e"] if entry[0] > known]
        if int(raw["s"]) > known or not entries or entries[-1][0] != upto:
            return None
        return [change for entry in entries for row in entry[1] for change in _changes(row)]
    except _UNREADABLE:
        return None


def all_changes_in(log: str) -> list[Change]:
    """All that a log tells, which is nothing if it cannot be read."""
    try:
        return [c for entry in json.loads(log)["e"] for row in entry[1] for c in _changes(row)]
    except _UNREADABLE:
        return []


def log_of(stored: str, *, upto: int) -> Log:
    """A stored log, to go on with; an empty one if it does not tell what was done up to `upto`."""
    try:
        raw = json.loads(stored)
        if raw["e"][-1][0] == upto:
            return Log(int(raw["s"]), tuple(_text(entry) for entry in raw["e"]))
    except _UNREADABLE:
        pass
    return Log(upto)


def newer(found: Stored, known: Stored | None) -> bool:
    """Whether `found` is to replace what is known of the same claim."""
    if known is None or found.token != known.token:
        return known is None or found.token > known.token
    return known.owner is not None and found != known


def _entry(number: int, changes: Iterable[Change]) -> str:
    """Keys that have role, generation, owner and note in common are one row; tokens are told by
    their distance from the row's first.
    """
    rows: dict[tuple[str, int, str, str], list[ClaimKey]] = {}
    tokens: dict[ClaimKey, int] = {}
    for key, stored in changes:
        place = (key.role, key.generation, stored.owner or "", stored.note)
        rows.setdefault(place, []).append(key)
        tokens[key] = stored.token
    out = []
    for place, keys in rows.items():
        base = tokens[keys[0]]
        out.append([*place, base, [[key.shard, key.seat, tokens[key] - base] for key in keys]])
    return _text([number, out])


def _text(entry: object) -> str:
    return json.dumps(entry, separators=(",", ":"))


def _changes(row: Sequence[Any]) -> Iterable[Change]:
    role, generation, owner, note, base, keys = row[:6]
    for shard, seat, distance in keys:
        key = ClaimKey(role, generation, shard, seat)
        yield Change(key, Stored(base + distance, owner or None, note))
