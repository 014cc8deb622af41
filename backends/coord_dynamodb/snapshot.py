"""Views: what is read, in which order, and why nothing that was acknowledged can be missing.

Owns one cached view per group. Decides nothing. In the quiet it costs one query over members, roles
and sessions, whatever is claimed (`test_a_view_of_a_quiet_group_is_one_query_and_one_object`).

Why a view is strong though claims are mostly not read. Each write of claims raises the counter `k`
of its member's item in the same transaction (a deposal: that of the item `n#`). A view begins by
reading these items strongly. So if a claim was acknowledged before the view was asked for, its
counter is seen raised, and what the counter stands for is known from the log in the same item, or
from our own memory of what we wrote, or is read: all claims, strongly, after the counters. Then the
next view may hear of it once more, which changes nothing (`changes.newer`).

Amazon promises that a query sees each item as it was written, not all items of a transaction at one
moment. So until a transaction is acknowledged, its counter may show raised while its claims read as
before: reading the claims alone would count it as known and never see it. So whoever reads claims
takes in all logs that show, besides: each has what the latest transaction did, in the item that has
its counter (`test_a_claim_that_shows_after_its_counter_is_in_the_view`). A transaction whose entry
has left the log was acknowledged before, or nobody counts on it yet.

And what was read can be wrong all the same: somebody has edited the table. A claim that is refused
shows what is stored, and what a view says otherwise is put right
(`test_what_a_refusal_shows_puts_the_view_right`).

Who holds a claim is its owner, if that session lives. An owner that no listing shows is dead only
if the listing was read after the claim: a session may have begun in between
(`test_an_owner_that_began_after_the_listing_is_not_taken_for_dead`). So an unknown owner takes
another listing; once it is known to be dead it stays so.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from types import MappingProxyType
from typing import NamedTuple

from coord.codec import member_of, note_of, role_of
from coord.errors import Certainty, StoreUnavailable
from coord.model import Claim, ClaimKey, LiveMember, View
from coord.sightings import Sighting
from coord_dynamodb.changes import Change, all_changes_in, changes_in, newer
from coord_dynamodb.group import Group
from coord_dynamodb.items import (
    MemberItem,
    RecordItem,
    Stored,
    record_of,
    record_sk,
)
from coord_dynamodb.link import Deadline
from coord_dynamodb.listing import Listing, Mark, listing
from coord_dynamodb.own import OwnChanges
from coord_dynamodb.scan import Scan
from coord_dynamodb.sightings import GroupSightings

__all__ = ["Snapshots"]

_LISTINGS = 4


@dataclass(slots=True)
class _Known:
    """What was read of one group. Mappings that a view has are never changed in place."""

    view: View
    mark: Mark | None = None
    live: frozenset[str] = frozenset()
    upto: dict[str, int] = field(default_factory=dict)  # by member: its `k` that is taken in
    rest: int = 0
    stored: dict[ClaimKey, Stored] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)  # owners of claims that are known to be dead
    unknown: set[str] = field(default_factory=set)  # owners that no listing has shown yet
    touched: set[ClaimKey] | None = None  # what differs from the view; None: perhaps all
    records: dict[str, RecordItem] = field(default_factory=dict)  # by member
    scan: Scan | None = None  # one that was begun and not ended
    refused: deque[_Refused] = field(default_factory=deque)  # any thread adds to it
    whole: bool = False  # whether the view lacks nobody who was beginning while it was read


class _Refused(NamedTuple):
    key: ClaimKey
    token: int  # that was believed to be the last, 0: none
    found: Stored | None


class Snapshots:
    """Reads views, one at a time; any thread."""

    def __init__(self, own: OwnChanges, sightings: GroupSightings) -> None:
        self._own = own
        self._sightings = sightings
        self._lock = threading.Lock()
        self._groups: dict[str, _Known] = {}

    def view(self, group: Group) -> View:
        """The group as it is now. The same object as long as nothing has changed."""
        deadline = group.link.deadline()
        if not self._lock.acquire(timeout=deadline.left_s):
            raise StoreUnavailable(
                f"another thread has been reading group {group.name} for "
                f"{group.link.timeout_s:g} s",
                cure="Read with one thread, or raise the ttl, from which timeouts follow.",
                certainty=Certainty.NOT_APPLIED,
            )
        try:
            known = self._groups.get(group.name) or _Known(View(group=group.name, revision=0))
            self._groups[group.name] = known
            _Reading(group, known, self._own, self._sightings, deadline).run()
            return known.view
        finally:
            self._lock.release()

    def dead_owner(self, group: str, key: ClaimKey, token: int) -> str | None:
        """A dead session that may still own `key` under `token`, as far as we know."""
        known = self._groups.get(group)
        stored = known.stored.get(key) if known is not None else None
        if known is None or stored is None or stored.token != token:
            return None
        return stored.owner if stored.owner in known.dead else None

    def refused(self, group: str, key: ClaimKey, token: int, found: Stored | None) -> None:
        """A claim of `key` under `token` was refused, and `found` is what is there. Any thread."""
        known = self._groups.get(group)
        if known is not None:
            known.refused.append(_Refused(key, token, found))

    def eldest(self, group: str) -> str | None:
        """The smallest id among the sessions that live, as far as we know."""
        known = self._groups.get(group)
        return min(known.live, default=None) if known is not None else None

    def stale(self, group: str, most: int) -> list[tuple[ClaimKey, Stored]]:
        """Free claims of generations that are closed: nobody can ever claim them again."""
        with self._lock:
            known = self._groups.get(group)
            if known is None:
                return []
            closed = {name: role.generation for name, role in known.view.roles.items()}
            stale = (
                (key, stored)
                for key, stored in known.stored.items()
                if key.generation < closed.get(key.role, 0)
                and (stored.owner is None or stored.owner in known.dead)
            )
            return list(islice(stale, most))

    def forget_stale(self, group: str, keys: list[ClaimKey]) -> None:
        """These items have been deleted."""
        with self._lock:
            known = self._groups.get(group)
            if known is not None:
                for key in keys:
                    known.stored.pop(key, None)


class _Reading:
    """One view call."""

    def __init__(
        self,
        group: Group,
        known: _Known,
        own: OwnChanges,
        sightings: GroupSightings,
        deadline: Deadline,
    ) -> None:
        self._group = group
        self._known = known
        self._own = own
        self._sightings = sightings
        self._deadline = deadline
        self._beats: Mapping[str, Sighting] = {}

    def run(self) -> None:
        known = self._known
        lived = set(known.live)
        now = self._listed(lived)
        for _ in range(_LISTINGS):
            known.whole = now.whole and self._recorded(now)
            if known.whole and not known.unknown:
                break
            lived |= now.sessions.keys()
            now = self._listed(lived)
        live = frozenset(now.sessions)
        same = now.mark == known.mark and live == known.live
        if same and known.whole and known.touched == set():
            known.view = _beaten(known.view, self._beats)
            return
        known.view = self._shown(now, live)
        known.mark, known.live, known.touched = now.mark, live, set()

    def _listed(self, lived: set[str]) -> Listing:
        """Read the listing, and what it says of claims. Who `lived` and is gone is dead."""
        known = self._known
        self._put_right()
        now = listing(self._group, self._deadline)
        self._beats = self._sightings.shown(self._group.name, now.numbers)
        known.dead |= (lived | known.unknown) - now.sessions.keys()
        known.unknown = self._take_in(now) - known.dead - now.sessions.keys()
        return now

    def _recorded(self, now: Listing) -> bool:
        """Read the members' records that are new; whether all are there. One may be newer than
        the listing, which the next listing then tells once more.
        """
        known = self._known.records
        live = {session.member: session.session for session in now.sessions.values()}
        missing = [name for name in live if not _fits(known.get(name), now.members[name])]
        items = self._group.read_all([record_sk(name) for name in missing], self._deadline)
        for name in missing:
            record = record_of(items.get(record_sk(name), {}))
            if record is not None:
                known[name] = record
        for name in known.keys() - live.keys():
            del known[name]
        return all(_fits(known.get(name), now.members[name]) for name in live)

    # -------------------------------------------------------------------------------- claims

    def _take_in(self, now: Listing) -> set[str]:
        """Bring the stored claims up to the listing; return the owners that were met."""
        known = self._known
        owners: set[str | None] = set()
        changes = None
        if known.mark is not None:
            changes = self._changes(now, known.upto, known.rest)
        if changes is None:
            known.stored, changes = self._read_claims(now)
            known.touched = None
            owners = {stored.owner for stored in known.stored.values()}
        for key, stored in changes:
            if newer(stored, known.stored.get(key)):
                known.stored[key] = stored
                owners.add(stored.owner)
                if known.touched is not None:
                    known.touched.add(key)
        known.upto = {name: member.claims for name, member in now.members.items()}
        known.rest = now.rest.changes
        return {owner for owner in owners if owner is not None}

    def _changes(self, now: Listing, upto: Mapping[str, int], rest: int) -> list[Change] | None:
        """What changed since the counters were `upto` and `rest`, if it can be told without reading
        all claims.
        """
        found = changes_in(now.rest.log, known=rest, upto=now.rest.changes)
        if found is None or upto.keys() - now.members.keys():
            return None
        for member in now.members.values():
            since = upto.get(member.name, member.claims_from)
            if since == member.claims:
                continue
            told = self._told(member, since)
            if told is None:
                return None
            found.extend(told)
        return found

    def _told(self, member: MemberItem, since: int) -> list[Change] | None:
        if not member.claims_from <= since <= member.claims:  # deleted, and made anew
            return None
        upto = member.claims
        own = self._own.since(self._group.name, member.name, known=since, upto=upto)
        return changes_in(member.log, known=since, upto=upto) if own is None else own

    def _read_claims(self, now: Listing) -> tuple[dict[ClaimKey, Stored], list[Change]]:
        """All claims as they are stored, and what all logs tell besides, which may be newer."""
        known = self._known
        scan = known.scan
        while True:
            scan = known.scan = scan or Scan(
                {name: member.claims for name, member in now.members.items()}, now.rest.changes
            )
            scan.read_on(self._group, self._deadline)
            known.scan = None
            changes = self._changes(now, scan.upto, scan.rest)
            if changes is not None:
                logs = [now.rest.log, *(member.log for member in now.members.values())]
                return scan.found, [*changes, *(c for log in logs for c in all_changes_in(log))]
            scan = None  # begun too long ago

    def _put_right(self) -> None:
        """Take in what refused claims have shown: it was there after whatever we had read then."""
        known = self._known
        while known.refused:
            key, token, found = known.refused.popleft()
            was = known.stored.get(key)
            if (was.token if was is not None else 0) != token:
                continue  # we have learned more since
            if found is None:
                known.stored.pop(key, None)
            else:
                known.stored[key] = found
                if found.owner is not None:
                    known.unknown.add(found.owner)
            if known.touched is not None:
                known.touched.add(key)

    # ---------------------------------------------------------------------------------- view

    def _shown(self, now: Listing, live: frozenset[str]) -> View:
        known, old = self._known, self._known.view
        roles = {
            role.name: record
            for role in now.roles.values()
            if (record := role_of(role.record, role.version)) is not None
        }
        counted = sum(now.mark.values())
        whole = known.touched is None or live != known.live or roles != old.roles
        return View(
            group=old.group,
            revision=max(counted, old.revision + 1),
            members=MappingProxyType(_members(now, old, known.records, self._beats)),
            claims=self._claims(now, live) if whole else self._claims_touched(live),
            roles=MappingProxyType(roles),
        )

    def _claims(self, now: Listing, live: frozenset[str]) -> Mapping[ClaimKey, Claim]:
        """All claims, the former objects where they have not changed."""
        known, old = self._known, self._known.view.claims
        generation = {role.name: role.generation for role in now.roles.values()}
        claims: dict[ClaimKey, Claim] = {}
        owners: set[str] = set()
        for key, stored in known.stored.items():
            if stored.owner is not None:
                owners.add(stored.owner)
            claim = _claim(key, stored, live, known.dead)
            if claim.session is None and key.generation < generation.get(key.role, 0):
                continue
            before = old.get(key)
            claims[key] = before if before == claim else claim
        known.dead &= owners
        return MappingProxyType(claims)

    def _claims_touched(self, live: frozenset[str]) -> Mapping[ClaimKey, Claim]:
        known = self._known
        if not known.touched:
            return known.view.claims
        claims = dict(known.view.claims)
        for key in known.touched:
            stored = known.stored.get(key)
            if stored is None:  # deleted since
                claims.pop(key, None)
            else:
                claims[key] = _claim(key, stored, live, known.dead)
        return MappingProxyType(claims)


def _claim(key: ClaimKey, stored: Stored, live: frozenset[str], dead: set[str]) -> Claim:
    """As a view shows it: what a dead session owns is free, and was not let go of cleanly."""
    note = note_of(stored.note)
    if stored.owner is None:
        return Claim(key, stored.token, None, note)
    if stored.owner in live or stored.owner not in dead:
        return Claim(key, stored.token, stored.owner, note)
    return Claim(key, stored.token, None, replace(note, clean=False))


def _fits(record: RecordItem | None, member: MemberItem) -> bool:
    """Whether it is the record of the session that has the name, as new as its item says."""
    return (
        record is not None and record.session == member.session and record.version >= member.version
    )


def _members(
    now: Listing, old: View, records: Mapping[str, RecordItem], beats: Mapping[str, Sighting]
) -> dict[str, LiveMember]:
    out: dict[str, LiveMember] = {}
    for session in now.sessions.values():
        told = records.get(session.member)
        if told is None or told.session != session.session:
            continue  # it began or ended while we read; the next view tells
        record = member_of(told.record, session.member, told.incarnation)
        before = old.members.get(session.session)
        beat = beats[session.session]
        shown = LiveMember(
            session=session.session,
            record=record,
            ttl_s=session.ttl_s,
            seq=beat.seq,
            seen_at_s=beat.at_s,
        )
        out[session.session] = before if before == shown and before is not None else shown
    return out


def _beaten(view: View, beats: Mapping[str, Sighting]) -> View:
    """The same view with newer heartbeats; the same object if there were none."""
    newer_ones = {
        sid: replace(member, seq=beats[sid].seq, seen_at_s=beats[sid].at_s)
        for sid, member in view.members.items()
        if member.seq != beats[sid].seq
    }
    if not newer_ones:
        return view
    return view.with_members(MappingProxyType({**view.members, **newer_ones}))
