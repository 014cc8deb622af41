"""Views: reading only what changed since the last one, and sharing the rest.

Owns one cached view per group. Decides nothing. The costs it keeps (`test_idle_costs.py`): while
the group's revision stands still, a view is one statement and O(members), whatever is claimed;
after a change it reads the rows that changed, and copies the mapping of claims once.

Reading only what changed takes for granted that the file only goes forward. A backup copied back
into it through SQLite breaks that, and may even have gone on beyond our revision since. But such a
copy raises the file's schema version, as does nothing that members do: when that or the group has
changed, or the revision fell, all is read anew (`test_going_back.py`).
"""

# ruff: noqa: S608  statements are put together from constants alone

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from coord.codec import member_of, role_of
from coord.errors import Certainty, StoreUnavailable
from coord.model import Claim, ClaimKey, LiveMember, RoleRecord, View
from coord_sqlite.life import Observer
from coord_sqlite.link import Link
from coord_sqlite.peers import Peers
from coord_sqlite.records import SESSION_COLUMNS, SessionRow, note_of

__all__ = ["Snapshots"]

_PULSE = (
    "SELECT g.gid, g.revision, (SELECT schema_version FROM pragma_schema_version), "
    "s.id, s.seq, s.expires_at_s FROM groups g "
    "LEFT JOIN sessions s ON s.gid = g.gid WHERE g.name=?"
)
_SESSIONS = f"SELECT record, name, {SESSION_COLUMNS} FROM sessions WHERE gid=? AND rev>?"
_ROLES = "SELECT role, name, version, generation, body FROM roles WHERE gid=? AND rev>?"
_CLAIMS = (
    "SELECT role, generation, shard, seat, token, session, note, clean FROM claims "
    "WHERE gid=? AND rev>?"
)
_CLAIMS_OF_ROLE = _CLAIMS.replace("gid=? AND rev>?", "role=?")


_Pulse = list[tuple[Any, ...]]
"""Rows of `_PULSE`: what `_Mark` has, and one session each (or none at all)."""


class _Mark(NamedTuple):
    """What tells one state of a group from others, heartbeats aside; zeros while it is missing."""

    gid: int
    revision: int
    schema: int


class _Role(NamedTuple):
    """A role by its columns, and its record if that can be read."""

    name: str
    generation: int
    record: RoleRecord | None


@dataclass(slots=True)
class _Known:
    """What was read of one group. The mappings inside views are never changed in place."""

    mark: _Mark
    view: View
    sessions: dict[str, SessionRow]
    roles: dict[int, _Role]


class Snapshots:
    """Reads views, one at a time; any thread. `reader` gives the connection to read through."""

    def __init__(self, reader: Callable[[], Link], observer: Observer, peers: Peers) -> None:
        self._reader = reader
        self._lock = threading.Lock()
        self._observer = observer
        self._peers = peers
        self._groups: dict[str, _Known] = {}

    def view(self, group: str) -> View:
        """The group as it is now."""
        link = self._reader()
        if not self._lock.acquire(timeout=link.timeout_s):
            raise StoreUnavailable(
                f"another thread has been reading {link.path} for {link.timeout_s:g} s",
                cure="Raise the timeout, or look for a stalled disk.",
                certainty=Certainty.NOT_APPLIED,
            )
        try:
            return self._view(link, group)
        finally:
            self._lock.release()

    def _view(self, link: Link, group: str) -> View:
        known = self._groups.get(group) or _nothing(group, _mark([]))
        pulse = link.read(_PULSE, (group,))
        if known.mark != _mark(pulse):
            known, pulse = self._catch_up(link, known)
        self._peers.track(group, {sid: row.process for sid, row in known.sessions.items()})
        view = self._with_pulse(known, pulse)
        self._groups[group] = replace(known, view=view)
        return view

    def _catch_up(self, link: Link, known: _Known) -> tuple[_Known, _Pulse]:
        """Read what changed, in one snapshot with the pulse that goes with it."""

        def work(connection: sqlite3.Connection) -> tuple[_Known, _Pulse]:
            pulse = connection.execute(_PULSE, (known.view.group,)).fetchall()
            mark, base = _mark(pulse), known
            if not _follows(mark, known.mark):
                base = _nothing(known.view.group, mark)
            return self._news(connection, base, pulse, mark), pulse

        return link.snapshot(work)

    def _with_pulse(self, known: _Known, pulse: _Pulse) -> View:
        """The view with the heartbeats just read; the same object if there were none."""
        gone = self._peers.gone()
        before = known.view.members
        members: dict[str, LiveMember] = {}
        changed = False
        for _, _, _, sid, seq, expires_at_s in pulse:
            if sid is None:  # a group without sessions
                continue
            old = before[sid]
            is_gone = sid in gone
            if old.seq == seq and old.gone == is_gone:
                members[sid] = old
                continue
            comparable = self._observer.place.comparable(known.sessions[sid].place)
            members[sid] = replace(
                old, seq=seq, expires_at_s=expires_at_s if comparable else None, gone=is_gone
            )
            changed = True
        return known.view.with_members(MappingProxyType(members)) if changed else known.view

    def _news(
        self, connection: sqlite3.Connection, known: _Known, pulse: _Pulse, mark: _Mark
    ) -> _Known:
        old = known.view
        since = (mark.gid, old.revision)
        sessions, members = self._members(connection, known, pulse, since)
        roles, reread = _changed_roles(connection, known, since)
        claims = _changed_claims(connection, old, roles, reread, since)
        view = View(
            group=old.group,
            revision=mark.revision,
            members=MappingProxyType(members),
            claims=MappingProxyType(claims) if claims is not None else old.claims,
            roles=MappingProxyType(
                {role.name: role.record for role in roles.values() if role.record is not None}
            ),
        )
        return _Known(mark, view, sessions, roles)

    def _members(
        self,
        connection: sqlite3.Connection,
        known: _Known,
        pulse: _Pulse,
        since: tuple[int, int],
    ) -> tuple[dict[str, SessionRow], dict[str, LiveMember]]:
        news: dict[str, tuple[SessionRow, LiveMember]] = {}
        for text, name, *columns in connection.execute(_SESSIONS, since):
            row = SessionRow(*columns)
            self._observer.check_machine(row)
            comparable = self._observer.place.comparable(row.place)
            news[row.id] = (
                row,
                LiveMember(
                    session=row.id,
                    record=member_of(text, name, row.incarnation),
                    ttl_s=row.ttl_s,
                    seq=row.seq,
                    expires_at_s=row.expires_at_s if comparable else None,
                ),
            )
        live = [sid for _, _, _, sid, _, _ in pulse if sid is not None]
        sessions = {sid: news[sid][0] if sid in news else known.sessions[sid] for sid in live}
        members = {sid: news[sid][1] if sid in news else known.view.members[sid] for sid in live}
        return sessions, members


def _mark(pulse: _Pulse) -> _Mark:
    return _Mark(*pulse[0][:3]) if pulse else _Mark(0, 0, 0)


def _nothing(group: str, mark: _Mark) -> _Known:
    """Nothing read yet."""
    return _Known(mark, View(group=group, revision=0), {}, {})


def _follows(mark: _Mark, before: _Mark) -> bool:
    """Whether what was read at `before` needs nothing but what changed since."""
    is_same = (mark.gid, mark.schema) == (before.gid, before.schema)
    return is_same and mark.revision >= before.revision


def _changed_roles(
    connection: sqlite3.Connection, known: _Known, since: tuple[int, int]
) -> tuple[dict[int, _Role], set[int]]:
    """All roles, and those of which all claims must be read anew."""
    roles = dict(known.roles)
    reread: set[int] = set()
    for role, name, version, generation, body in connection.execute(_ROLES, since):
        before = roles.get(role)
        if before is not None and before.generation != generation:
            reread.add(role)
        roles[role] = _Role(name, generation, role_of(body, version))
    return roles, reread


def _changed_claims(
    connection: sqlite3.Connection,
    old: View,
    roles: dict[int, _Role],
    reread: set[int],
    since: tuple[int, int],
) -> dict[ClaimKey, Claim] | None:
    """The mapping of all claims; None if it is the old one."""
    rows = connection.execute(_CLAIMS, since).fetchall()
    names = {roles[role].name for role in reread}
    for role in reread:
        rows.extend(connection.execute(_CLAIMS_OF_ROLE, (role,)))
    if not rows and not reread:
        return None
    claims = (
        {key: claim for key, claim in old.claims.items() if key.role not in names}
        if names
        else dict(old.claims)
    )
    for role, generation, shard, seat, token, session, note, clean in rows:
        name, current, _ = roles[role]
        key = ClaimKey(name, generation, shard, seat)
        if session is None and generation < current:
            claims.pop(key, None)
        else:
            claims[key] = Claim(key, token, session, note_of(note, clean))
    return claims
