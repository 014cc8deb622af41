"""One role as this member serves it: what to claim now, what to hand over, and when to look again.

Owns the waiting rules of assignment: everything that counts time on our own clock from what our
own views showed. May not know the store, and decides nothing about who *should* hold what: that
is the plan's, a function of the view alone. Unequal waiting in two members costs time, never
safety, because the store gives each claim to one of them.

* First claim: only after the candidates have been the same for `settle_s` (a fleet that starts
  together shares the work once instead of shuffling it), but no later than five times that.
* Hand over: only to a member that has been present for `settle_s` (a member that comes and goes
  moves nothing), or for `prefer_after_s` where it takes only because it is preferred.
* `lock_delay_s` of the last holder passes first, unless it let go cleanly.
* Bars and poison hold for as long as they say, from when our views first showed them. A bar goes
  on while somebody else holds the claim, so that nobody hands it back to whom it defeated.
* A claim that has been free for `claim_timeout_s` may be taken by anyone with room, one rank after
  another, so that one member that is slow, barred or wrong leaves no shard without a leader. Who
  takes it does not hand it over to that member for some time, doubling: or the shard would be
  without a leader again at once, and over and over while that member is paused.
* A member is known by its name here, not by its session. One whose replies are lost opens session
  after session without ever learning of one: were each a newcomer, it would be handed its share
  again and again, and the fleet would count as one that never settles. Safe because a name decides
  only when to ask; who holds, and who is let act, goes by session and token
  (`test_a_member_that_opens_session_after_session_is_kept_from_what_it_does_not_take`).
* `max_tenure_s` ends a tenure only if somebody else could take over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from coord.config import Role
from coord.core.assignment import (
    Plan,
    candidates,
    claims_with_endings,
    free_claims,
    holdings,
    plan,
)
from coord.core.decision import SETTLE_PATIENCE, Absence, Ask, Decision, Free, Round, Standing
from coord.core.tenures import Tenures
from coord.model import ClaimKey, RoleRecord, View

__all__ = ["Desk"]

_INF = float("inf")


@dataclass(frozen=True, slots=True)
class _Bar:
    """Until when a member is barred from a claim, by an ending that came with this token."""

    token: int
    until_s: float


class Desk:
    """The waiting rules of one role in one member."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.record: RoleRecord | None = None
        self.wake_s = -_INF
        self._view: View | None = None
        self._free: dict[ClaimKey, Free] = {}
        self._bars: dict[tuple[ClaimKey, str], _Bar] = {}
        self._poison_s: dict[ClaimKey, float] = {}
        self._absences: dict[tuple[ClaimKey, str], Absence] = {}
        self._handed: dict[ClaimKey, str] = {}
        self._counts: dict[str, int] = {}
        self._busy_s: dict[str, float] = {}
        self._listed_s: float | None = None
        self._warm = False
        self._crew: frozenset[str] = frozenset()
        self._crew_s = -_INF
        self._opened_s = -_INF
        self._said: dict[str, str] = {}

    @property
    def members(self) -> int:
        """How many members could hold a claim of this role."""
        return len(self._crew)

    def forget_session(self) -> None:
        """A new session is a newcomer: it reads anew and settles before it claims."""
        self._view = None
        self._listed_s = None
        self._warm = False

    def on_view(self, view: View, *, session: str, now: float) -> None:
        """Take in what a newer view shows of this role."""
        if self._view is not None and view.revision == self._view.revision:
            return  # nothing but heartbeats: keep the view that the plans are kept on
        self._view = view
        was_open = self.record is not None and self.record.open
        self.record = record = view.roles.get(self.role.name)
        if record is not None and record.open and not was_open:
            self._opened_s = now
        self._note_free(view, record, now)
        self._note_endings(view, now)
        self._note_takers(view, session, now)
        self._note_busy(view, now)
        serving = candidates(view, record) if record else ()
        crew = frozenset(m.record.name for m in serving)
        if crew != self._crew:
            self._crew, self._crew_s = crew, now
        if self._listed_s is None and any(m.session == session for m in serving):
            self._listed_s = now
        self.wake_s = -_INF

    def _note_free(self, view: View, record: RoleRecord | None, now: float) -> None:
        if record is None:
            self._free = {}
            return
        before = self._free
        after: dict[ClaimKey, Free] = {}
        poison_s: dict[ClaimKey, float] = {}
        untouched = Free(None, now)  # one for all keys that were never claimed: there may be many
        for key, claim in free_claims(view, record):
            free = before.get(key)
            if free is None or free.claim != claim:
                free = untouched if claim is None else Free(claim, now)
            after[key] = free
            if claim is not None and claim.note.poison_s:
                poison_s[key] = free.since_s + claim.note.poison_s
        self._free = after
        self._poison_s = poison_s

    def _note_endings(self, view: View, now: float) -> None:
        """Since when each bar is known here. One that its own holder has just left is a new one."""
        before = self._bars
        after: dict[tuple[ClaimKey, str], _Bar] = {}
        for key, claim in claims_with_endings(view, self.role.name):
            note = claim.note
            for ending in note.endings:
                known = before.get((key, ending.member))
                left_now = claim.session is None and ending.member == note.member
                if known is not None and not (left_now and known.token != claim.token):
                    after[key, ending.member] = known
                elif ending.bar_s > 0:
                    after[key, ending.member] = _Bar(claim.token, now + ending.bar_s)
        self._bars = after

    def _note_takers(self, view: View, session: str, now: float) -> None:
        """Forget absences of members that have taken the claim after all, and those of long ago."""
        for key, name in list(self._absences):
            claim = view.claims.get(key)
            holder = view.members.get(claim.session) if claim and claim.session else None
            over_s = self._absences[key, name].until_s + self.role.bar_max_s
            if now >= over_s or (holder is not None and holder.record.name == name):
                del self._absences[key, name]
        for key in list(self._handed):
            claim = view.claims.get(key)
            if claim is None or claim.session not in (None, session):
                del self._handed[key]

    def _note_busy(self, view: View, now: float) -> None:
        """Who holds more claims of this role than our last view showed."""
        before = self._counts
        self._counts = counts = holdings(view, self.role.name)
        gained = {s: now for s, count in counts.items() if count > before.get(s, 0)}
        kept = {s: at_s for s, at_s in self._busy_s.items() if s in counts}
        self._busy_s = kept | gained

    def decide(self, me: Standing, tenures: Tenures, now: float) -> Decision:
        """What to do now; sets `wake_s` to when to ask again though nothing changed."""
        decision = Decision()
        self.wake_s = _INF
        view, record = self._view, self.record
        if view is None:
            return decision
        if record is None:
            decision.put_role = RoleRecord(
                name=self.role.name, shape=self.role.shape, preferred=self.role.preferred
            )
            return decision
        if self._misfit(record, tenures, decision):
            if record.pending is not None and self._drained(view, record):
                decision.put_role = replace(
                    record, shape=record.pending, generation=record.generation + 1, pending=None
                )
            return decision
        barred, poisoned = self._in_force(now)
        dealt = plan(view, record, barred=barred, poisoned=poisoned)
        this = Round(
            role=self.role,
            me=me,
            view=view,
            record=record,
            dealt=dealt,
            barred=barred,
            poisoned=poisoned,
            free=self._free,
            crew_s=self._crew_s,
            opened_s=self._opened_s,
            busy_s=self._busy_s,
            absences=self._absences,
            handed=self._handed,
            tenures=tenures,
            decision=decision,
            now=now,
        )
        this.hand_over()
        this.end_long_tenures()
        if self._may_claim(me, now):
            this.claim_fresh()
            this.claim_overdue()
        self._at(this.wake_s)
        if this.regressed:
            self._say(decision, "token-regression", this.regressed)
        if self._warm:
            self._say_unassigned(dealt, decision)
        return decision

    # --- whether there is anything to decide -------------------------------------------------

    def _misfit(self, record: RoleRecord, tenures: Tenures, decision: Decision) -> bool:
        """Whether nobody, or not this member, may hold the role now; then asks holders to stop."""
        why = ""
        if record.paused:
            why = "the role is paused"
        elif record.pending is not None:
            why = "the role is being reshaped"
        elif record.shape != self.role.shape:
            why = "the role has another shape"
            self._say(
                decision,
                "shape-conflict",
                f"role {record.name!r} has {record.shape.shards} shards × {record.shape.seats} "
                f"seats in the group; this member declares {self.role.shards} × "
                f"{self.role.seats} and claims nothing. Use `coord reshape`, or declare the same.",
            )
        for tenancy in tenures.of_role(record.name):
            if why or tenancy.key.generation != record.generation:
                decision.asks.append(Ask(tenancy.key, why or "the role has a newer generation"))
        if not why:
            self._said.pop("shape-conflict", None)
        return bool(why)

    @staticmethod
    def _drained(view: View, record: RoleRecord) -> bool:
        return all(
            claim.session is None for key, claim in view.claims.items() if key.role == record.name
        )

    def _may_claim(self, me: Standing, now: float) -> bool:
        if self._warm:
            return True
        if self._listed_s is None:
            return False
        settle = me.timing.settle_s
        due = min(
            max(self._listed_s, self._crew_s) + settle, self._listed_s + SETTLE_PATIENCE * settle
        )
        if now < due:
            self._at(due)
            return False
        self._warm = True
        return True

    def _at(self, when_s: float) -> None:
        self.wake_s = min(self.wake_s, when_s)

    def _in_force(self, now: float) -> tuple[frozenset[tuple[ClaimKey, str]], frozenset[ClaimKey]]:
        """The bars and poisons in force; looks again when the first one ends."""
        barred = {pair: bar.until_s for pair, bar in self._bars.items() if now < bar.until_s}
        poisoned = {key: until_s for key, until_s in self._poison_s.items() if now < until_s}
        self._at(min((*barred.values(), *poisoned.values()), default=_INF))
        return frozenset(barred), frozenset(poisoned)

    # --- saying it once ----------------------------------------------------------------------

    def _say_unassigned(self, dealt: Plan, decision: Decision) -> None:
        if dealt.unassigned:
            self._say(
                decision,
                "unassigned",
                f"role {self.role.name!r}: {dealt.unassigned} claims have no member with capacity. "
                "Add members, or raise max_shards.",
            )
        else:
            self._said.pop("unassigned", None)

    def _say(self, decision: Decision, kind: str, detail: str) -> None:
        if self._said.get(kind) != detail:
            self._said[kind] = detail
            decision.reports.append((kind, detail))
