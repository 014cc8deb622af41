"""A reading, gathered for showing: each member with what it holds, each role by leader.

Owns the gathering and the marks (what is unusual, in words). Pure; prints nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from coord.cli.reading import Reading
from coord.core.assignment import candidates, plan
from coord.core.facts import bars, declared_otherwise, holders, overdue_keys
from coord.core.wording import duration_text, listed, shape_text
from coord.model import Claim, ClaimKey, LiveMember, RoleRecord, View

__all__ = [
    "CALM",
    "Group",
    "MemberLine",
    "RoleBlock",
    "Row",
    "free_mark",
    "ranges",
    "summarised",
]

_NEVER_HELD = "never held"
_LET_GO = "let go in order"
CALM = frozenset({_NEVER_HELD, _LET_GO})
"""Marks of free claims that are nothing to worry about."""


@dataclass(frozen=True, slots=True)
class MemberLine:
    """One live member."""

    member: LiveMember
    held: int
    marks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """The seats of one role that one member leads, or that nobody leads for one reason."""

    leader: str | None
    keys: tuple[ClaimKey, ...]
    tokens: tuple[int, ...]
    mark: str


@dataclass(frozen=True, slots=True)
class RoleBlock:
    """One role."""

    record: RoleRecord
    led: int
    rows: tuple[Row, ...]
    marks: tuple[str, ...]

    @property
    def seats(self) -> int:
        """How many seats there are to lead."""
        return self.record.shape.shards * self.record.shape.seats


@dataclass(frozen=True, slots=True)
class Group:
    """Everything that `status` shows."""

    reading: Reading
    members: tuple[MemberLine, ...]
    roles: tuple[RoleBlock, ...]

    @property
    def all_led(self) -> bool:
        """Whether each seat of each role has a leader."""
        return all(block.led == block.seats for block in self.roles)


def summarised(reading: Reading) -> Group:
    """Gather a reading."""
    view = reading.view
    members = sorted(view.members.values(), key=lambda m: (m.record.name, m.session))
    late = Counter(session for session, _ in overdue_keys(reading.beacons))
    return Group(
        reading=reading,
        members=tuple(
            MemberLine(
                member,
                len(view.by_session.get(member.session, ())),
                _member_marks(reading, member, late[member.session]),
            )
            for member in members
        ),
        roles=tuple(_role(view, view.roles[name]) for name in sorted(view.roles)),
    )


def ranges(numbers: Iterable[int], *, width: int = 1_000_000) -> str:
    """Numbers as ranges, "0–4, 7"; what does not fit into `width` is counted instead."""
    spans: list[list[int]] = []
    for number in sorted(set(numbers)):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    texts = [f"{a}" if a == b else f"{a}–{b}" for a, b in spans]
    shown = ", ".join(texts)
    kept = len(texts)
    while len(shown) > width and kept > 1:
        kept -= 1
        more = sum(b - a + 1 for a, b in spans[kept:])
        shown = f"{', '.join(texts[:kept])} and {more} more"
    return shown


def _member_marks(reading: Reading, member: LiveMember, late: int) -> tuple[str, ...]:
    record, marks = member.record, []
    if member.gone:
        marks.append("process gone")
    elif member.expires_at_s is not None and reading.now > member.expires_at_s:
        marks.append(f"silent for {duration_text(round(reading.now - member.expires_at_s, 1))}")
    if record.draining:
        marks.append("draining")
    if late:
        marks.append(f"late with {late}")
    for name, shape in sorted(record.roles.items()):
        known = reading.view.roles.get(name)
        if known is not None and known.shape != shape:
            marks.append(f"conflict: {name} as {shape_text(shape)}")
    return tuple(marks)


def _role(view: View, record: RoleRecord) -> RoleBlock:
    by_leader: dict[str, list[Claim]] = {}
    by_mark: dict[str, list[ClaimKey]] = {}
    for key in record.claim_keys():
        claim = view.claims.get(key)
        if claim is not None and claim.session is not None:
            member = view.members.get(claim.session)
            name = member.record.name if member is not None else f"session {claim.session}"
            by_leader.setdefault(name, []).append(claim)
        else:
            by_mark.setdefault(free_mark(claim), []).append(key)
    rows = [
        Row(
            name,
            tuple(sorted(claim.key for claim in by_leader[name])),
            tuple(sorted(claim.token + record.token_base for claim in by_leader[name])),
            "",
        )
        for name in sorted(by_leader)
    ]
    rows += [Row(None, tuple(sorted(by_mark[mark])), (), mark) for mark in sorted(by_mark)]
    led = sum(len(claims) for claims in by_leader.values())
    return RoleBlock(record, led, tuple(rows), tuple(_role_marks(view, record)))


def free_mark(claim: Claim | None) -> str:
    """Why a free claim is free, as far as its last holder told."""
    if claim is None:
        return _NEVER_HELD
    note = claim.note
    if note.poison_s > 0:
        return f"poisoned for {duration_text(note.poison_s)}"
    barred = [f"{e.member} for {duration_text(e.bar_s)}" for e in note.endings if e.bar_s > 0]
    if barred:
        return f"barred: {listed(barred)}"
    if not note.clean and note.lock_delay_s > 0:
        return f"lock delay {duration_text(note.lock_delay_s)}"
    return _LET_GO if note.clean else "lost by its holder"


def _role_marks(view: View, record: RoleRecord) -> list[str]:
    marks = []
    if record.paused:
        marks.append("paused")
    if record.pending is not None:
        marks.append(f"reshaping to {shape_text(record.pending)}")
    older = {
        name: old
        for name, keys in holders(view, record.name).items()
        if (old := sum(key.generation != record.generation for key in keys))
    }
    if older:
        said = listed(f"{count} by {name}" for name, count in older.items())
        marks.append(f"older generation still held: {said}")
    if not candidates(view, record):
        others = declared_otherwise(view, record.name, record.shape)
        marks.append("shape conflict" if others else "no member serves it")
    elif record.open:
        barred, poisoned = bars(view, record)
        lacking = plan(view, record, barred=barred, poisoned=poisoned).unassigned
        if lacking:
            marks.append(f"no capacity for {lacking}")
    return marks
