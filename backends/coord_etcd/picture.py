"""A group as its keys say, kept up to date key by key, and the views of it.

Owns the tables and what of them a view shows. Sends nothing; used under the lock of whoever reads.
Costs: a change costs what it changes; the next view copies the mapping that it touched, and shares
the others with the view before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Protocol

from coord.codec import key_of, note_of, role_of
from coord.model import Claim, ClaimKey, LiveMember, RoleRecord, View
from coord_etcd import wire
from coord_etcd.keys import CLAIM, MEMBER, ROLE, Keys
from coord_etcd.records import UNREADABLE, ClaimRow, KeyValue, claim_row, live_member, unclean

__all__ = ["Event", "Picture"]


_key_of = lru_cache(maxsize=1 << 16)(key_of)


class Event(Protocol):
    """etcd's own message: a key that changed, at its revision, or was deleted."""

    kv: KeyValue
    type: int


class Picture:
    """One group. `revision` is up to which all changes of the group are in it, as far as they are
    coord's; `seen` up to which they are in it whosever they are (`views` says why these differ).
    """

    def __init__(self, keys: Keys, cluster_id: int, revision: int, kvs: Iterable[KeyValue]) -> None:
        self.cluster_id = cluster_id
        self.revision = self.seen = revision
        self._keys = keys
        self._members: dict[str, LiveMember] = {}
        self._rows: dict[ClaimKey, ClaimRow] = {}
        self._roles: dict[str, RoleRecord] = {}
        self._claims: dict[ClaimKey, Claim] = {}
        self._live: set[str] = set()
        self._changed = {CLAIM, MEMBER, ROLE}
        self._view = View(group="", revision=0)
        self._changed_at = revision
        claims = []
        for kv in kvs:
            kind, rest = keys.parts(kv.key)
            if kind == CLAIM:
                claims.append((rest, kv))
            else:
                self._put(kind, rest, kv)
        for rest, kv in claims:  # they show differently with their holders and roles known
            self._put(CLAIM, rest, kv)

    @property
    def live(self) -> AbstractSet[str]:
        """The sessions that live."""
        return self._live

    def row(self, key: ClaimKey) -> ClaimRow | None:
        """A claim as stored."""
        return self._rows.get(key)

    def generation(self, role: str) -> int:
        """The role's generation; 0 if there is no record."""
        record = self._roles.get(role)
        return 0 if record is None else record.generation

    def apply(self, events: Iterable[Event], complete_to: int) -> None:
        """Take in what changed after `seen`, in order; with it all is there up to `complete_to`."""
        for event in events:
            kv = event.kv
            revision = kv.mod_revision
            if revision <= self.seen:
                continue
            kind, rest = self._keys.parts(kv.key)
            gone = event.type == wire.DELETE
            changed = self._drop(kind, rest) if gone else self._put(kind, rest, kv)
            if changed:
                self._changed_at = revision
        self.seen = max(self.seen, complete_to)
        self.reached(self.seen)

    def reached(self, revision: int) -> None:
        """All that coord has written up to there is in it."""
        self.revision = max(self.revision, revision)

    def view(self, group: str, beats: Mapping[str, int]) -> View:
        """The group as it is, with these heartbeats; the same object if nothing has changed."""
        old = self._view
        changed, self._changed = self._changed, set()
        beaten = self._beat(beats)
        if changed:
            self._view = View(
                group=group,
                revision=self._changed_at,
                members=self._shown() if beaten or MEMBER in changed else old.members,
                claims=MappingProxyType(dict(self._claims)) if CLAIM in changed else old.claims,
                roles=MappingProxyType(dict(self._roles)) if ROLE in changed else old.roles,
            )
        elif beaten:
            self._view = old.with_members(self._shown())
        return self._view

    def _beat(self, beats: Mapping[str, int]) -> bool:
        """Take in the numbers of heartbeats; whether any has grown."""
        beaten = False
        for name, member in self._members.items():
            seq = beats.get(member.session, 0)
            if seq > member.seq:
                self._members[name] = replace(member, seq=seq)
                beaten = True
        return beaten

    def _shown(self) -> Mapping[str, LiveMember]:
        return MappingProxyType({member.session: member for member in self._members.values()})

    # ---------------------------------------------------------------------------------- changes

    def _put(self, kind: bytes, rest: str, kv: KeyValue) -> bool:
        if kind == CLAIM:
            key = _key_of(rest)
            if key is None:
                return False
            self._rows[key] = claim_row(kv)
            self._show(key)
        elif kind == MEMBER and kv.lease:  # without one, it was put there by hand
            self._come(rest, live_member(kv, rest))
        elif kind == ROLE:
            return self._put_role(rest, kv)
        else:
            return False
        self._changed.add(kind)
        return True

    def _drop(self, kind: bytes, rest: str) -> bool:
        if kind == CLAIM:
            key = _key_of(rest)
            if key is None or self._rows.pop(key, None) is None:
                return False
            self._claims.pop(key, None)
        elif kind == MEMBER and rest in self._members:
            self._leave(self._members.pop(rest).session)
        elif kind == ROLE and rest in self._roles:
            del self._roles[rest]
        else:
            return False
        self._changed.add(kind)
        return True

    def _come(self, name: str, member: LiveMember) -> None:
        before = self._members.get(name)
        if before is not None and before.session == member.session:
            member = replace(member, seq=before.seq)
        elif before is not None:
            self._leave(before.session)
        self._members[name] = member
        if member.session not in self._live:
            self._live.add(member.session)
            self._show_all_of(member.session)

    def _leave(self, session: str) -> None:
        """Its beacon went with it, so whatever it held is free."""
        self._live.discard(session)
        self._show_all_of(session)

    def _show_all_of(self, session: str) -> None:
        held = [key for key, row in self._rows.items() if row.owner == session]
        for key in held:
            self._show(key)
        if held:
            self._changed.add(CLAIM)

    def _put_role(self, name: str, kv: KeyValue) -> bool:
        record = role_of(kv.value, kv.mod_revision)
        before = self.generation(name)
        if record is None:
            self._roles.pop(name, None)
        else:
            self._roles[name] = record
        if self.generation(name) != before:
            for key in [key for key in self._rows if key.role == name]:
                self._show(key)
            self._changed.add(CLAIM)
        self._changed.add(ROLE)
        return True

    def _show(self, key: ClaimKey) -> None:
        """Put a claim where views look: held by the living only; free ones of now only."""
        row = self._rows[key]
        if row.owner in self._live:
            self._claims[key] = Claim(key, row.token, row.owner, note_of(row.note))
        elif key.generation < self.generation(key.role):
            self._claims.pop(key, None)
        elif row.owner and row.owner != UNREADABLE:
            self._claims[key] = Claim(key, row.token, None, unclean(row.note))
        else:
            self._claims[key] = Claim(key, row.token, None, note_of(row.note))
