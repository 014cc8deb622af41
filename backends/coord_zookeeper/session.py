"""A live member's session, as the contract has it.

Owns the heartbeat and the member's record. How sessions begin is in `opening`, what they hold in
`claims`, their connection in `pulse`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from coord.errors import CoordError, SessionLost, StoreUnavailable, UsageError
from coord.model import MemberRecord
from coord.spi import Claimed, ClaimRequest, Held, Proof, Tenure
from coord_zookeeper.claims import Claims, lost
from coord_zookeeper.deadline import Deadline
from coord_zookeeper.failures import refused
from coord_zookeeper.group import Group
from coord_zookeeper.layout import BeaconName
from coord_zookeeper.lookout import Lookout
from coord_zookeeper.nodes import member_data, session_data
from coord_zookeeper.pulse import Pulse
from coord_zookeeper.requests import (
    NO_NODE,
    Op,
    Refused,
    check,
    create,
    delete,
    refusal,
    set_data,
)

__all__ = ["ZooKeeperSession", "batch_size"]

T = TypeVar("T")

_BATCH_LEAST, _BATCH_MOST = 50, 500
_CLAIM_S = 0.0003
_SHARE = 0.2


def batch_size(timeout_s: float) -> int:
    """How many claims fit one call, with four fifths of its time to spare for a busy machine."""
    return max(_BATCH_LEAST, min(_BATCH_MOST, int(timeout_s * _SHARE / _CLAIM_S)))


class ZooKeeperSession:
    """Implements `coord.spi.Session`. Any thread, one of them for heartbeats."""

    def __init__(
        self,
        *,
        sid: str,
        group: Group,
        pulse: Pulse,
        opened: Proof,
        record: MemberRecord,
        lookout: Lookout,
        timeout_s: float,
    ) -> None:
        self._id = sid
        self._group = group
        self._pulse = pulse
        self._opened = opened
        self._record = record
        self._lookout = lookout
        self._timeout_s = timeout_s
        self._claims = Claims(sid, group)
        self._alive = check(group.layout.session(sid))
        self._seq = 0
        self._beacons = [str(BeaconName.made(sid, 0, b""))]
        self._closed = False

    @property
    def id(self) -> str:
        """ZooKeeper's number of the session, and a random part: never reused."""
        return self._id

    @property
    def ttl_s(self) -> float:
        """The granted ttl."""
        return self._opened.ttl_s

    @property
    def opened(self) -> Proof:
        """The proof that opening gave: its ttl counts from the asking for a connection."""
        return self._opened

    @property
    def lives(self) -> bool:
        """Whether it may still renew: neither lost nor given up."""
        return not self._pulse.over.is_set()

    def heartbeat(self, beacon: bytes) -> Proof:
        """Renew, and publish `beacon`: one transaction, whatever the session holds.

        A node in place of the one before it, so that one listing shows all beacons and all
        heartbeat numbers; the number is in the session's own node too, for peers that look out
        (`eviction`). After a heartbeat of unknown fate, whichever is there is removed. Where
        somebody else has removed it, or the directory, the session ends: nothing is sent twice
        (`test_a_heartbeat_whose_directory_was_deleted_ends_the_session`).
        """
        self._check()
        deadline = Deadline(self._timeout_s)
        self._seq += 1
        path = f"{self._group.layout.beacons}/"
        name = str(BeaconName.made(self._id, self._seq, beacon))
        sure = len(self._beacons) == 1
        moved = set_data(self._group.layout.session(self._id), session_data(self._seq))
        ops = [moved, create(path + name, b"", self._group.acl, ephemeral=True)]
        ops += [delete(path + old) for old in self._beacons if sure]
        old, self._beacons = self._beacons, [*self._beacons, name]
        sent_s = self._pulse.beat()
        found = self._commit(ops, deadline)
        if found is not None:
            self._beacons = old
            if found.code == NO_NODE:
                raise self._end()
            raise refused(found.code, self._pulse.link.where)
        if not sure:
            for stray in old:
                self._pulse.link.send([delete(path + stray)])
        self._beacons = [name]
        return self._pulse.proof(sent_s)

    def claim(self, requests: Sequence[ClaimRequest]) -> list[Claimed | Held]:
        """Try to take each key, by itself."""
        self._check()
        return self._claims.claim(self._batch(requests), Deadline(self._timeout_s))

    def release(self, tenures: Sequence[Tenure]) -> None:
        """Let go of each tenure that is still ours under its token."""
        self._check()
        self._claims.release(self._batch(tenures), Deadline(self._timeout_s))

    def amend(self, tenures: Sequence[Tenure]) -> None:
        """Replace the note of each tenure that is still ours under its token."""
        self._check()
        self._claims.amend(self._batch(tenures), Deadline(self._timeout_s))

    def update(self, record: MemberRecord) -> None:
        """Replace this member's record."""
        self._check()
        known = self._record
        if (record.name, record.incarnation) != (known.name, known.incarnation):
            raise UsageError(
                f"session {self._id} is {known.name!r} and cannot become {record.name!r}",
                cure="Keep name and incarnation; open another session for another member.",
            )
        if record == known:
            return
        layout = self._group.layout
        ops = [
            self._alive,
            set_data(f"{layout.members}/{record.name}", member_data(self._id, self.ttl_s, record)),
            set_data(layout.members, b""),
            layout.ring(),
        ]
        found = self._commit(ops, Deadline(self._timeout_s))
        if found is not None:
            if found.code == NO_NODE:
                raise self._end()
            raise refused(found.code, self._pulse.link.where)
        self._record = record

    def close(self) -> None:
        """End the session; what it held becomes free, unclean. Idempotent.

        Whatever the answer, nothing renews it afterwards. After an error `close` may be called
        again, and is then no error: the session ends with its ttl.
        """
        if self._closed:
            return
        self._closed = True
        deadline = Deadline(self._timeout_s)
        try:
            if self.lives:
                layout = self._group.layout
                mine = (layout.session(self._id), f"{layout.members}/{self._record.name}")
                found = self._commit([delete(path) for path in mine], deadline)
                if found is not None and found.code != NO_NODE:
                    raise refused(found.code, self._pulse.link.where)
        except SessionLost:
            return
        finally:
            self._over(deadline, farewell=True)

    def abandon(self) -> None:
        """Stop renewing, and leave the session to expire."""
        self._closed = True
        self._over(Deadline(self._timeout_s), farewell=False)

    def _commit(self, ops: list[Op], deadline: Deadline) -> Refused | None:
        """One transaction on the session's own connection; why it was refused, if it was."""
        try:
            return refusal(self._pulse.link.commit(ops, deadline))
        except StoreUnavailable:
            self._check()  # ZooKeeper may have said why: the session is over
            raise

    def _check(self) -> None:
        if self._pulse.over.is_set():
            raise lost(self._id)

    def _end(self) -> CoordError:
        """Somebody has ended it: take no further part."""
        self._over(Deadline(self._timeout_s), farewell=True)
        return lost(self._id)

    def _over(self, deadline: Deadline, *, farewell: bool) -> None:
        """Stop all that runs for it."""
        self._group.lookouts.pop(self._id, None)
        self._pulse.end(deadline, farewell=farewell)
        self._lookout.end(deadline)

    def _batch(self, items: Sequence[T]) -> tuple[T, ...]:
        most = batch_size(self._timeout_s)
        if len(items) > most:
            raise UsageError(
                f"a batch of {len(items)}", cure=f"Send at most {most} keys a request."
            )
        return tuple(items)
