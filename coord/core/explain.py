"""Why does who lead, or nobody: one view, put into plain words.

Owns the reasons, their codes and their wording. Decides nothing. May not know any member's
waiting: bars, settling and delays are counted by each member on its own clock from when it first
saw their cause, so they are told as lengths and rules, never as a time that is left.

It reads the plan that the members themselves compute from this view. Bars and poison that stand on
free claims are taken to be in force: a reader that comes once cannot know their age.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from coord.core.assignment import Plan, candidates, plan
from coord.core.facts import bars, declared_otherwise, holders, overdue_keys
from coord.core.wording import duration_text, ending_text, held_text, listed, shape_text
from coord.model import Beacon, Claim, ClaimKey, LiveMember, RoleRecord, View

__all__ = [
    "Code",
    "Explanation",
    "Reason",
    "SeatAnswer",
    "explain",
]


class Code(StrEnum):
    """What a reason is about; stable, for programs."""

    ROLE_UNKNOWN = "role-unknown"
    SHARD_UNKNOWN = "shard-unknown"
    PAUSED = "paused"
    RESHAPING = "reshaping"
    NO_MEMBERS = "no-members"
    NOT_SERVED = "not-served"
    SHAPE_CONFLICT = "shape-conflict"
    DRAINING = "draining"
    PREFERENCE = "preference"
    HELD = "held"
    HOLDER_GONE = "holder-gone"
    HOLDER_SILENT = "holder-silent"
    OVERDUE = "overdue"
    STOPPING = "stopping"
    MOVING = "moving"
    STAYS = "stays"
    POISONED = "poisoned"
    BARRED = "barred"
    ENDINGS = "endings"
    LOCK_DELAY = "lock-delay"
    LAST_HOLDER = "last-holder"
    NEVER_HELD = "never-held"
    ASSIGNED = "assigned"
    ALL_BARRED = "all-barred"
    NO_CAPACITY = "no-capacity"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: a code for programs, a sentence for people, and what to do if anything."""

    code: Code
    text: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class SeatAnswer:
    """One seat: its leader and token (as users see it; the last one while it is free), and why."""

    key: ClaimKey
    leader: str | None
    token: int
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The answer about a role, or one shard of it. `reasons` hold for all of its seats."""

    role: str
    record: RoleRecord | None
    reasons: tuple[Reason, ...]
    seats: tuple[SeatAnswer, ...]

    @property
    def led(self) -> bool:
        """Whether each seat that was asked about has a leader."""
        return bool(self.seats) and all(seat.leader is not None for seat in self.seats)


@dataclass(frozen=True, slots=True)
class _Scene:
    """What the reasons about seats are read from."""

    view: View
    record: RoleRecord
    dealt: Plan
    crew: tuple[LiveMember, ...]
    in_crew: frozenset[str]
    barred: frozenset[tuple[ClaimKey, str]]
    overdue: frozenset[tuple[str, ClaimKey]]
    now: float | None

    def name(self, session: str) -> str:
        """The member behind a session."""
        member = self.view.members.get(session)
        return member.record.name if member is not None else f"session {session}"


def explain(
    view: View,
    role: str,
    shard: int | None = None,
    *,
    beacons: Mapping[str, Beacon] | None = None,
    now: float | None = None,
) -> Explanation:
    """Say who leads each seat of `role` (of one `shard`, if given), and why.

    `beacons` (by session) adds what members admit to be late with; `now`, on the clock that the
    view was read with, adds who has fallen silent. True of the moment the view was read.
    """
    record = view.roles.get(role)
    if record is None:
        return Explanation(role=role, record=None, reasons=(_unknown_role(view, role),), seats=())
    reasons = list(_about_role(view, record))
    if shard is not None and not 0 <= shard < record.shape.shards:
        text = f"the role has {shape_text(record.shape)}: 0 to {record.shape.shards - 1}"
        reasons.insert(0, Reason(Code.SHARD_UNKNOWN, text))
        return Explanation(role=role, record=record, reasons=tuple(reasons), seats=())
    scene = _scene(view, record, beacons or {}, now)
    keys = [key for key in record.claim_keys() if shard is None or key.shard == shard]
    keys.sort(key=lambda key: (key.shard, key.seat))
    seats = tuple(_seat(scene, key) for key in keys)
    return Explanation(role=role, record=record, reasons=tuple(reasons), seats=seats)


def _scene(
    view: View, record: RoleRecord, beacons: Mapping[str, Beacon], now: float | None
) -> _Scene:
    barred, poisoned = bars(view, record)
    crew = tuple(candidates(view, record))
    return _Scene(
        view=view,
        record=record,
        dealt=plan(view, record, barred=barred, poisoned=poisoned),
        crew=crew,
        barred=barred,
        overdue=overdue_keys(beacons),
        now=now,
        in_crew=frozenset(member.session for member in crew),
    )


# --- about a role ----------------------------------------------------------------------------


def _unknown_role(view: View, role: str) -> Reason:
    known = listed(sorted(view.roles)) if view.roles else "none"
    return Reason(
        Code.ROLE_UNKNOWN,
        f"group {view.group} has no record of role {role}; known roles: {known}",
        "The first member that serves a role makes its record: check the name, and start one.",
    )


def _about_role(view: View, record: RoleRecord) -> Iterator[Reason]:
    name, held = record.name, holders(view, record.name)
    if record.paused:
        yield Reason(
            Code.PAUSED,
            f"the role is paused: nobody may lead it; {held_text(held)}",
            f"`coord resume URL {name}` lets it be led again.",
        )
    if record.pending is not None:
        yield Reason(
            Code.RESHAPING,
            f"the role is being reshaped from {shape_text(record.shape)} to "
            f"{shape_text(record.pending)}: nobody claims until generation {record.generation} "
            f"is free; {held_text(held)}",
        )
    serving = [m for m in view.members.values() if name in m.record.roles]
    if not view.members:
        yield Reason(Code.NO_MEMBERS, "no member is live in this group", "Start one.")
    elif not serving:
        names = listed(sorted(m.record.name for m in view.members.values()))
        yield Reason(
            Code.NOT_SERVED,
            f"no live member serves the role (live: {names})",
            "Start a member that serves it.",
        )
    yield from _about_members(view, record)


def _about_members(view: View, record: RoleRecord) -> Iterator[Reason]:
    others = declared_otherwise(view, record.name, record.pending or record.shape)
    if others:
        said = listed(f"{name} declares {shape_text(other)}" for name, other in others.items())
        wanted = shape_text(record.pending or record.shape)
        yield Reason(
            Code.SHAPE_CONFLICT,
            f"{said}, where the group has {wanted}: such a member claims nothing",
            f"Restart it with {wanted}, or reshape the role.",
        )
    serving = [m.record for m in view.members.values() if record.name in m.record.roles]
    draining = sorted(r.name for r in serving if r.draining)
    if draining:
        yield Reason(
            Code.DRAINING,
            f"draining, so given nothing more and handing over: {listed(draining)}",
        )
    if record.preferred:
        able = {r.name for r in serving if not r.draining}
        said = listed(p if p in able else f"{p} (not there)" for p in record.preferred)
        yield Reason(Code.PREFERENCE, f"preferred for this role: {said}")


# --- about a seat ----------------------------------------------------------------------------


def _seat(scene: _Scene, key: ClaimKey) -> SeatAnswer:
    claim = scene.view.claims.get(key)
    if claim is None or claim.session is None:
        token = claim.token + scene.record.token_base if claim is not None else 0
        return SeatAnswer(key, None, token, tuple(_about_free(scene, key, claim)))
    token = claim.token + scene.record.token_base
    reasons = (
        Reason(Code.HELD, f"held by {scene.name(claim.session)} since token {token}"),
        *_about_holder(scene, claim, claim.session),
        *_about_endings(claim),
    )
    return SeatAnswer(key, scene.name(claim.session), token, reasons)


def _about_holder(scene: _Scene, claim: Claim, session: str) -> Iterator[Reason]:
    member, name = scene.view.members.get(session), scene.name(session)
    expires = member.expires_at_s if member is not None else None
    if member is None or member.gone:
        text = f"the process of {name} is gone: a peer evicts its session at once"
        yield Reason(Code.HOLDER_GONE, text)
    elif scene.now is not None and expires is not None and scene.now > expires:
        late = duration_text(round(scene.now - expires, 1))
        text = f"{name} has not renewed: its session expired {late} ago, a peer evicts it"
        yield Reason(Code.HOLDER_SILENT, text)
    if (session, claim.key) in scene.overdue:
        yield Reason(
            Code.OVERDUE,
            f"{name} owes progress and is late: peers depose it if that goes on",
            "Look at what its code waits for.",
        )
    if not scene.record.open:
        text = "its code has been asked to stop; the claim is free once it has"
        yield Reason(Code.STOPPING, text)
    else:
        yield _stays_or_moves(scene, claim.key, session)


def _stays_or_moves(scene: _Scene, key: ClaimKey, session: str) -> Reason:
    name, target = scene.name(session), scene.dealt.owner.get(key)
    if target == session or (target is None and session in scene.in_crew):
        preferred = name in scene.record.preferred
        why = "it is preferred" if preferred else "who holds keeps, within its share"
        return Reason(Code.STAYS, f"it stays with {name}: {why}")
    if session not in scene.in_crew:
        why = f"{name} does not serve the role in its shape, or is leaving"
    elif scene.name(target or "") in scene.record.preferred:
        why = f"{scene.name(target or '')} is preferred"
    else:
        why = f"{name} has more than its share, or shares a zone with another seat"
    to = f"to {scene.name(target)}" if target is not None else "to nobody yet"
    return Reason(Code.MOVING, f"to be handed over {to}: {why}")


def _about_endings(claim: Claim) -> Iterator[Reason]:
    if claim.note.endings:
        said = listed(ending_text(ending) for ending in claim.note.endings)
        text = f"ended here without progress since: {said}; the first progress clears that"
        yield Reason(Code.ENDINGS, text)


def _about_free(scene: _Scene, key: ClaimKey, claim: Claim | None) -> Iterator[Reason]:
    if claim is not None:
        yield from _about_note(claim, scene.record)
    else:
        yield Reason(Code.NEVER_HELD, "nobody has held it yet")
    if not scene.record.open or not scene.crew:
        return  # said of the role already
    if claim is not None and claim.note.poison_s > 0:
        return
    target = scene.dealt.owner.get(key)
    if target is not None:
        yield Reason(
            Code.ASSIGNED,
            f"assigned to {scene.name(target)}, which claims it once its view has settled; "
            "later any member with room may",
        )
    elif any((key, member.record.name) in scene.barred for member in scene.crew):
        yield Reason(
            Code.ALL_BARRED, "whoever has room for it is barred: it waits for the first bar to end"
        )
    else:
        yield _no_capacity(scene)


def _no_capacity(scene: _Scene) -> Reason:
    said = []
    for member in scene.crew:
        claims = scene.view.by_session.get(member.session, ())
        held = sum(claim.key.role == scene.record.name for claim in claims)
        limit = member.record.max_shards
        at_most = f" of at most {limit}" if limit is not None else ""
        said.append(f"{member.record.name} holds {held}{at_most}")
    return Reason(
        Code.NO_CAPACITY,
        f"no member has room for it: {listed(said)}; seats of one shard need different members",
        "Add members, or raise max_shards.",
    )


def _about_note(claim: Claim, record: RoleRecord) -> Iterator[Reason]:
    note, token = claim.note, claim.token + record.token_base
    if note.poison_s > 0:
        yield Reason(
            Code.POISONED,
            f"poisoned: nobody takes it for {duration_text(note.poison_s)} from when it was let "
            f"go, for it has defeated {listed(ending_text(e) for e in note.endings)}",
            "Mend the work; the first progress clears it.",
        )
    barred = [e for e in note.endings if e.bar_s > 0]
    if barred:
        said = listed(f"{ending_text(e)} for {duration_text(e.bar_s)}" for e in barred)
        yield Reason(Code.BARRED, f"barred from when it was let go: {said}")
    if not note.clean and note.lock_delay_s > 0:
        yield Reason(
            Code.LOCK_DELAY,
            f"{note.member or 'its last holder'} did not let go in order: its lock delay of "
            f"{duration_text(note.lock_delay_s)} passes first",
        )
    if note.member and claim.token:
        how = "let go in order" if note.clean else "was lost or deposed"
        text = f"last held by {note.member} under token {token}, which {how}"
        yield Reason(Code.LAST_HOLDER, text)
