"""One attempt at a key: what whoever began it may do with it.

Owns the order of one run's writes (one at a time) and the reckoning of its trust. Starts no thread:
`coord.tasks.ledger.keeper` renews.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from coord.errors import Certainty, Fenced, LeadershipLost, StoreError, UsageError
from coord.tasks.ledger.lease import Lease
from coord.tasks.ledger.pen import TRIES, Overtaken, put
from coord.tasks.ledger.records import Record, State
from coord.tasks.payloads import result_text
from coord.tasks.spi import checked_body

if TYPE_CHECKING:
    from coord.tasks.ledger.ledger import Ledger

__all__ = ["Attempt", "Finished"]


class Finished(NamedTuple):
    """The work of a key was done before, by attempt `attempt`; `result` is what it returned."""

    result: Any
    attempt: int


class Attempt:
    """The right to do the work of one key, for as long as it is renewed. Any thread.

    Guarantees: until `trusted_until_s` nobody has begun this key anew, except whoever shows a newer
    token of the same scope. `done` and `failed` take effect only if nobody has, and never touch
    the record of a later attempt, however late they come.

    Does not guarantee that the work is done once: an attempt that died after its effect and before
    `done` is followed by another.
    """

    def __init__(
        self,
        ledger: Ledger,
        key: str,
        record: Record,
        *,
        tag: str,
        lease: Lease,
        keep_s: float,
        lost: Callable[[], None] | None = None,
    ) -> None:
        self.key = key
        self._ledger = ledger
        self._record = record
        self._beat = record.beat
        self._tag = tag
        self._lease = lease
        self._keep_s = keep_s
        self._lost = lost
        self._writing = threading.Lock()
        self._over: Exception | None = None
        self._ended = False
        self._final: Record | None = None  # sent, perhaps stored: nothing else may follow it

    @property
    def number(self) -> int:
        """Which attempt at the key this is, from 1."""
        return self._record.attempt

    @property
    def run(self) -> str:
        """The random id that the record bears while it is this attempt's."""
        return self._record.run

    @property
    def lease(self) -> Lease:
        """How it stands with renewing; times on the ledger's clock."""
        return self._lease

    @property
    def trusted_until_s(self) -> float:
        """Until when nobody can have taken over, on the ledger's clock; renewing moves it on."""
        return self._lease.trusted_until_s

    @property
    def is_trusted(self) -> bool:
        """Whether the work may go on."""
        return self._over is None and not self._lease.is_over(self._ledger.clock.now())

    @property
    def is_ended(self) -> bool:
        """Whether `done` or `failed` was called, or the attempt is known to be lost."""
        return self._ended or self._over is not None

    def check(self) -> None:
        """Raise LeadershipLost once somebody else may have begun this key. Costs a clock read."""
        if not self.is_trusted:
            raise LeadershipLost(
                f"attempt {self.number} at {self.key!r} could not be renewed in time",
                cure="Stop; somebody else may be at it.",
            ) from self._over

    def renew(self) -> None:
        """Move `trusted_until_s` on, now. The ledger's keeper does it in time; one request, three
        if its reply is lost.

        Raises Fenced if somebody else has taken over (nothing was written), LeadershipLost if it
        is too late to be trusted again, and the store's errors: then `trusted_until_s` stands.
        """
        with self._writing:
            self._check_open()
            if self._final is not None:
                raise UsageError(f"attempt {self.number} at {self.key!r} was ended already")
            sent_at_s = self._ledger.clock.now()
            if self._lease.is_over(sent_at_s):
                self.check()
            record = replace(self._record, beat=self._next_beat())
            try:
                self._write(record, record.to_bytes(), tries=1)
            except StoreError:
                self._lease = self._lease.failed(self._ledger.clock.now())
                raise
            self._lease = self._lease.renewed(sent_at_s)

    def done(self, result: object = None) -> Any:  # noqa: ANN401  whatever JSON holds
        """Record that the work is done, for good; `result` (JSON) as it will be given to others.

        Also when it is late: it takes effect if nobody has begun the key since. Raises Fenced if
        somebody has (nothing was written; the effect may come twice), UsageError for a result that
        is no JSON or too large (nothing was written), and the store's errors: `UNKNOWN`, and
        whoever asks next will know. It may be repeated with the same result.
        """
        text = result_text(self.key, result)
        self._end(State.DONE, result=text)
        return json.loads(text)

    def failed(self, why: str = "") -> None:
        """Record that the work was not done; the next begin is the next attempt, at once.

        Raises as `done` does; if it is not recorded, the next begin waits for the lease.
        """
        self._end(State.FAILED, why=why[:_WHY_MOST])

    def lose(self, error: Exception) -> None:
        """Take note that it is over, and tell. Called by the keeper, which then forgets it."""
        self._over = self._over or error
        if self._lost is not None and not self._ended:
            self._lost()

    def _end(self, state: State, *, result: str = "", why: str = "") -> None:
        with self._writing:
            self._check_open()
            record = self._final or replace(
                self._record, state=state, beat=self._next_beat(), result=result, why=why
            )
            if (record.state, record.result) != (state, result):
                raise UsageError(
                    f"attempt {self.number} at {self.key!r} was ended as {record.state.value}, and "
                    "nobody knows whether that was written",
                    cure="Say the same again, or leave it: the next begin of the key will know.",
                )
            body = checked_body(self.key, record.to_bytes(), self._ledger.store.guarantees)
            self._ledger.keeper.drop(self)
            self._final = record
            try:
                self._write(record, body, tries=TRIES)
            except StoreError as error:
                if error.certainty is Certainty.NOT_APPLIED:
                    self._final = None
                raise
            self._ended = True

    def _next_beat(self) -> int:
        """A number for a writing that no other of this run has, sent or stored."""
        self._beat += 1
        return self._beat

    def _write(self, record: Record, body: bytes, *, tries: int) -> None:
        answer = put(
            self._ledger.store,
            self.key,
            record,
            body,
            expect=self._tag,
            keep_s=self._keep_s,
            tries=tries,
        )
        if isinstance(answer, Overtaken):
            self._over = _fenced(self, answer.found)
            raise self._over
        self._tag, self._record = answer, record

    def _check_open(self) -> None:
        if self._ended:
            raise UsageError(
                f"attempt {self.number} at {self.key!r} has ended already",
                cure="Call done or failed once, as the last thing.",
            )
        if isinstance(self._over, Fenced):
            raise self._over


_WHY_MOST = 500


def _fenced(attempt: Attempt, found: Record | None) -> Fenced:
    what = f"attempt {attempt.number} at {attempt.key!r}"
    if found is None:
        return Fenced(
            f"the record of {what} was removed; nothing was written",
            cure="Keep records for longer (keep_s); was the ledger wiped?",
        )
    return Fenced(
        f"attempt {found.attempt} has taken over from {what}; nothing was written",
        cure="Let the work be idempotent, or give it a longer lease_s; it ran past its lease.",
    )
