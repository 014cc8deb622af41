"""What a tenure's end leaves on the claim: bars, poison, and their growth.

Owns the arithmetic of endings. May not know the time: how long a bar or a poison lasts is written
on the claim, and each observer counts it on its own clock from when it first saw it.

Why they are kept on the claim and not in the member: a member that restarts forgets, a claim
does not; and a rule that all members apply to the same record gives the same answer everywhere.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from coord.config import Role
from coord.model import Claim, Ending, EndingKind, Note

__all__ = ["after_progress", "ended", "opening_note", "poison_after"]

_FAULTS = frozenset({EndingKind.WEDGED, EndingKind.RAISED})
_MOST_ENDINGS = 8
_LOST_THRESHOLD = 3


def ended(
    note: Note,
    role: Role,
    *,
    member: str,
    kind: EndingKind | None,
    clean: bool,
    progressed: bool,
    members: int,
) -> Note:
    """The note to leave when `member`'s tenure ends; `kind` None is an end in order.

    Progress wipes earlier endings: whatever defeated the others, it works here.
    """
    before = () if progressed or kind is EndingKind.RETURNED else note.endings
    if kind is None and not before:
        return _plain(member, clean=clean, lock_delay_s=role.lock_delay_s)
    base = Note(member=member, clean=clean, lock_delay_s=role.lock_delay_s, endings=before)
    if kind is None:
        return base
    past = next((e for e in before if e.member == member and e.kind in _FAULTS), None)
    count = past.count + 1 if past is not None else 1
    ending = Ending(
        member=member,
        kind=kind,
        count=count,
        bar_s=_bar_s(role, kind, count),
        barren=not progressed,
    )
    others = tuple(e for e in before if e.member != member)
    endings = (*others, ending)[-_MOST_ENDINGS:]
    return Note(
        member=member,
        clean=clean,
        lock_delay_s=role.lock_delay_s,
        endings=endings,
        poison_s=poison_after(endings, role, members) if kind in _FAULTS else 0.0,
    )


@lru_cache(maxsize=256)
def _plain(member: str, *, clean: bool, lock_delay_s: float) -> Note:
    """A note without endings: one object for thousands of claims, which stores encode once."""
    return Note(member=member, clean=clean, lock_delay_s=lock_delay_s)


def after_progress(note: Note, member: str) -> Note:
    """The note of a running tenure once `member` has made progress under it.

    Whatever defeated the others, it works here, so none of it can poison the claim any more, and
    counting begins anew. Bars of others stay while this tenure lasts: that it works here does not
    show that it would work there again. The very same note, if there is nothing to wipe.
    """
    if not note.endings and not note.poison_s:
        return note
    barred = tuple(
        replace(e, barren=False, count=0)
        for e in note.endings
        if e.bar_s > 0 and e.member != member
    )
    return replace(note, endings=barred, poison_s=0.0)


def _bar_s(role: Role, kind: EndingKind, count: int) -> float:
    if kind in _FAULTS or kind is EndingKind.DEPOSED:
        return float(min(role.bar_max_s, role.bar_s * 2 ** min(count - 1, 30)))
    if kind in (EndingKind.RETURNED, EndingKind.TENURE):
        return role.rest_s
    return 0.0


def poison_after(endings: tuple[Ending, ...], role: Role, members: int) -> float:
    """How long nobody shall take the claim after these endings; 0: not poisoned.

    Barren faults of min(3, members) distinct members poison. A lost session is weaker evidence,
    because the last holder may have worked well until its host died: it takes three members in
    a row, whatever the size of the fleet. The time doubles with each further ending.
    """
    faults = [e for e in endings if e.kind in _FAULTS and e.barren]
    lost = [e for e in endings if e.kind is EndingKind.LOST]
    threshold = min(_LOST_THRESHOLD, max(1, members))
    if len(faults) < threshold and len(faults) + len(lost) < _LOST_THRESHOLD:
        return 0.0
    total = sum(e.count for e in faults) + sum(e.count for e in lost)
    return float(min(role.poison_max_s, role.poison_s * 2 ** min(max(0, total - threshold), 30)))


def opening_note(claim: Claim | None, role: Role, member: str) -> Note:
    """The note that a new holder writes with its claim: what it inherits, not clean yet.

    A predecessor that was lost without a clean release leaves an ending here, for nobody else
    could write it; the first progress removes it. Roles without a progress timeout keep none:
    nobody would ever remove it.
    """
    fresh = _plain(member, clean=False, lock_delay_s=role.lock_delay_s)
    if claim is None:
        return fresh
    note = claim.note
    endings = note.endings
    if not note.clean and note.member and role.progress_timeout_s is not None:
        past = next((e for e in endings if e.member == note.member), None)
        if past is None or past.kind is EndingKind.LOST:
            lost = Ending(
                member=note.member,
                kind=EndingKind.LOST,
                count=past.count + 1 if past else 1,
            )
            endings = (*(e for e in endings if e is not past), lost)[-_MOST_ENDINGS:]
    if not endings:
        return fresh
    return Note(member=member, clean=False, lock_delay_s=role.lock_delay_s, endings=endings)
