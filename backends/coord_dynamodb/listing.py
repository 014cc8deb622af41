"""What one reading of the polled items shows: names, roles, sessions, and how far each writer is.

Owns the reading and its comparison. Knows no claim.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from coord_dynamodb.group import Group
from coord_dynamodb.items import (
    POLLED_FROM,
    REST,
    Item,
    MemberItem,
    RestItem,
    RoleItem,
    SessionItem,
    member_of,
    rest_of,
    role_of,
    session_of,
    text,
)
from coord_dynamodb.link import Deadline

__all__ = ["Glance", "Listing", "Mark", "glance", "listing", "sessions"]

_SHOWN = "sk, sid, v, n, k, k0, lg, rec, ver, gen, req, nm, seq, life"
_COUNTED = "sk, n, ver, seq"

Mark = Mapping[str, int]
"""The counter of each item that has one, by sort key. Equal ones: nothing but heartbeats."""


class Glance(NamedTuple):
    """The counters, and the heartbeat number of each session that shows."""

    mark: Mark
    numbers: Mapping[str, int]


class Listing(NamedTuple):
    """All polled items of a group. Each was read strongly, though not all at one moment."""

    members: Mapping[str, MemberItem]
    roles: Mapping[str, RoleItem]
    sessions: Mapping[str, SessionItem]
    rest: RestItem

    @property
    def mark(self) -> Mark:
        """What tells this state of the group from others."""
        found = {f"m#{name}": member.changes for name, member in self.members.items()}
        found |= {f"r#{name}": role.version for name, role in self.roles.items()}
        return found | {REST: self.rest.changes}

    @property
    def numbers(self) -> Mapping[str, int]:
        """The heartbeat number of each session."""
        return {session.session: session.seq for session in self.sessions.values()}

    @property
    def whole(self) -> bool:
        """Whether each session's name names it: else it was read while one began or ended."""
        return all(
            (member := self.members.get(session.member)) is not None
            and member.session == session.session
            for session in self.sessions.values()
        )


def listing(group: Group, deadline: Deadline) -> Listing:
    """Read all polled items strongly."""
    members: dict[str, MemberItem] = {}
    roles: dict[str, RoleItem] = {}
    live: dict[str, SessionItem] = {}
    rest = RestItem()
    values = {":from": text(POLLED_FROM)}
    for item in group.query("sk >= :from", values, deadline, only=_SHOWN):
        if (member := member_of(item)) is not None:
            members[member.name] = member
        elif (role := role_of(item)) is not None:
            roles[role.name] = role
        elif (session := session_of(item)) is not None:
            live[session.session] = session
        elif item["sk"]["S"] == REST:
            rest = rest_of(item)
    return Listing(members, roles, live, rest)


def glance(group: Group, deadline: Deadline) -> Glance:
    """Read the numbers alone, at half the price: they may be a moment behind."""
    mark: dict[str, int] = {}
    numbers: dict[str, int] = {}
    values = {":from": text(POLLED_FROM)}
    for item in group.query("sk >= :from", values, deadline, strong=False, only=_COUNTED):
        if (session := session_of(item)) is not None:
            numbers[session.session] = session.seq
        else:
            mark[item["sk"]["S"]] = _counted(item)
    return Glance(mark, numbers)


def sessions(group: Group, deadline: Deadline) -> list[SessionItem]:
    """All live sessions, with their beacons."""
    found = group.query("begins_with(sk, :s)", {":s": text("s#")}, deadline)
    return [session for item in found if (session := session_of(item)) is not None]


def _counted(item: Item) -> int:
    return int(item.get("n", item.get("ver", {})).get("N", 0))
