"""`Ledger`: work that is named by a key, and is not begun again once it is done.

Owns the order of steps of `begin` and `once`. Who may begin is decided in
`coord.tasks.ledger.records`; what became of a write is found out in `coord.tasks.ledger.pen`.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, NamedTuple, Self

from coord.clock import SYSTEM_CLOCK, Clock
from coord.errors import ConfigError, CoordError, Fenced, InProgress, PayloadMismatch, UsageError
from coord.tasks.ledger.attempt import Attempt, Finished
from coord.tasks.ledger.keeper import Keeper
from coord.tasks.ledger.lease import Lease, Watched
from coord.tasks.ledger.pen import Overtaken, put, record_of
from coord.tasks.ledger.records import (
    Asked,
    Begin,
    Busy,
    Done,
    Mismatch,
    Older,
    Record,
    State,
    begun,
    decide,
)
from coord.tasks.opening import open_ledger
from coord.tasks.payloads import digest
from coord.tasks.spi import Entry, LedgerStore, checked_body, checked_keep, checked_key

__all__ = ["Known", "Ledger"]

_RACES = 4
_DAY_S = 86_400.0
_MAX_DRIFT = 0.5
_INT64_MAX = 2**63 - 1


class Known(NamedTuple):
    """What the ledger knows of a key. `retry_after_s`: 0 unless it is in progress. `at`: when its
    run began, or ended, as that one's wall clock showed it, in ISO 8601; for people and schedules.
    """

    state: State
    attempt: int
    result: Any = None
    retry_after_s: float = 0.0
    scope: str = ""
    token: int = 0
    at: str = ""


class Ledger:
    """Remembers by key what was begun and what was done. Any thread; close it in the end.

    Guarantees, on every store: of all who begin a key at the same time one is given the attempt; a
    result that was recorded never changes while the record is kept; an attempt that somebody has
    taken over from can neither complete nor fail its successor's record; a key that was begun by a
    process that died is free after a lease.

    Does not guarantee: that the work of a key takes *effect* once. A run that dies between its
    effect and the recording of it is followed by another, and one that runs past its lease may
    run beside it. Where effect and record can share a transaction, use `SqlOnce` or `DynamoDBOnce`.

    `lease_s`: after how long silence a run may be taken over; it is renewed each third of it, for
    `renew_for_s` at most. `keep_s`: for how long a record is remembered, at least. `drift` bounds
    how much faster one machine's clock runs than another's. `clock` is this machine's.
    """

    def __init__(
        self,
        store: LedgerStore,
        *,
        lease_s: float = 30.0,
        renew_for_s: float = 3600.0,
        keep_s: float = 7 * _DAY_S,
        drift: float = 0.002,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        if not 0 <= drift < _MAX_DRIFT:
            raise ConfigError(f"drift is {drift}", cure=f"It must be in [0, {_MAX_DRIFT}).")
        self.store = store
        self.clock = clock
        self.keeper = Keeper(clock)
        self._lease_s = _checked_lease(lease_s)
        self._renew_for_s = renew_for_s
        self._keep_s = _checked_kept(keep_s, lease_s)
        self._drift = drift
        self._lock = threading.Lock()
        self._watched = Watched()
        self._by = f"{socket.gethostname()}:{os.getpid()}"

    @classmethod
    def open(
        cls,
        url: str,
        *,
        lease_s: float = 30.0,
        renew_for_s: float = 3600.0,
        keep_s: float = 7 * _DAY_S,
        timeout_s: float = 1.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> Self:
        """A ledger on the store that `url` names; `timeout_s` bounds each request to it.

        Raises ConfigError and MissingExtra for what cannot be opened.
        """
        store = open_ledger(url, clock=clock, timeout_s=timeout_s)
        try:
            return cls(store, lease_s=lease_s, renew_for_s=renew_for_s, keep_s=keep_s, clock=clock)
        except BaseException:
            store.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop renewing and close the store; attempts that are open end with their leases."""
        self.keeper.close(timeout_s=1.0)
        self.store.close()

    # -------------------------------------------------------------------------------- the work

    def once(
        self,
        key: str,
        fn: Callable[..., Any],
        *args: Any,  # noqa: ANN401  whatever `fn` takes
        payload: object = None,
        scope: str = "",
        token: int = 0,
        lease_s: float | None = None,
        renew_for_s: float | None = None,
        keep_s: float | None = None,
    ) -> Any:  # noqa: ANN401  whatever JSON holds
        """Call `fn(*args)` unless that was done under `key`; its result, as JSON gives it back.

        Raises what `begin` does. What `fn` raises goes through, and is recorded as a failure: the
        next caller begins at once. A result that cannot be recorded (no JSON, too large) raises
        UsageError and counts as a failure, though `fn` has run. After Fenced, or a store's error
        that comes after `fn`, the effect is there and the record may not be.
        """
        found = self.begin(
            key,
            payload=payload,
            scope=scope,
            token=token,
            lease_s=lease_s,
            renew_for_s=renew_for_s,
            keep_s=keep_s,
        )
        if isinstance(found, Finished):
            return found.result
        try:
            result = fn(*args)
        except BaseException as error:
            _record_failure(found, error)
            raise
        try:
            return found.done(result)
        except UsageError as error:
            _record_failure(found, error)
            raise

    def begin(
        self,
        key: str,
        *,
        payload: object = None,
        scope: str = "",
        token: int = 0,
        lease_s: float | None = None,
        renew_for_s: float | None = None,
        keep_s: float | None = None,
        lost: Callable[[], None] | None = None,
    ) -> Attempt | Finished:
        """The right to do the work of `key`, or what came of it before. Two requests.

        `payload` (JSON or bytes) is compared with that of earlier uses of the key. `scope` and
        `token` say what gives us the right: a term's key and token, a message's id and receive
        count; a larger token of the same scope takes over at once. `lost` is called, in the thread
        that renews, as soon as the attempt cannot be trusted any more.

        Raises InProgress (ask again after `retry_after_s`), PayloadMismatch, Fenced (a newer token
        of the scope was here), ConfigError and UsageError for arguments, and the store's errors:
        after one that says `UNKNOWN` the key may be in progress for a lease without anybody.
        """
        checked_key(key)
        kept_s = self._keep_s if keep_s is None else keep_s
        asked = Asked(
            lease_s=self._lease_s if lease_s is None else _checked_lease(lease_s),
            scope=scope,
            token=_checked_token(token),
            payload=digest(payload),
        )
        _checked_kept(kept_s, asked.lease_s)
        for _ in range(_RACES):
            entry = self.store.read([key]).get(key)
            attempt = self._decided(key, record_of(key, entry), asked)
            if isinstance(attempt, Finished):
                return attempt
            record = begun(asked, attempt, run=secrets.token_hex(8), at=_wall(), by=self._by)
            body = checked_body(key, record.to_bytes(), self.store.guarantees)
            sent_at_s = self.clock.now()
            tag = put(
                self.store, key, record, body, expect=entry.tag if entry else None, keep_s=kept_s
            )
            if not isinstance(tag, Overtaken):
                for_s = self._renew_for_s if renew_for_s is None else renew_for_s
                lease = Lease(sent_at_s, asked.lease_s, self._drift, sent_at_s + for_s)
                made = Attempt(self, key, record, tag=tag, lease=lease, keep_s=kept_s, lost=lost)
                try:
                    self.keeper.add(made)
                except RuntimeError as error:  # no thread is to be had: it could not be renewed
                    _record_failure(made, error)
                    raise
                return made
        raise InProgress(
            f"{key!r} was begun by others {_RACES} times while we tried",
            retry_after_s=asked.lease_s,
            cure="Ask again later.",
        )

    def look(self, keys: Sequence[str]) -> dict[str, Known]:
        """What is known of those keys that have a record; begins nothing, and counts as watching.

        Raises the store's errors.
        """
        entries = self.store.read([checked_key(key) for key in keys])
        replied_s = self.clock.now()
        return {key: self._known(key, entry, replied_s) for key, entry in entries.items()}

    # ------------------------------------------------------------------------------- machinery

    def _decided(self, key: str, record: Record | None, asked: Asked) -> int | Finished:
        """The number of the attempt that may be begun, or what was done; else it raises."""
        unmoved_s = self._unmoved_s(key, record, self.clock.now())
        decision = decide(record, asked, unmoved_s=unmoved_s, drift=self._drift)
        match decision:
            case Begin(attempt):
                return attempt
            case Done(done):
                return Finished(_loaded(done), done.attempt)
            case Busy(busy, retry_after_s):
                raise InProgress(
                    f"attempt {busy.attempt} at {key!r} is in progress ({busy.by}, since "
                    f"{busy.at})",
                    retry_after_s=retry_after_s,
                    cure=f"Ask again in {retry_after_s:.1f} s; it is taken over if it has not "
                    "moved by then.",
                )
            case Mismatch(other):
                raise PayloadMismatch(
                    f"{key!r} was used for another payload (attempt {other.attempt}, {other.at})",
                    cure="Put what differs into the key, or send the same payload.",
                )
            case Older(newer):
                raise Fenced(
                    f"{key!r} refuses token {asked.token} of {asked.scope!r}: token "
                    f"{newer.token} has begun it already; nothing was begun",
                    cure="Somebody else leads, or has the message, now. Stop.",
                )

    def _unmoved_s(self, key: str, record: Record | None, replied_s: float) -> float:
        with self._lock:
            if record is None or record.state is not State.IN_PROGRESS:
                self._watched.forget(key)
                return 0.0
            return self._watched.unmoved_s(key, record, replied_s)

    def _known(self, key: str, entry: Entry, replied_s: float) -> Known:
        record = Record.from_bytes(key, entry.body)
        unmoved_s = self._unmoved_s(key, record, replied_s)
        left_s = 0.0
        if record.state is State.IN_PROGRESS:
            left_s = max(0.0, record.lease_s * (1 + self._drift) - unmoved_s)
        return Known(
            record.state,
            record.attempt,
            _loaded(record),
            left_s,
            record.scope,
            record.token,
            record.at,
        )


def _loaded(record: Record) -> Any:  # noqa: ANN401  whatever JSON holds
    return json.loads(record.result) if record.result else None


def _record_failure(attempt: Attempt, error: BaseException) -> None:
    """So that the next begin need not wait; if that fails, it waits for the lease."""
    try:
        attempt.failed(f"{type(error).__name__}: {error}")
    except CoordError as failure:
        error.add_note(f"and this failure is not in the ledger: {failure}")


def _checked_lease(lease_s: float) -> float:
    if not 0 < lease_s < float("inf"):
        raise ConfigError(f"a lease of {lease_s} s", cure="lease_s is a number above 0.")
    return lease_s


def _checked_kept(keep_s: float, lease_s: float) -> float:
    if checked_keep(keep_s) < 2 * lease_s:
        raise ConfigError(
            f"records are kept for {keep_s:g} s, with leases of {lease_s:g} s",
            cure="keep_s is at least twice lease_s, or a record may go while its run is at work.",
        )
    return keep_s


def _checked_token(token: int) -> int:
    if not 0 <= token <= _INT64_MAX:
        raise ConfigError(f"a token of {token}", cure="Tokens are 64-bit integers, 0 or more.")
    return token


def _wall() -> str:
    """To the microsecond: whether a tick was due before or after is asked of it."""
    return datetime.now(tz=UTC).isoformat(timespec="microseconds")
