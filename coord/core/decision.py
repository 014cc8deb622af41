"""One round of deciding about one role: the plan on one side, what we hold on the other.

Owns the comparison, and the waiting that is counted from what our own views showed. Lives for
one call of `Desk.decide`, which keeps whatever must be remembered between two rounds, and may not
know what other roles need. The reasons of each wait stand at the head of `desk.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from coord.config import Role, Timing
from coord.core.assignment import Plan, candidates, rank
from coord.core.endings import opening_note
from coord.core.tenures import Tenures
from coord.model import Claim, ClaimKey, Note, RoleRecord, View
from coord.spi import ClaimRequest

__all__ = ["SETTLE_PATIENCE", "Absence", "Ask", "Decision", "Free", "Round", "Standing"]

SETTLE_PATIENCE = 5
"""How many settling times a fleet that never settles may delay a claim."""
_INF = float("inf")
_NOTHING = Note()


@dataclass(frozen=True, slots=True)
class Standing:
    """What a desk is told of its member each time it decides."""

    session: str
    name: str
    max_shards: int | None
    timing: Timing
    present_since_s: Callable[[str], float]
    most_asked: int
    """How many claims may be on their way at once: what is decided is soon as old as the queue."""
    highest: Mapping[ClaimKey, int]
    """The highest lifted token ever seen of keys whose store has gone back in time."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A held claim whose code should stop."""

    key: ClaimKey
    why: str
    rotates: bool = False
    """Whether it stops for somebody else's turn: its holder then rests."""


@dataclass(slots=True)
class Decision:
    """What a desk wants done now."""

    claims: list[ClaimRequest] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)
    put_role: RoleRecord | None = None
    reports: list[tuple[str, str]] = field(default_factory=list)
    cut: bool = False
    """Whether more is to be asked for as soon as there are answers to what was asked."""


@dataclass(frozen=True, slots=True)
class Absence:
    """A member did not take a claim that was its own to take; we did, and keep it for a while."""

    until_s: float
    times: int


@dataclass(frozen=True, slots=True)
class Free:
    """A free claim (None: never claimed), and since when our views have shown it so."""

    claim: Claim | None
    since_s: float

    @property
    def note(self) -> Note:
        """What its last holder left."""
        return self.claim.note if self.claim is not None else _NOTHING

    @property
    def token(self) -> int:
        """Its last token; 0 if it never had one."""
        return self.claim.token if self.claim is not None else 0

    @property
    def claimable_s(self) -> float:
        """When poison has ended and its resource has had the time that the last holder asks."""
        if self.claim is None:
            return self.since_s
        note = self.claim.note
        return self.since_s + max(note.poison_s, 0.0 if note.clean else note.lock_delay_s)


@dataclass(slots=True)
class _Other:
    """A member that could take over something."""

    name: str
    shards: set[int]
    stuck: tuple[ClaimKey, ...]

    def could_take(self, key: ClaimKey, barred: frozenset[tuple[ClaimKey, str]]) -> bool:
        """Whether it could take this claim."""
        return (
            key.shard not in self.shards
            and key not in self.stuck
            and ((key, self.name) not in barred)
        )


@dataclass(slots=True, kw_only=True)
class Round:
    """All that one round looks at, and what it decides."""

    role: Role
    me: Standing
    view: View
    record: RoleRecord
    dealt: Plan
    barred: frozenset[tuple[ClaimKey, str]]
    poisoned: frozenset[ClaimKey]
    free: Mapping[ClaimKey, Free]
    crew_s: float
    """When the candidates last changed, as our views showed it."""
    opened_s: float
    """When our views first showed the role open again, or at all."""
    busy_s: Mapping[str, float]
    """When each session was last seen to gain claims of this role."""
    absences: dict[tuple[ClaimKey, str], Absence]
    """By claim and member's name, not session: see the head of `desk.py`."""
    handed: dict[ClaimKey, str]
    """For whom our code was asked to let go of a claim that nobody has taken since."""
    tenures: Tenures
    decision: Decision
    now: float
    wake_s: float = _INF
    regressed: str = ""

    def _due(self, when_s: float) -> bool:
        """Whether `when_s` has come; if not, ask to be woken then."""
        if self.now >= when_s:
            return True
        self.wake_s = min(self.wake_s, when_s)
        return False

    def hand_over(self) -> None:
        """Ask the code of claims to stop that the plan gives to a member which can take them."""
        for key, target in self.dealt.moves.get(self.me.session, ()):
            tenancy = self.tenures.at(key)
            if tenancy is None or not tenancy.active:
                continue
            wait_s = self.me.timing.settle_s
            if self._only_preferred(target):
                wait_s = max(wait_s, self.role.prefer_after_s)
            due_s = self.me.present_since_s(target) + wait_s
            name = self._name_of(target)
            absence = self.absences.get((key, name))
            if absence is not None:
                due_s = max(due_s, absence.until_s)
            if self._due(due_s):
                self.decision.asks.append(Ask(key, "another member takes over"))
                self.handed[key] = name

    def _name_of(self, target: str) -> str:
        """Whose session the plan means; it was made from this very view."""
        return self.view.members[target].record.name

    def _only_preferred(self, target: str) -> bool:
        """Whether the target is preferred and this member is not."""
        preferred = self.record.preferred
        return self._name_of(target) in preferred and self.me.name not in preferred

    def end_long_tenures(self) -> None:
        """Rotate what has been held for `max_tenure_s`, or renew it if nobody could take over."""
        limit = self.role.max_tenure_s
        if limit is None:
            return
        others: list[_Other] | None = None
        for tenancy in self.tenures.of_role(self.record.name):
            if not tenancy.active or not self._due(tenancy.renewed_s + limit):
                continue
            others = self._others() if others is None else others
            if any(other.could_take(tenancy.key, self.barred) for other in others):
                self.decision.asks.append(Ask(tenancy.key, "max tenure", rotates=True))
            else:
                tenancy.renewed_s = self.now
                self.wake_s = min(self.wake_s, self.now + limit)

    def _others(self) -> list[_Other]:
        """The settled members that have room for more of this role."""
        settle_s = self.me.timing.settle_s
        found = []
        for member in candidates(self.view, self.record):
            present_s = self.me.present_since_s(member.session)
            if member.session == self.me.session or self.now < present_s + settle_s:
                continue
            claims = self.view.by_session.get(member.session, ())
            shards = {claim.key.shard for claim in claims if claim.key.role == self.record.name}
            limit = member.record.max_shards
            if limit is None or len(shards) < limit:
                found.append(_Other(member.record.name, shards, member.record.stuck))
        return found

    def claim_fresh(self) -> None:
        """Ask for what the plan gives us."""
        for key in self.dealt.fresh.get(self.me.session, ()):
            free = self.free[key]
            if key not in self.tenures and self._due(free.claimable_s):
                self.handed.pop(key, None)  # the plan has changed since: nobody failed to take it
                self._request(key, free)

    def claim_overdue(self) -> None:
        """Ask for what somebody else should have taken by now, if we have room for it."""
        me, fresh = self.me, self.dealt.fresh.get(self.me.session, ())
        crew = [member.session for member in candidates(self.view, self.record)]
        if me.session not in crew or len(self.free) == len(fresh):
            return
        mine = self.tenures.of_role(self.record.name)
        limit = me.max_shards if me.max_shards is not None else self.record.shape.shards
        room = limit - len(mine) - len(self.decision.claims)
        shards = {t.key.shard for t in mine} | {r.key.shard for r in self.decision.claims}
        place, patience_s = crew.index(me.session), me.timing.claim_timeout_s
        for key, free in self.free.items():
            if room <= 0:
                return
            if key.shard in shards or key in self.poisoned or (key, me.name) in self.barred:
                continue
            if self.dealt.owner.get(key) == me.session:
                continue
            wait_s = patience_s * (1 + rank(len(crew), place, key) / len(crew))
            if self._due(self._expected_s(key, free) + wait_s) and self._request(key, free):
                room -= 1
                shards.add(key.shard)
                self._note_absences(key)

    def _note_absences(self, key: ClaimKey) -> None:
        """The member that should have taken this claim did not: do not hand it over at once.

        Nor to the one for whom we let go of it, if the plan names another now that it is free.
        """
        target, handed = self.dealt.owner.get(key), self.handed.pop(key, None)
        names = (self._name_of(target) if target is not None else None, handed)
        for name in dict.fromkeys(names):
            if name is None:
                continue
            before = self.absences.get((key, name))
            times = before.times + 1 if before is not None else 0
            wait_s = min(self.me.timing.ttl_s * 2 ** min(times, 30), self.role.bar_max_s)
            self.absences[key, name] = Absence(self.now + wait_s, times)

    def _expected_s(self, key: ClaimKey, free: Free) -> float:
        """When the member that the plan names should have claimed.

        It may have to settle first, and one that is seen to gain other claims is on its way:
        thousands take a while, and taking them from under it would only have to be undone.
        """
        timing = self.me.timing
        asked_s = max(free.claimable_s, self.opened_s)
        busy_s = self.busy_s.get(self.dealt.owner.get(key, ""), -_INF)
        patience_s = SETTLE_PATIENCE * (timing.settle_s + timing.claim_timeout_s)
        return min(max(asked_s, self.crew_s + timing.settle_s, busy_s), asked_s + patience_s)

    def _request(self, key: ClaimKey, free: Free) -> bool:
        """Ask for one claim, unless the store's tokens have gone back behind what we have seen.

        Or unless enough is on its way. A view waits behind the claims that were asked for before
        it: on a store that takes a few at a time, a member that starts first would else ask for
        thousands before it sees who else is there
        (`test_a_member_that_has_asked_for_much_waits_for_answers_before_it_asks_for_more`).
        """
        if self.tenures.asked + len(self.decision.claims) >= self.me.most_asked:
            self.decision.cut = True
            return False
        last = free.token + self.record.token_base
        highest = self.me.highest.get(key, 0)
        if last < highest:
            self.regressed = (
                f"claim {key}: the store's last token is {last}, yet {highest} was given out "
                "before, so the store has lost data (restored from a backup?). Lift the group's "
                "tokens above it with `coord tokens raise`."
            )
            return False
        note = opening_note(free.claim, self.role, self.me.name)
        request = ClaimRequest(key, free.token, self.record.version, note)
        self.decision.claims.append(request)
        return True
