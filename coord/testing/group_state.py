"""One group of the memory store as a state machine: the contract of `coord.spi`, spelled out.

Owns the rules: who lives, who holds what, which token comes next, what a view shows. Every
method takes the moment at which its request lands; nothing here reads a clock, locks, wakes
anybody, or draws lots. Rules and their reasons:

- A session that ended is deleted and its id is never given out again, so whatever lands for it
  later finds nothing (promise 3; `conformance/sessions.py`, `ambiguity.py`).
- Tokens come from one counter for all keys of all groups, so they grow within each key and from
  generation to generation, whatever is released or forgotten in between (promise 2;
  `conformance/tokens.py`).
- A claim of another generation than the role record's is refused even when everything else
  fits: it would put a larger token on an older generation (promise 2;
  `test_a_claim_of_another_generation_than_the_records_is_refused`).
- Whatever takes a tenure away compares the token: a delayed request must not hit a later tenure
  (promise 6; the `a_stale_…` checks of `conformance/exclusion.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import count
from types import MappingProxyType
from typing import Generic, TypeVar

from coord.errors import DuplicateMember, SessionLost, StoreConflict, UsageError
from coord.model import Claim, ClaimKey, LiveMember, MemberRecord, Note, RoleRecord, View
from coord.spi import BeaconSeen, Claimed, ClaimRequest, Held, Observed, Tenure

__all__ = ["GroupState", "Manner", "Rules"]

K = TypeVar("K")
V = TypeVar("V")


class Manner(Enum):
    """How sessions expire."""

    PROVEN = "proven"  # readers share the store's clock; a peer evicts, and is refused too early
    OBSERVED = "observed"  # no moment is known; a peer's patience is the proof
    SERVER = "server"  # the store ends expired sessions by itself


@dataclass(slots=True, kw_only=True)
class Rules:
    """What all groups of one server share. The two delays may be changed while it runs."""

    manner: Manner = Manner.PROVEN
    min_ttl_s: float = 0.0
    lag_s: float = 0.0  # how much of each renewal the store forgets
    expiry_late_s: float = 0.0  # how much later than promised a session may end
    serial: count[int] = field(default_factory=lambda: count(1))  # session ids and tokens


class Shelf(Generic[K, V]):
    """A dict whose frozen picture is shared until the next change, which then costs one copy."""

    __slots__ = ("_items", "_picture")

    def __init__(self) -> None:
        self._items: dict[K, V] = {}
        self._picture: Mapping[K, V] | None = None

    def picture(self) -> Mapping[K, V]:
        if self._picture is None:
            self._picture = MappingProxyType(self._items)
        return self._picture

    def get(self, key: K) -> V | None:
        return self._items.get(key)

    def __getitem__(self, key: K) -> V:
        return self._items[key]

    def put(self, key: K, value: V) -> None:
        if self._picture is not None:
            self._unshare()
        self._items[key] = value

    def drop(self, key: K) -> None:
        if self._picture is not None:
            self._unshare()
        del self._items[key]

    def _unshare(self) -> None:
        self._items = self._items.copy()
        self._picture = None


@dataclass(slots=True)
class _Row:
    """What is kept of a live session beside what a view shows of it."""

    deadline_s: float
    beacon: bytes
    keys: set[ClaimKey]


class GroupState:
    """The state of one group. Not thread-safe: `MemoryServer` locks around each call."""

    def __init__(self, name: str, rules: Rules) -> None:
        self.name = name
        self.revision = 0
        self._rules = rules
        self._sweeps = rules.manner is Manner.SERVER
        self._tells = rules.manner is Manner.PROVEN
        self._rows: dict[str, _Row] = {}
        self._names: dict[str, str] = {}
        self._members: Shelf[str, LiveMember] = Shelf()
        self._claims: Shelf[ClaimKey, Claim] = Shelf()
        self._roles: Shelf[str, RoleRecord] = Shelf()
        self._views: dict[bool, tuple[Mapping[str, LiveMember], View]] = {}
        self._due_s = float("inf")  # no session ends before this moment

    # ------------------------------------------------------------------------------- sessions

    def open(self, now_s: float, record: MemberRecord, ttl_s: float) -> tuple[str, float]:
        """Make a member live; returns the session's id and the granted ttl."""
        self.sweep(now_s)
        sitting = self._names.get(record.name)
        if sitting is not None:
            self._give_way(now_s, sitting, record)
        session = f"{record.name}.{next(self._rules.serial)}"
        granted_s = max(ttl_s, self._rules.min_ttl_s)
        self._rows[session] = _Row(now_s, b"", set())
        self._names[record.name] = session
        self._members.put(
            session, LiveMember(session=session, record=record, ttl_s=granted_s, seq=0)
        )
        self._renew(now_s, session, 0)
        self.revision += 1
        return session, granted_s

    def _give_way(self, now_s: float, sitting: str, record: MemberRecord) -> None:
        other = self._members[sitting]
        if other.record.incarnation != record.incarnation and not self._is_dead(now_s, sitting):
            raise DuplicateMember(
                f"member {record.name!r} is live in group {self.name!r} with another incarnation",
                session=sitting,
                cure="Give each process its own member name, or wait for the old one to expire.",
            )
        self._end(sitting)

    def heartbeat(self, now_s: float, session: str, beacon: bytes) -> None:
        """Renew, and publish the beacon. Not a change: the revision stays."""
        self._alive(now_s, session)
        self._rows[session].beacon = beacon
        self._renew(now_s, session, self._members[session].seq + 1)

    def _renew(self, now_s: float, session: str, seq: int) -> None:
        member, rules = self._members[session], self._rules
        late_s = rules.expiry_late_s - rules.lag_s
        deadline_s = now_s + member.ttl_s + late_s
        self._rows[session].deadline_s = deadline_s
        hint_s = deadline_s if self._tells else None
        newer = LiveMember(  # in full: `replace` takes longer than all else in a heartbeat
            session=session,
            record=member.record,
            ttl_s=member.ttl_s,
            seq=seq,
            expires_at_s=hint_s,
            gone=member.gone,
            seen_at_s=member.seen_at_s,
        )
        self._members.put(session, newer)
        self._due_s = min(self._due_s, deadline_s)

    def update(self, now_s: float, session: str, record: MemberRecord) -> None:
        """Replace a member's record."""
        self._alive(now_s, session)
        member = self._members[session]
        known = member.record
        if (record.name, record.incarnation) != (known.name, known.incarnation):
            raise UsageError(
                f"session {session!r} is {known.name!r} and cannot become {record.name!r}",
                cure="Keep name and incarnation; open another session for another member.",
            )
        if record != known:
            self._members.put(session, replace(member, record=record))
            self.revision += 1

    def close(self, now_s: float, session: str) -> None:
        """End a session by its own wish; no error if it is over already."""
        self.sweep(now_s)
        if session in self._rows:
            self._end(session)

    def evict(self, now_s: float, observed: Observed) -> bool:
        """End a session for a peer, if it has not moved since and is dead as far as we can tell."""
        self.sweep(now_s)
        if observed.session not in self._rows:
            return True
        if self._members[observed.session].seq != observed.seq:
            return False
        if self._rules.manner is not Manner.OBSERVED and not self._is_dead(now_s, observed.session):
            return False
        self._end(observed.session)
        return True

    def mark_gone(self, session: str) -> None:
        """Its process is provably dead, as a store on the same machine may see. Not a change."""
        if session in self._rows and self._tells:
            self._members.put(session, replace(self._members[session], gone=True))

    def sweep(self, now_s: float) -> None:
        """Where the store itself ends expired sessions, end those that are due by now."""
        if not self._sweeps or now_s < self._due_s:
            return
        for session in [sid for sid, row in self._rows.items() if row.deadline_s <= now_s]:
            self._end(session)
        self._due_s = min((row.deadline_s for row in self._rows.values()), default=float("inf"))

    def next_expiry_s(self) -> float:
        """The earliest moment at which a session can be dead; infinity without sessions."""
        return min((row.deadline_s for row in self._rows.values()), default=float("inf"))

    def _end(self, session: str) -> None:
        for key in self._rows[session].keys:
            claim = self._claims[key]
            self._free(claim, replace(claim.note, clean=False))
        del self._names[self._members[session].record.name]
        del self._rows[session]
        self._members.drop(session)
        self.revision += 1

    def _is_dead(self, now_s: float, session: str) -> bool:
        """Whether the end of a session is proven. Patience alone (OBSERVED) proves nothing here."""
        if self._rules.manner is Manner.OBSERVED:
            return False
        return self._members[session].gone or self._rows[session].deadline_s <= now_s

    def _alive(self, now_s: float, session: str) -> None:
        self.sweep(now_s)
        if session not in self._rows:
            raise SessionLost(
                f"session {session!r} is over", cure="Open a new session; it starts with nothing."
            )

    def forget(self) -> None:
        """Delete everything, as an operator might; ids, tokens and the revision go on growing."""
        self._rows = {}
        self._names = {}
        self._members = Shelf()
        self._claims = Shelf()
        self._roles = Shelf()
        self.revision += 1

    # --------------------------------------------------------------------------------- claims

    def claim(
        self, now_s: float, session: str, requests: tuple[ClaimRequest, ...]
    ) -> list[Claimed | Held]:
        """Give each key or refuse it, by itself, in order."""
        self._alive(now_s, session)
        return [self._claim_one(session, request) for request in requests]

    def _claim_one(self, session: str, request: ClaimRequest) -> Claimed | Held:
        key, seen_token, role_version, note = request
        claim = self._claims.get(key)
        if claim is not None and claim.session == session and claim.token >= seen_token:
            return Claimed(key, claim.token)  # an answer that got lost; the record may have moved
        role = self._roles.get(key.role)
        if role is None or role.version != role_version or role.generation != key.generation:
            return Held(key)
        if claim is not None and claim.session is not None:
            return Held(key)
        if seen_token != (0 if claim is None else claim.token):
            return Held(key)
        token = next(self._rules.serial)
        self._claims.put(key, Claim(key, token, session, note))
        self._rows[session].keys.add(key)
        self.revision += 1
        return Claimed(key, token)

    def release(self, now_s: float, session: str, tenures: tuple[Tenure, ...]) -> None:
        """Free each tenure that is still this session's under its token."""
        self._alive(now_s, session)
        for tenure in tenures:
            claim = self._claims.get(tenure.key)
            if claim is not None and (claim.session, claim.token) == (session, tenure.token):
                self._rows[session].keys.discard(tenure.key)
                self._free(claim, tenure.note)

    def amend(self, now_s: float, session: str, tenures: tuple[Tenure, ...]) -> None:
        """Replace the note of each tenure that is still this session's under its token."""
        self._alive(now_s, session)
        for tenure in tenures:
            claim = self._claims.get(tenure.key)
            if claim is None or (claim.session, claim.token) != (session, tenure.token):
                continue
            if claim.note != tenure.note:
                self._claims.put(tenure.key, replace(claim, note=tenure.note))
                self.revision += 1

    def depose(self, now_s: float, tenure: Tenure) -> bool:
        """Take one tenure away from its holder, if it is still the one that is meant."""
        self.sweep(now_s)
        claim = self._claims.get(tenure.key)
        if claim is not None and claim.session is not None and claim.token == tenure.token:
            self._rows[claim.session].keys.discard(tenure.key)
            self._free(claim, tenure.note)
        return True

    def _free(self, claim: Claim, note: Note) -> None:
        role = self._roles.get(claim.key.role)
        if role is not None and claim.key.generation < role.generation:
            self._claims.drop(claim.key)
        else:
            self._claims.put(claim.key, replace(claim, session=None, note=note))
        self.revision += 1

    # ---------------------------------------------------------------------- records and views

    def put_role(self, now_s: float, record: RoleRecord) -> RoleRecord:
        """Write a role record if the stored one has the version that was read."""
        self.sweep(now_s)
        known = self._roles.get(record.name)
        version = 0 if known is None else known.version
        if record.version != version:
            raise StoreConflict(
                f"role {record.name!r} is at version {version}, not {record.version}",
                cure="Read the view again and decide anew.",
            )
        stored = replace(record, version=next(self._rules.serial))
        self._roles.put(record.name, stored)
        if known is not None and known.generation < stored.generation:
            self._drop_older(stored)
        self.revision += 1
        return stored

    def _drop_older(self, role: RoleRecord) -> None:
        for key, claim in list(self._claims.picture().items()):
            older = key.role == role.name and key.generation < role.generation
            if older and claim.session is None:
                self._claims.drop(key)

    def holding(self, now_s: float, key: ClaimKey) -> tuple[Claim | None, LiveMember | None]:
        """A claim and its live holder, without the cost of a whole view. For judges."""
        self.sweep(now_s)
        claim = self._claims.get(key)
        if claim is None or claim.session is None:
            return claim, None
        return claim, self._members.get(claim.session)

    def beacons(self, now_s: float) -> Mapping[str, BeaconSeen]:
        """The latest beacon of each live session."""
        self.sweep(now_s)
        members = self._members.picture()
        return {sid: BeaconSeen(members[sid].seq, row.beacon) for sid, row in self._rows.items()}

    def view(self, now_s: float, *, hints: bool) -> View:
        """The group as it is. `hints`: whether the reader shares the clock of expiry hints."""
        self.sweep(now_s)
        picture = self._members.picture()
        known = self._views.get(hints)
        if known is not None and known[1].revision == self.revision:
            if known[0] is picture:
                return known[1]
            newer = known[1].with_members(picture if hints else _without_hints(picture))
        else:
            newer = View(
                group=self.name,
                revision=self.revision,
                members=picture if hints else _without_hints(picture),
                claims=self._claims.picture(),
                roles=self._roles.picture(),
            )
        self._views[hints] = (picture, newer)
        return newer


def _without_hints(members: Mapping[str, LiveMember]) -> Mapping[str, LiveMember]:
    return MappingProxyType(
        {sid: replace(member, expires_at_s=None) for sid, member in members.items()}
    )
