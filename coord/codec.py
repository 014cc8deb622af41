"""The texts that stores keep and the values they stand for, read forgivingly.

Owns the conversion between a store's texts and `coord.model`, for every store alike. Knows no
store. Equal texts give one shared object: 10,000 claims of one member carry one note. One text
that this release cannot read must not keep anybody from the whole view, so each has a reading that
gives away nothing it does not say (`test_one_text_that_cannot_be_read_keeps_nobody_from_the_view`).
"""

from __future__ import annotations

from functools import lru_cache

from coord.model import ClaimKey, MemberRecord, Note, RoleRecord

__all__ = ["key_of", "member_of", "note_of", "note_text", "role_of"]

_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError)
_KEY_PARTS = 4


def key_of(text: str, separator: str = "/") -> ClaimKey | None:
    """The key that `str(key)` wrote, or with another separator; None if it is none."""
    role, *numbers = text.rsplit(separator, _KEY_PARTS - 1)
    if len(numbers) != _KEY_PARTS - 1 or not all(n.isascii() and n.isdigit() for n in numbers):
        return None
    return ClaimKey(role, *map(int, numbers))


@lru_cache(maxsize=4096)
def note_text(note: Note) -> str:
    """The note as it is stored."""
    return note.to_json()


@lru_cache(maxsize=4096)
def note_of(text: str | bytes) -> Note:
    """The note that `note_text` wrote; an empty one if unreadable."""
    try:
        return Note.from_json(text)
    except _UNREADABLE:
        return Note()


@lru_cache(maxsize=1024)
def member_of(text: str | bytes, name: str, incarnation: str) -> MemberRecord:
    """The member record that was stored as `text`; if unreadable, one that serves no role."""
    try:
        return MemberRecord.from_json(text)
    except _UNREADABLE:
        return MemberRecord(name=name, incarnation=incarnation)


@lru_cache(maxsize=1024)
def role_of(text: str | bytes, version: int) -> RoleRecord | None:
    """The role record that was stored as `text`; None if unreadable: nobody can lead by it."""
    try:
        return RoleRecord.from_json(text, version=version)
    except _UNREADABLE:
        return None
