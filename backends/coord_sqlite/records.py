"""Rows and what they mean: the pure codec between SQLite's values and `coord.model`.

Owns the columns' order and conversions. Knows no connection and no rule. Equal texts give one
shared object: 10,000 claims of one member carry one note. One text that this release cannot read
must not keep anybody from the whole view, so each has a reading that gives away nothing it does
not say (`test_one_row_that_cannot_be_read_keeps_nobody_from_the_view`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from coord.model import MemberRecord, Note, RoleRecord
from coord_sqlite.place import Place, Process

__all__ = ["SESSION_COLUMNS", "SessionRow", "member_of", "note_of", "note_text", "role_of"]

SESSION_COLUMNS = (
    "id, seq, expires_at_s, ttl_s, incarnation, machine, boot, clock, processes, pid, started"
)


_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError)


class SessionRow(NamedTuple):
    """What decides about a session's life; its columns are `SESSION_COLUMNS`."""

    id: str
    seq: int
    expires_at_s: float
    ttl_s: float
    incarnation: str
    machine: str
    boot: str
    clock: str
    processes: str
    pid: int
    started: int

    @property
    def place(self) -> Place:
        return Place(self.machine, self.boot, self.clock)

    @property
    def process(self) -> Process:
        return Process(self.processes, self.pid, self.started)


@lru_cache(maxsize=4096)
def note_text(note: Note) -> str:
    """The note as it is stored, but for `clean`, which has a column of its own."""
    return note.to_json()


@lru_cache(maxsize=4096)
def note_of(text: str, clean: int) -> Note:
    """The note that `note_text` wrote; the column's `clean` wins. An empty one if unreadable."""
    try:
        note = Note.from_json(text)
    except _UNREADABLE:
        note = Note()
    if note.clean == bool(clean):
        return note
    return Note(
        member=note.member,
        clean=bool(clean),
        lock_delay_s=note.lock_delay_s,
        poison_s=note.poison_s,
        endings=note.endings,
    )


@lru_cache(maxsize=1024)
def member_of(text: str, name: str, incarnation: str) -> MemberRecord:
    """The member record that was stored as `text`; if unreadable, one that serves no role."""
    try:
        return MemberRecord.from_json(text)
    except _UNREADABLE:
        return MemberRecord(name=name, incarnation=incarnation)


@lru_cache(maxsize=1024)
def role_of(text: str, version: int) -> RoleRecord | None:
    """The role record that was stored as `text`; None if unreadable: nobody can lead by it."""
    try:
        return RoleRecord.from_json(text, version=version)
    except _UNREADABLE:
        return None
