"""What is known of one group, and views of it that read only what changed.

Owns the one picture of a group that a store has. Decides nothing. The scheme, and why it holds:

- Three directories carry the group: `members`, `roles`, `claims`. Whatever changes below one of
  them moves its own stat: children that come and go move pzxid; writers of a member or a role write
  the directory's data in the same transaction, which moves mzxid. So one read of the three stats,
  and of the beacons' names, says whether anything is new: a quiet view is one round trip, whatever
  is claimed. It follows a write to a majority (`Link.read`), so it shows all that was acknowledged.
- Names of claims are never used twice (`layout`), so a listing says exactly which to read. What
  this process wrote itself it need not read at all.
- Names and stats are read at one moment, contents after that. If a claim is gone by then, or a
  member or a role was written in between, all begins again from the names. So a view is the group
  at one moment, and the largest zxid of its stats is its revision, the same in every process.
- A claim whose session has no node is free: a claim is only ever written while its session's nodes
  exist, and they never come back. Names alone decide who lives, for a member whose text cannot be
  read may live and act (`test_a_member_that_cannot_be_read_keeps_its_claims`).
- What this process wrote counts until a view that began later: that one shows it, or what became of
  it. Kept for longer it would hide a death (`test_what_was_written_counts_until_the_next_view`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from coord.codec import role_of
from coord.errors import Certainty, StoreUnavailable
from coord.model import Claim, ClaimKey, LiveMember, RoleRecord, View
from coord.sightings import Sightings
from coord.spi import BeaconSeen
from coord_zookeeper.deadline import Deadline
from coord_zookeeper.layout import Layout, beacon_of
from coord_zookeeper.nodes import ClaimNode, MemberNode, claim_node, member_node, unheld
from coord_zookeeper.reader import Listing, Marks, Reader

__all__ = ["Mirror"]


class _Contents(NamedTuple):
    """Members by session, and roles by name."""

    members: dict[str, MemberNode]
    roles: dict[str, RoleRecord]


class _Written(NamedTuple):
    """A claim that this process has written, in which of its writes."""

    node: ClaimNode
    write: int


class Mirror:
    """One group. Any thread; views are read one at a time."""

    def __init__(self, group: str, layout: Layout, reader: Reader, sightings: Sightings) -> None:
        self._layout = layout
        self._reader = reader
        self._sightings = sightings
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._marks = Marks()
        self._view = View(group=group, revision=0)
        self._nodes: dict[str, ClaimNode | None] = {}
        self._listed: set[str] = set()
        self._keys: dict[ClaimKey, ClaimNode] = {}
        self._live: frozenset[str] = frozenset()
        self._written: dict[ClaimKey, _Written] = {}
        self._writers: set[str] = set()
        self._writes = 0

    # ------------------------------------------------------------------------ what is known now

    def known(self, key: ClaimKey) -> ClaimNode | None:
        """The key's node as it was read or written last; None: never claimed, or not read yet."""
        read, written = self._keys.get(key), self._written.get(key)
        if written is not None and (read is None or written.node.number > read.number):
            return written.node
        return read

    def leftovers(self) -> list[ClaimNode]:
        """Free keys of older generations, which no view shows."""
        roles = self._view.roles
        return [
            node
            for node in list(self._keys.values())
            if (role := roles.get(node.claim.key.role)) is not None
            and node.claim.key.generation < role.generation
            and not (node.claim.session and self.lives(node.claim.session))
        ]

    def role(self, name: str) -> RoleRecord | None:
        """A role's record as it was read last."""
        return self._view.roles.get(name)

    def lives(self, sid: str) -> bool:
        """Whether the session was live at the last reading, or has claimed something since."""
        return sid in self._live or sid in self._writers

    def member(self, sid: str) -> LiveMember | None:
        """A member as it was read last."""
        return self._view.members.get(sid)

    def wrote(self, nodes: Iterable[ClaimNode]) -> None:
        """Know what this process has just written, without reading it."""
        with self._writing:
            self._writes += 1
            for node in nodes:
                self._written[node.claim.key] = _Written(node, self._writes)
                if node.claim.session is not None:
                    self._writers.add(node.claim.session)

    @property
    def size(self) -> int:
        """How many claims the last view showed."""
        return len(self._view.claims)

    # ---------------------------------------------------------------------------------- reading

    def view(self, deadline: Deadline) -> View:
        """The group as it is now: the same object as long as nothing has changed."""
        with self._alone(deadline):
            writes = self._writes
            marks, seqs = self._reader.marks(deadline)
            if marks != self._marks:
                seqs = self._catch_up(marks, deadline)
            self._beat(seqs)
            self._unlearn(writes)
            return self._view

    def _unlearn(self, writes: int) -> None:
        """Forget what was written up to then: a view that began later has been read."""
        with self._writing:
            if self._written:
                left = {key: one for key, one in self._written.items() if one.write > writes}
                self._written = left
                self._writers = {one.node.claim.session or "" for one in left.values()}

    def beacons(self, deadline: Deadline) -> dict[str, BeaconSeen]:
        """The latest beacon of each live session."""
        names, live = self._reader.beacons(deadline)
        found: dict[str, BeaconSeen] = {}
        for name in names:
            beacon = beacon_of(name)
            if beacon is None or beacon.sid not in live:
                continue
            known = found.get(beacon.sid)
            if known is None or known.seq < beacon.seq:
                found[beacon.sid] = BeaconSeen(beacon.seq, beacon.payload)
                self._sightings.note(beacon.sid, beacon.seq)
        return found

    @contextmanager
    def _alone(self, deadline: Deadline) -> Iterator[None]:
        if not self._lock.acquire(timeout=deadline.left_s()):
            raise StoreUnavailable(
                "another thread was reading the group for all the time that was left",
                cure="Raise the timeout, or look for a slow ZooKeeper.",
                certainty=Certainty.NOT_APPLIED,
            )
        try:
            yield
        finally:
            self._lock.release()

    def _catch_up(self, marks: Marks, deadline: Deadline) -> Mapping[str, int]:
        """Read what is new. What was read stays read if time runs out: the next call goes on."""
        while True:
            listing = self._reader.listing(deadline, claims=marks.claims != self._marks.claims)
            if not listing.marks.follows(self._marks):
                self._forget()
            marks = listing.marks
            if listing.claims is None and marks.claims != self._marks.claims:
                continue
            if not self._read_claims(listing.claims or (), deadline):
                continue
            contents = self._read_contents(listing, deadline)
            if contents is not None:
                self._adopt(listing, contents)
                return listing.seqs

    def _forget(self) -> None:
        """Somebody has deleted directories: what stood in them is no more."""
        self._marks = Marks()
        self._nodes, self._listed, self._keys = {}, set(), {}
        self._unlearn(self._writes)
        self._view = View(group=self._view.group, revision=self._view.revision)

    def _read_claims(self, names: Iterable[str], deadline: Deadline) -> bool:
        """Read claims that are not known; False if one was gone by then."""
        own = {one.node.name: one.node for one in list(self._written.values())}
        missing: dict[str, str] = {}
        for name in names:
            if name in own:
                self._nodes.setdefault(name, own[name])
            elif name not in self._nodes:
                missing[self._layout.claim(name)] = name
        complete = True
        for path, node in self._reader.contents(list(missing), deadline):
            if node is None:
                complete = False
            else:
                name = missing[path]
                self._nodes[name] = claim_node(name, node)
        return complete

    def _read_contents(self, listing: Listing, deadline: Deadline) -> _Contents | None:
        """Read members and roles anew; None if they were written in between."""
        layout = self._layout
        paths = [f"{layout.members}/{name}" for name in listing.members]
        paths += [f"{layout.roles}/{name}" for name in listing.roles]
        nodes, marks = self._reader.marked(paths, deadline)
        if (marks.members, marks.roles) != (listing.marks.members, listing.marks.roles):
            return None
        found = _Contents({}, {})
        for name, node in zip(listing.members, nodes, strict=False):
            member = member_node(name, node.data) if node is not None else None
            if member is not None:
                found.members[member.sid] = member
        for name, node in zip(listing.roles, nodes[len(listing.members) :], strict=True):
            role = role_of(node.data, node.stat.version + 1) if node is not None else None
            if role is not None:
                found.roles[name] = role
        return found

    # ------------------------------------------------------------------------------- the picture

    def _adopt(self, listing: Listing, contents: _Contents) -> None:
        old, before = self._view, self._live
        self._live = listing.sessions  # first: `known` holders must not be taken for dead meanwhile
        changed = self._changed_keys(listing.claims)
        if before != self._live or _moved_on(contents.roles, old.roles):
            changed = {*changed, *self._keys, *old.claims}
        claims = old.claims
        if changed:
            claims = dict(old.claims)
            for key in changed:
                shown = _shown(self._keys.get(key), listing.sessions, contents.roles)
                if shown is None:
                    claims.pop(key, None)
                else:
                    claims[key] = shown
            claims = MappingProxyType(claims)
        self._marks = listing.marks
        self._view = View(
            group=old.group,
            revision=max(listing.marks.revision, old.revision + 1),
            members=MappingProxyType({sid: one.member for sid, one in contents.members.items()}),
            claims=claims,
            roles=MappingProxyType(contents.roles),
        )

    def _changed_keys(self, names: list[str] | None) -> set[ClaimKey]:
        """Take over a listing of the claims; the keys that are not what they were."""
        if names is None:
            return set()
        listed = set(names)
        changed: set[ClaimKey] = set()
        for name in self._listed - listed:
            node = self._nodes.get(name)
            if node is not None and self._keys.get(node.claim.key) is node:
                del self._keys[node.claim.key]
                changed.add(node.claim.key)
        for name in listed - self._listed:
            node = self._nodes[name]
            if node is not None:
                self._keys[node.claim.key] = node
                changed.add(node.claim.key)
        for name in self._nodes.keys() - listed:
            del self._nodes[name]
        self._listed = listed
        return changed

    def _beat(self, seqs: Mapping[str, int]) -> None:
        """Take over heartbeat numbers and when they were seen; the same view if there are none."""
        members = self._view.members
        sightings = self._sightings.shown(
            {sid: seqs.get(sid, member.seq) for sid, member in members.items()}
        )
        newer = {
            sid: replace(members[sid], seq=seen.seq, seen_at_s=seen.at_s)
            for sid, seen in sightings.items()
            if (members[sid].seq, members[sid].seen_at_s) != seen
        }
        if newer:
            self._view = self._view.with_members(MappingProxyType({**members, **newer}))


def _moved_on(roles: Mapping[str, RoleRecord], before: Mapping[str, RoleRecord]) -> bool:
    """Whether a role is of another generation."""
    return any(
        name not in before or before[name].generation != role.generation
        for name, role in roles.items()
    )


def _shown(
    node: ClaimNode | None, live: frozenset[str], roles: Mapping[str, RoleRecord]
) -> Claim | None:
    """What a view shows of a key: nothing if it is free and of an older generation."""
    if node is None:
        return None
    claim = node.claim
    if claim.session is not None and claim.session not in live:
        claim = unheld(claim)
    role = roles.get(claim.key.role)
    is_old = role is not None and claim.key.generation < role.generation
    return None if is_old and claim.session is None else claim
