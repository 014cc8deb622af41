"""A live member's session: the one write that renews it, and what hangs on it.

Owns the session's number of heartbeats and the lock around its transactions. The rules of claiming
are in `claims`, those of living and dying in `life`, those of its transactions in `pen`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from coord.clock import Clock
from coord.errors import Certainty, CoordError, SessionLost, StoreUnavailable, UsageError
from coord.model import MemberRecord
from coord.spi import Claimed, ClaimRequest, Held, Proof, Tenure
from coord_dynamodb import life
from coord_dynamodb.claims import Taking, let_go
from coord_dynamodb.cutting import Limit
from coord_dynamodb.group import Group
from coord_dynamodb.link import Deadline
from coord_dynamodb.pen import Pen, lost
from coord_dynamodb.snapshot import Snapshots

__all__ = ["DynamoDBSession"]


class DynamoDBSession:
    """Implements `coord.spi.Session`. `heartbeat` has a client of its own and takes no lock, so it
    waits for no other request of this process.
    """

    def __init__(
        self,
        pen: Pen,
        pulse: Group,
        *,
        clock: Clock,
        limit: Limit,
        batch_size: int,
        record: MemberRecord,
        opened: Proof,
        snapshots: Snapshots,
    ) -> None:
        self._pen = pen
        self._pulse = pulse
        self._clock = clock
        self._limit = limit
        self._batch_size = batch_size
        self._record = record
        self._opened = opened
        self._snapshots = snapshots
        self._lock = threading.Lock()
        self._seq = 0
        self._version = 0
        self._wrote_at_s: float | None = None
        self._wary = False
        self._over = False
        self._closing = False

    @property
    def id(self) -> str:
        """Random, never reused."""
        return self._pen.session

    @property
    def ttl_s(self) -> float:
        """The granted ttl: the asked one."""
        return self._opened.ttl_s

    @property
    def opened(self) -> Proof:
        """The proof that opening gave."""
        return self._opened

    @property
    def lives(self) -> bool:
        """Whether it may still renew: neither lost nor asked to close."""
        return not (self._over or self._closing)

    def heartbeat(self, beacon: bytes) -> Proof:
        """Renew, and publish `beacon`: one write unit, unless the beacon is long.

        The proof counts from before the first try was sent: a peer that saw the number that this
        heartbeat wrote cannot have seen it earlier. Raises `SessionLost` (not applied),
        `StoreUnavailable`, `StoreRefused`.
        """
        self._check()
        self._seq += 1
        sent_at_s = self._clock.now()
        try:
            deadline = self._pulse.link.deadline()
            life.renew(self._pulse, self.id, self._seq, beacon, deadline)
        except SessionLost:
            self._over = True
            raise
        return Proof(sent_at_s=sent_at_s, ttl_s=self.ttl_s)

    def claim(self, requests: Sequence[ClaimRequest]) -> list[Claimed | Held]:
        """Try to take each key, in as few transactions as the server allows, each key by itself."""
        self._check_size(requests)
        if not requests:
            return []
        with self._writing() as deadline:
            group = self._pen.group.name
            known = self._snapshots
            dead = [known.dead_owner(group, ask.key, ask.seen_token) for ask in requests]
            taking = Taking(self._pen, self._limit, known, deadline, wary=self._wary)
            try:
                return taking.run(requests, dead)
            finally:
                self._wary = taking.lost

    def release(self, tenures: Sequence[Tenure]) -> None:
        """Let go of each tenure that is still ours under its token."""
        self._leave(tenures, keep=False)

    def amend(self, tenures: Sequence[Tenure]) -> None:
        """Replace the note of each tenure that is still ours under its token."""
        self._leave(tenures, keep=True)

    def update(self, record: MemberRecord) -> None:
        """Replace this member's record. Raises UsageError for another member's."""
        if (record.name, record.incarnation) != (self._record.name, self._record.incarnation):
            raise UsageError(
                f"session {self.id!r} is {self._record.name!r} and cannot become {record.name!r}",
                cure="Keep name and incarnation; open another session for another member.",
            )
        with self._writing() as deadline:
            self._version += 1
            life.update(self._pen.group, self.id, self._version, record, deadline)
            self._record = record

    def close(self) -> None:
        """End the session: one transaction, whatever it holds, which becomes free, unclean.

        Once asked for, no heartbeat follows, whatever the answer: a session that nobody uses any
        more must not live on (`test_no_heartbeat_follows_a_close_that_failed`). After an error
        `close` may be called again.
        """
        if self._over:
            return
        self._closing = True
        deadline = self._pen.group.link.deadline()
        with self._locked(deadline):
            life.end(self._pen.group, self.id, self._record.name, deadline)
            self._over = True

    def tidy(self, quiet_s: float) -> None:
        """Take away the log of our last transactions after `quiet_s` without one. Never waits."""
        wrote_at_s = self._wrote_at_s
        if self._over or wrote_at_s is None or self._clock.now() - wrote_at_s < quiet_s:
            return
        if self._lock.acquire(blocking=False):
            try:
                self._wrote_at_s = None
                with suppress(CoordError):
                    self._pen.shorten(self._pen.group.link.deadline())
            finally:
                self._lock.release()

    def abandon(self) -> None:
        """Leave the session to expire."""
        self._over = True

    def _leave(self, tenures: Sequence[Tenure], *, keep: bool) -> None:
        self._check_size(tenures)
        if not tenures:
            return
        with self._writing() as deadline:
            let_go(self._pen, tenures, self._limit, deadline, keep=keep)

    @contextmanager
    def _writing(self) -> Iterator[Deadline]:
        """One at a time, and only while the session lives as far as we know."""
        self._check()
        deadline = self._pen.group.link.deadline()
        with self._locked(deadline):
            self._check()
            try:
                yield deadline
            except SessionLost:
                self._over = True
                raise
            finally:
                self._wrote_at_s = self._clock.now()

    @contextmanager
    def _locked(self, deadline: Deadline) -> Iterator[None]:
        if not self._lock.acquire(timeout=deadline.left_s):
            raise StoreUnavailable(
                f"another thread has been writing for session {self.id!r} all the time",
                cure="Claim and release from one thread.",
                certainty=Certainty.NOT_APPLIED,
            )
        try:
            yield
        finally:
            self._lock.release()

    def _check(self) -> None:
        if not self.lives:
            raise lost(self.id)

    def _check_size(self, items: Sequence[object]) -> None:
        if len(items) > self._batch_size:
            raise UsageError(
                f"a batch of {len(items)}", cure=f"Send at most {self._batch_size} keys a request."
            )
