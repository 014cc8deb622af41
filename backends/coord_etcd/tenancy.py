"""Taking and letting go of claims for one session.

Owns what is tried, in which order, and what an answer means. See `claims` for the conditions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from coord.errors import StoreUnavailable
from coord.model import ClaimKey, Note
from coord.spi import Claimed, ClaimRequest, Held, Tenure
from coord_etcd import wire
from coord_etcd.claims import Written, current, write
from coord_etcd.deadline import Deadline
from coord_etcd.failures import lost
from coord_etcd.keys import Keys, lease_of
from coord_etcd.lane import Lane
from coord_etcd.records import UNREADABLE, ClaimRow, claim_value, owned_by
from coord_etcd.wire import Change, Message

__all__ = ["Seen", "Tenancy", "depose"]

_ROUNDS = 3


class Seen(NamedTuple):
    """What the store's last picture of the group says."""

    row: Callable[[ClaimKey], ClaimRow | None]
    generation: Callable[[str], int]


class Tenancy:
    """What a live session does to claims."""

    def __init__(self, lane: Lane, keys: Keys, session: str, name: str, seen: Seen) -> None:
        self._lane = lane
        self._keys = keys
        self._session = session
        self._seen = seen
        self._member = keys.member(name)
        self._written: tuple[Note | None, bytes] = (None, b"")
        self._alive = wire.on_lease(self._member, lease_of(session))

    # ----------------------------------------------------------------------------------- taking

    def claim(self, requests: Sequence[ClaimRequest], deadline: Deadline) -> list[Claimed | Held]:
        """Try to take each key; see `coord.spi.Session.claim`."""
        answers: dict[int, Claimed | Held] = {}
        tried: dict[int, Change] = {}
        pending: dict[int, Change] = {}
        for place, request in enumerate(requests):
            change = self._guess(request)
            if change is not None:
                pending[place] = change
        for _ in range(_ROUNDS):
            tried.update(pending)
            self._take(requests, pending, answers, deadline)
            open_places = [place for place in range(len(requests)) if place not in answers]
            if not open_places:
                break
            keys = {place: self._keys.claim(requests[place].key) for place in open_places}
            pending = {}
            for place, row in current(self._lane, deadline, keys).items():
                request = requests[place]
                change = self._next(request, row)
                if row is not None and _ours(row, self._session, request.seen_token):
                    answers[place] = Claimed(request.key, row.token)
                elif change is None or _same(change, tried.get(place)):
                    answers[place] = Held(request.key)
                else:
                    pending[place] = change
            if not pending:
                break
        return [answers.get(place) or Held(request.key) for place, request in enumerate(requests)]

    def _take(
        self,
        requests: Sequence[ClaimRequest],
        pending: dict[int, Change],
        answers: dict[int, Claimed | Held],
        deadline: Deadline,
    ) -> None:
        """One round: the changes of each role under the version that they were decided on."""
        by_role: dict[tuple[str, int], dict[int, Change]] = {}
        for place, change in pending.items():
            request = requests[place]
            role = (request.key.role, request.role_version)
            by_role.setdefault(role, {})[place] = change
        for (name, version), changes in by_role.items():
            condition = wire.at_revision(self._keys.role(name), version)
            written = self._write(changes, deadline, [condition])
            for place, revision in written.revisions.items():
                answers[place] = Claimed(requests[place].key, revision)

    def _guess(self, request: ClaimRequest) -> Change | None:
        """What to try first; None if a read has to come before."""
        if request.role_version <= 0:
            return None
        if not request.seen_token:
            return self._taking(request, 0, "")
        return self._next(request, self._seen.row(request.key))

    def _next(self, request: ClaimRequest, row: ClaimRow | None) -> Change | None:
        """The write that takes a claim which is in this state; None if nobody may take it so."""
        if request.role_version <= 0:
            return None
        if row is None:
            return None if request.seen_token else self._taking(request, 0, "")
        if row.token != request.seen_token or row.owner == UNREADABLE:
            return None
        return self._taking(request, row.mod_revision, row.owner)

    def _taking(self, request: ClaimRequest, revision: int, owner: str) -> Change:
        note, value = self._written
        if request.note is not note:  # most claims of a batch bear the same
            note, value = request.note, claim_value(self._session, 0, request.note)
            self._written = (note, value)
        gone = self._keys.beacon(owner) if owner else b""
        return Change(self._keys.claim(request.key), revision, value, gone)

    # ------------------------------------------------------------------------------ letting go

    def release(self, tenures: Sequence[Tenure], deadline: Deadline) -> None:
        """Free each tenure that is still ours; one of a former generation leaves nothing."""

        def freed(tenure: Tenure) -> bytes | None:
            key, token, note = tenure
            if key.generation < self._seen.generation(key.role):
                return None
            return claim_value("", token, note)

        self._settle(tenures, freed, deadline)

    def amend(self, tenures: Sequence[Tenure], deadline: Deadline) -> None:
        """Replace the note of each tenure that is still ours."""

        def amended(tenure: Tenure) -> bytes | None:
            return claim_value(self._session, tenure.token, tenure.note)

        self._settle(tenures, amended, deadline)

    def _settle(
        self,
        tenures: Sequence[Tenure],
        value: Callable[[Tenure], bytes | None],
        deadline: Deadline,
    ) -> None:
        pending = {
            place: self._change(tenure, value(tenure), self._believed(tenure))
            for place, tenure in enumerate(tenures)
        }
        for _ in range(_ROUNDS):
            if not pending:
                return
            written = self._write(pending, deadline)
            keys = {
                place: change.key
                for place, change in pending.items()
                if place not in written.revisions
            }
            if not keys:
                return
            pending = {
                place: self._change(tenures[place], value(tenures[place]), row)
                for place, row in current(self._lane, deadline, keys).items()
                if row is not None and self._holds(row, tenures[place])
            }
        if pending:
            raise StoreUnavailable(
                f"{len(pending)} claims changed as fast as they could be read",
                cure="Nothing to do: what is still ours is let go of again.",
            )

    def _believed(self, tenure: Tenure) -> ClaimRow | None:
        row = self._seen.row(tenure.key)
        return row if row is not None and self._holds(row, tenure) else None

    def _change(self, tenure: Tenure, value: bytes | None, row: ClaimRow | None) -> Change:
        """Without a row: as given, and never amended since. Then the owner has to be compared."""
        key = self._keys.claim(tenure.key)
        if row is not None:
            return Change(key, row.mod_revision, value)
        return Change(key, tenure.token, value, owned=owned_by(self._session))

    def _holds(self, row: ClaimRow, tenure: Tenure) -> bool:
        return row.owner == self._session and row.token == tenure.token

    # ---------------------------------------------------------------------------------- common

    def _write(
        self,
        changes: dict[int, Change],
        deadline: Deadline,
        conditions: Sequence[Message] = (),
    ) -> Written:
        """Write what the session may still write. Raises `SessionLost` once it may not."""
        written = write(
            self._lane,
            deadline,
            changes,
            conditions=[self._alive, *conditions],
            notice=self._keys.changes,
            otherwise=[wire.read(self._member)],
        )
        if written.refused is not None:
            found = written.refused.responses[0].response_range.kvs
            if not found or found[0].lease != lease_of(self._session):
                raise lost(self._session)
        return written


def _ours(row: ClaimRow, session: str, seen_token: int) -> bool:
    return row.owner == session and row.token >= seen_token


def _same(change: Change, tried: Change | None) -> bool:
    """Whether trying this again would be refused again: nothing has changed meanwhile."""
    return tried is not None and (change.mod_revision, change.gone) == (
        tried.mod_revision,
        tried.gone,
    )


def depose(
    lane: Lane,
    keys: Keys,
    tenure: Tenure,
    row_of: Callable[[ClaimKey], ClaimRow | None],
    deadline: Deadline,
) -> None:
    """Take one tenure away from whoever holds it, if it is still the one that is meant."""
    key = keys.claim(tenure.key)
    row = row_of(tenure.key)
    tried: Change | None = None
    for _ in range(_ROUNDS + 1):
        if row is not None and _held(row, tenure):
            change = Change(
                key,
                row.mod_revision,
                claim_value("", tenure.token, tenure.note),
                alive=keys.beacon(row.owner),
            )
            if tried is not None and change.mod_revision == tried.mod_revision:
                return  # its holder is dead: it is free as it is
            tried = change
            written = write(lane, deadline, {0: change}, conditions=(), notice=keys.changes)
            if written.revisions:
                return
        elif tried is not None:
            return
        row = current(lane, deadline, {0: key})[0]
        if row is None or not _held(row, tenure):
            return
    raise StoreUnavailable(
        f"claim {tenure.key} changed as fast as it could be read",
        cure="Nothing to do: it is tried again.",
    )


def _held(row: ClaimRow, tenure: Tenure) -> bool:
    return bool(row.owner) and row.owner != UNREADABLE and row.token == tenure.token
