"""What the ledger remembers of a key, and who may begin: the pure rules.

Owns the record, its text, and the one decision of `begin`. Reads no clock, sends nothing, draws no
lots: records, what was asked, and durations go in, a decision comes out.

When may a key that is in progress be begun anew? Only when its run cannot trust itself any more:

- **Its token is older than ours, in the same scope.** The election, or the queue, has ended the
  tenure that the run stood on before it gave us ours. At once. An older token than the record's
  is refused (`test_a_larger_token_of_the_scope_takes_over_at_once`).
- **It has been seen unmoved for `lease_s × (1 + drift)`,** on one clock, since the *reply* that
  first showed it. Its run stamped its deadline, `lease_s × (1 − drift)`, before it *sent* what we
  saw (`coord.tasks.ledger.lease`), so that deadline is over. Wall clocks, which others set, decide
  nothing, and stores need no clock at all: one rule on all of them. The price: who never looked
  must wait for a lease (`test_nobody_takes_over_before_a_whole_lease_was_observed`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from coord.errors import StoreRefused
from coord.tasks.payloads import result_text

__all__ = [
    "Asked",
    "Begin",
    "Busy",
    "Decision",
    "Done",
    "Mismatch",
    "Older",
    "Record",
    "State",
    "begun",
    "decide",
]

_ABSENT = object()
_COMPACT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_LEAST_WAIT_S = 0.001
"""Or whoever waits as told may be a rounding error too early, for ever."""


class State(Enum):
    """How far the work of a key has come."""

    IN_PROGRESS = "in-progress"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is stored under a key.

    `attempt` grows with every begin of the key, `beat` with every write of one `run` (a random
    id), so (run, beat) names a writing. `result` is JSON; `payload` a digest; `why` what failed;
    `at` (wall clock) and `by` are for people.
    """

    state: State
    attempt: int
    run: str
    beat: int
    lease_s: float
    scope: str = ""
    token: int = 0
    payload: str = ""
    result: str = ""
    why: str = ""
    at: str = ""
    by: str = ""

    @property
    def mark(self) -> tuple[str, int]:
        """Which writing this is: it differs from all others, of whatever run."""
        return (self.run, self.beat)

    def to_bytes(self) -> bytes:
        """The record as it is stored."""
        fields: dict[str, Any] = {
            "state": self.state.value,
            "attempt": self.attempt,
            "run": self.run,
            "beat": self.beat,
            "lease_s": self.lease_s,
        }
        for name in ("scope", "token", "payload", "why", "at", "by"):
            value = getattr(self, name)
            if value:
                fields[name] = value
        text = _COMPACT(fields)
        if self.result:  # it is JSON already
            text = f'{text[:-1]},"result":{self.result}}}'
        return text.encode()

    @classmethod
    def from_bytes(cls, key: str, body: bytes) -> Record:
        """The record that was stored. Raises StoreRefused for what this release cannot read: to
        take it for nothing would begin work that may be done.
        """
        try:
            fields: Mapping[str, Any] = json.loads(body)
            result = fields.get("result", _ABSENT)
            return cls(
                state=State(fields["state"]),
                attempt=int(fields["attempt"]),
                run=str(fields["run"]),
                beat=int(fields["beat"]),
                lease_s=float(fields["lease_s"]),
                scope=str(fields.get("scope", "")),
                token=int(fields.get("token", 0)),
                payload=str(fields.get("payload", "")),
                result="" if result is _ABSENT else result_text(key, result),
                why=str(fields.get("why", "")),
                at=str(fields.get("at", "")),
                by=str(fields.get("by", "")),
            )
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise StoreRefused(
                f"the ledger's record of {key!r} cannot be read ({error})",
                cure="A newer release of coord may have written it: run one release everywhere. "
                "Keys of the ledger are not for other programs.",
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a caller of `begin` brings. `payload` empty: it is not compared."""

    lease_s: float
    scope: str = ""
    token: int = 0
    payload: str = ""


class Begin(NamedTuple):
    """The key is to be had: write the record of this attempt."""

    attempt: int


class Done(NamedTuple):
    """The work was done before."""

    record: Record


class Busy(NamedTuple):
    """Another run may be under way, and can be taken over in `retry_after_s` if it is not."""

    record: Record
    retry_after_s: float


class Mismatch(NamedTuple):
    """The key was used for another payload."""

    record: Record


class Older(NamedTuple):
    """A newer tenure of the same scope has been here."""

    record: Record


Decision = Begin | Done | Busy | Mismatch | Older


def decide(
    record: Record | None, asked: Asked, *, unmoved_s: float = 0.0, drift: float
) -> Decision:
    """What comes of a `begin`.

    `unmoved_s` is for how long this very writing has been seen, on the caller's clock. `drift`
    bounds how much faster one machine's clock runs than another's.

    | record | asked | |
    |---|---|---|
    | none, or failed | | begin |
    | done | the same payload, or one of both has none | done |
    | done or in progress | another payload | mismatch |
    | in progress or failed | the same scope, an older token | older |
    | in progress | the same scope, a newer token | begin |
    | in progress | seen unmoved for a lease | begin |
    | in progress | otherwise | busy |
    """
    if record is None:
        return Begin(1)
    again = Begin(record.attempt + 1)
    mine = bool(asked.scope) and asked.scope == record.scope
    if record.state is not State.DONE and mine and asked.token < record.token:
        return Older(record)
    if record.state is State.FAILED:
        return again
    if asked.payload and record.payload and asked.payload != record.payload:
        return Mismatch(record)
    if record.state is State.DONE:
        return Done(record)
    if mine and asked.token > record.token:
        return again
    left_s = record.lease_s * (1 + drift) - unmoved_s
    return again if left_s <= 0 else Busy(record, max(left_s, _LEAST_WAIT_S))


def begun(asked: Asked, attempt: int, *, run: str, at: str, by: str) -> Record:
    """The record of an attempt that begins."""
    return Record(
        state=State.IN_PROGRESS,
        attempt=attempt,
        run=run,
        beat=0,
        lease_s=asked.lease_s,
        scope=asked.scope,
        token=asked.token,
        payload=asked.payload,
        at=at,
        by=by,
    )
