"""What a whole fleet may spend: so many acts an hour, whoever leads.

Owns the record of a budget and the rule by which it is spent. The rule is pure; `Budgets` reads and
writes. A leader that decides badly is stopped by an empty budget before it has used up what it acts
on, and its successor does not begin with a full one.

- Spent is what was granted within the last hour, in any hour, not in each hour of the clock. Grants
  are kept by the minute and count until the end of theirs, an hour later: never for too short.
- The time is the wall clock's, never earlier than the last one written: no clock that is set back
  frees anything. One that leaps ahead frees what was spent before; that is a stated non-guarantee.
  It does not stop the budget for as long as it was ahead: a record that we have seen unmoved for an
  hour, on our own boot clock, is older than that
  (`test_a_clock_that_leapt_ahead_stops_no_budget_for_longer_than_an_hour`).
- Each grant is written, conditional on what was read, before it is given: a crash between spends
  without an act, never the reverse, and of two who read the same one must read again.
- A write of which nobody knows whether it was done is read back. Our mark there: it is granted.
  Else it is sent again, on what stands there now. So what is asked for once may be counted twice
  (others have written over our mark meanwhile), and what is granted is counted always
  (`test_whatever_becomes_of_requests_nothing_is_granted_that_is_not_counted`).
- Who stands on an older token of its scope than the record has seen gets nothing: a deposed leader
  cannot spend its successor's budget. So many scopes are remembered (`_MOST_SCOPES`), those that
  spent last. Whoever has no scope (the run of a message, of which there are too many to remember)
  is not fenced (`test_messages_make_no_leaders_token_forgotten`).
"""

from __future__ import annotations

import json
import random
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from typing import NamedTuple

from coord.clock import SYSTEM_CLOCK, Clock
from coord.errors import (
    BudgetSpent,
    Certainty,
    ConfigError,
    Fenced,
    StoreConflict,
    StoreError,
    StoreRefused,
    StoreUnavailable,
)
from coord.tasks.spi import Entry, LedgerStore

__all__ = ["Budgets", "Spender"]

_HOUR_S = 3600
_MINUTE_S = 60
_KEEP_S = 14 * 86_400.0
_UNMOVED_S = 1.01 * _HOUR_S  # clocks of one machine run no more apart than this allows for
_TRIES = 20
_DOUBTS = 2  # so often, at most, is one asking counted
_PAUSE_S = 0.005
_MOST_PAUSE_S = 0.25
_MOST_SCOPES = 512


class Spender(NamedTuple):
    """Whose right to act a grant rests on: a term's key and token; without a scope, nobody's."""

    scope: str = ""
    token: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a budget's record holds: grants by minute, and the newest token of each scope.

    `mark` is random, and another with each writing.
    """

    minutes: Mapping[int, int] = field(default_factory=dict)
    tokens: Mapping[str, int] = field(default_factory=dict)
    at_s: float = 0.0
    mark: str = ""

    def to_bytes(self) -> bytes:
        """As it is stored."""
        minutes = {str(minute): amount for minute, amount in self.minutes.items()}
        fields: dict[str, object] = {"minutes": minutes, "tokens": dict(self.tokens)}
        fields |= {"at": self.at_s, "mark": self.mark}
        return json.dumps(fields, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, name: str, body: bytes) -> Spent:
        """What was stored. `StoreRefused` if it cannot be read: nothing is granted on a guess."""
        try:
            fields = json.loads(body)
            return cls(
                minutes={int(minute): int(n) for minute, n in fields["minutes"].items()},
                tokens={str(scope): int(token) for scope, token in fields["tokens"].items()},
                at_s=float(fields["at"]),
                mark=str(fields.get("mark", "")),
            )
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise StoreRefused(
                f"the record of budget {name!r} cannot be read ({error})",
                cure="Run one release of coord everywhere; keys of the ledger are coord's own.",
            ) from error


def spent(
    record: Spent, name: str, who: Spender, *, per_hour: int, amount: int, now_s: float
) -> Spent:
    """The record with `amount` more in it. Raises `BudgetSpent` and `Fenced`. Pure."""
    newest = record.tokens.get(who.scope, 0)
    if who.token < newest:
        raise Fenced(
            f"budget {name!r} refuses token {who.token} of {who.scope!r}: token {newest} has spent "
            "from it already",
            cure="Somebody else leads now. Stop.",
        )
    now_s = max(now_s, record.at_s)
    minute = int(now_s // _MINUTE_S)
    kept = {m: n for m, n in record.minutes.items() if _free_s(m) > now_s}
    if sum(kept.values()) + amount > per_hour:
        raise _refusal(kept, name, per_hour=per_hour, amount=amount, now_s=now_s)
    kept[minute] = kept.get(minute, 0) + amount
    tokens = {**record.tokens}
    if who.scope:
        tokens.pop(who.scope, None)
        tokens[who.scope] = who.token  # the newest scopes stand last, and the oldest are forgotten
    while len(tokens) > _MOST_SCOPES:
        del tokens[next(iter(tokens))]
    return Spent(minutes=kept, tokens=tokens, at_s=now_s)


def _free_s(minute: int) -> float:
    """When what was granted in a minute counts no more."""
    return (minute + 1) * _MINUTE_S + _HOUR_S


def _refusal(
    kept: Mapping[int, int], name: str, *, per_hour: int, amount: int, now_s: float
) -> BudgetSpent:
    total, needed = sum(kept.values()), amount
    free_s = now_s
    for minute in sorted(kept):
        if total + needed <= per_hour:
            break
        total -= kept[minute]
        free_s = _free_s(minute)
    wait_s = free_s - now_s
    return BudgetSpent(
        f"budget {name!r}: {sum(kept.values())} of {per_hour} an hour are spent, and {amount} more "
        f"{'was' if amount == 1 else 'were'} asked for",
        retry_after_s=wait_s,
        cure=f"Some of it is back in {ceil(wait_s / _MINUTE_S)} min. Look at what has spent it "
        "before raising it.",
    )


class Budgets:
    """The budgets of one ledger. Any thread."""

    def __init__(
        self,
        store: LedgerStore,
        *,
        wall: Callable[[], float] = time.time,  # noqa: TID251
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._store = store
        self._wall = wall
        self._clock = clock
        self._seen: dict[str, tuple[str, float]] = {}

    def spend(self, name: str, who: Spender, *, per_hour: int, amount: int = 1) -> None:
        """Take `amount`. Raises `BudgetSpent`, `Fenced`, and the store's errors.

        Returns only if it is counted. After an error of certainty `UNKNOWN` it may be counted all
        the same; it is not given back.
        """
        _check(name, per_hour=per_hour, amount=amount)
        key, mark, doubts = f"budget/{name}", secrets.token_hex(8), list[StoreError]()
        for attempt in range(_TRIES):
            entry, record = self._read(name, key, doubts)
            if doubts and record.mark == mark:
                return
            if len(doubts) >= _DOUBTS:
                break
            record = spent(record, name, who, per_hour=per_hour, amount=amount, now_s=self._wall())
            body = replace(record, mark=mark).to_bytes()
            try:
                tag = None if entry is None else entry.tag
                self._store.write(key, body, expect=tag, keep_s=_KEEP_S)
            except StoreConflict:
                time.sleep(random.uniform(0, min(_MOST_PAUSE_S, _PAUSE_S * 2.0**attempt)))
            except StoreError as error:
                if error.certainty is Certainty.UNKNOWN:
                    doubts.append(error)
                elif doubts:
                    raise _doubtful(name, error) from error
                else:
                    raise
            else:
                return
        if doubts:
            raise _doubtful(name, doubts[-1]) from doubts[-1]
        raise StoreConflict(
            f"budget {name!r} was spent by others {_TRIES} times while we tried",
            cure="Ask again; or give each shard a budget of its own.",
        )

    def _read(self, name: str, key: str, doubts: list[StoreError]) -> tuple[Entry | None, Spent]:
        """What is spent. If it cannot be read, what was sent before remains in doubt."""
        try:
            entry = self._store.read([key]).get(key)
        except StoreError as error:
            if not doubts:
                raise
            raise _doubtful(name, error) from error
        if entry is None:
            return None, Spent()
        record = Spent.from_bytes(name, entry.body)
        if self._unmoved_s(name, entry.tag) >= _UNMOVED_S:
            record = Spent(tokens=record.tokens, mark=record.mark)
        return entry, record

    def _unmoved_s(self, name: str, tag: str) -> float:
        """For how long this writing of the record has been seen, on the boot clock."""
        now_s = self._clock.now()
        seen_tag, since_s = self._seen.get(name, ("", now_s))
        if seen_tag != tag:
            self._seen[name] = (tag, now_s)
            return 0.0
        return now_s - since_s


def _doubtful(name: str, error: StoreError) -> StoreUnavailable:
    return StoreUnavailable(
        f"nothing was granted of budget {name!r}, and nobody knows whether it was counted: {error}",
        cure="Do not act. Ask again: in the worst case one act is counted twice.",
        certainty=Certainty.UNKNOWN,
    )


def _check(name: str, *, per_hour: int, amount: int) -> None:
    if not isinstance(per_hour, int) or per_hour < 1:
        raise ConfigError(f"budget {name!r}: per_hour is {per_hour!r}", cure="It is 1 or more.")
    if not isinstance(amount, int) or not 1 <= amount <= per_hour:
        raise ConfigError(
            f"budget {name!r}: {amount!r} of {per_hour} an hour",
            cure="The amount is a whole number from 1 to per_hour.",
        )
