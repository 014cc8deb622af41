"""How claims are won, adopted, found gone, and given back.

Owns the answers to claim and release requests and the comparing of views with what we hold. May
not know who should hold what (the desks') nor deadlines (the keeper's).

Why reading back is used one way only: a view that shows a claim as ours proves that it was
applied; a view that does not show it proves nothing, because a request that was held on its way
may land after the view was read. So an ambiguous claim is simply forgotten here, and whatever
view shows it as ours, now or much later, has it adopted or released by its token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from coord.core import commands as c
from coord.core import events as e
from coord.core.decision import Ask, Standing
from coord.core.desk import Desk
from coord.core.endings import ended
from coord.core.member import Member
from coord.core.states import SessionPhase, TenurePhase
from coord.core.tenures import Tenancy
from coord.model import Claim, ClaimKey, EndingKind, Note, View
from coord.spi import Claimed, ClaimRequest, Held, Tenure

__all__ = ["ClaimRules"]

_INF = float("inf")
_MOST_BATCHES = 8
"""How many batches of claims are on their way at once; then a newer view has its turn."""


class ClaimRules:
    """The claims of one member."""

    def __init__(self, member: Member) -> None:
        self._m = member
        self._compared = (-1, -1)
        self._cut: set[str] = set()

    # --- deciding ----------------------------------------------------------------------------

    def decide(self, now: float) -> None:
        """Let each desk that has something to decide do so, and carry it out."""
        m = self._m
        session = m.keeper.session
        if session is None or now < m.retry_s:
            return
        standing = None
        for desk in m.desks.values():
            if now < desk.wake_s:
                continue
            standing = standing or Standing(
                session,
                m.name,
                m.max_shards,
                m.timing,
                m.peers.present_since_s,
                _MOST_BATCHES * m.guarantees.batch_size,
                m.highest,
            )
            self._carry_out(desk, standing, now)

    def _carry_out(self, desk: Desk, standing: Standing, now: float) -> None:
        m = self._m
        decision = desk.decide(standing, m.tenures, now)
        for kind, detail in decision.reports:
            m.report(kind, detail)
        for ask in decision.asks:
            self._ask(ask, now)
        if decision.put_role is not None and desk.role.name not in m.putting:
            m.putting.add(desk.role.name)
            m.emit(c.PutRole(decision.put_role))
        if decision.cut:
            self._cut.add(desk.role.name)
        batch = m.guarantees.batch_size
        for start in range(0, len(decision.claims), batch):
            self._request(desk, standing.session, decision.claims[start : start + batch])

    def _request(self, desk: Desk, session: str, requests: list[ClaimRequest]) -> None:
        for request in requests:
            self._m.tenures.request(request.key, desk.role, request.note, session)
        self._m.emit(c.Claim(session, tuple(requests)))

    def _ask(self, ask: Ask, now: float) -> None:
        tenancy = self._m.tenures.at(ask.key)
        if tenancy is None or not self._m.tenures.ask(tenancy, ask.why):
            return
        if ask.rotates:
            tenancy.kind = EndingKind.TENURE
        self._m.stop_term(tenancy, ask.why, now_over=False)
        self._owe_stop(tenancy, now)

    def _owe_stop(self, tenancy: Tenancy, now: float) -> None:
        """Code that was asked to stop owes that, as it owes progress.

        A longer step that was declared before is granted; progress buys no more time.
        """
        due = self._m.attended.reading(now) + tenancy.timeout_s
        if tenancy.due_s == _INF or due > tenancy.due_s:
            self._m.debts.owe(tenancy, due)

    # --- answers -----------------------------------------------------------------------------

    def on_claimed(
        self, command: c.Claim, answers: Sequence[Claimed | Held], event: e.Done
    ) -> None:
        """Each key was won or not, by itself."""
        m = self._m
        for request, answer in zip(command.requests, answers, strict=True):
            tenancy = m.tenures.at(request.key)
            if tenancy is None or not tenancy.awaits(command.session):
                continue
            if isinstance(answer, Held):
                m.tenures.refused(tenancy)
                m.look_at(event.now)
                m.reconsider(request.key.role, event.now + m.timing.claim_timeout_s)
                self._cut.discard(request.key.role)  # our view is old; the next one will tell more
                continue
            m.tenures.won(tenancy, token=answer.token, now=event.now)
            self._begin(tenancy, event.now, asked_s=event.sent_at_s)
        self._ask_for_more(event.now)

    def _ask_for_more(self, now: float) -> None:
        """All that was asked for is ours: go on where a decision was cut short."""
        if not self._m.tenures.asked:
            for role in self._cut:
                self._m.reconsider(role, now)
            self._cut.clear()

    def _begin(self, tenancy: Tenancy, now: float, *, asked_s: float) -> None:
        """Start the term, unless things have changed since we asked."""
        m = self._m
        desk = m.desks.get(tenancy.key.role)
        record = desk.record if desk is not None else None
        lifted = tenancy.token + (record.token_base if record is not None else 0)
        wanted = (
            m.keeper.phase is SessionPhase.LIVE
            and not m.keeper.doubted(now)
            and record is not None
            and record.open
            and record.generation == tenancy.key.generation
            and (record.shape.seats == 1 or not self._leads_twin(tenancy.key, record.shape.seats))
        )
        if lifted <= m.highest.get(tenancy.key, 0):
            m.report("token-regression", f"claim {tenancy.key} was given the old token {lifted}")
            wanted = False
        if not wanted:
            self.give_back(tenancy, None)
            return
        if tenancy.timeout_s != _INF:
            m.debts.owe(tenancy, m.attended.reading(now) + tenancy.timeout_s)
        m.emit(
            c.StartTerm(
                tenancy.number,
                tenancy.key,
                lifted,
                tenancy.role,
                m.keeper.lease,
                asked_s,
            )
        )

    def _leads_twin(self, key: ClaimKey, seats: int) -> bool:
        """Whether this member leads another seat of the shard; a late landing can bring that."""
        twins = (self._m.tenures.at(key._replace(seat=n)) for n in range(seats) if n != key.seat)
        return any(twin is not None and twin.active for twin in twins)

    def give_back(self, tenancy: Tenancy, kind: EndingKind | None) -> None:
        """Its code has stopped, or never began: give the claim back in order."""
        m = self._m
        m.debts.settle(tenancy)
        if m.keeper.phase is SessionPhase.FADING:
            m.tenures.work_ended(tenancy, None)
            return
        m.tenures.work_ended(tenancy, self.last_note(tenancy, kind, clean=True))

    def last_note(self, tenancy: Tenancy, kind: EndingKind | None, *, clean: bool) -> Note:
        """The note that this tenure leaves; says so if it poisons the claim."""
        desk = self._m.desks.get(tenancy.key.role)
        note = ended(
            tenancy.note,
            tenancy.role,
            member=self._m.name,
            kind=kind,
            clean=clean,
            progressed=tenancy.progressed,
            members=desk.members if desk is not None else 1,
        )
        if note.poison_s:
            names = ", ".join(ending.member for ending in note.endings)
            self._m.report(
                "poisoned",
                f"claim {tenancy.key} has defeated {names}: nobody takes it for "
                f"{note.poison_s:g} s. Mend the work; the first progress clears it.",
            )
        return note

    def on_claim_failed(self, command: c.Claim, now: float) -> None:
        """Nobody knows, or nothing was done: a view will tell."""
        for request in command.requests:
            tenancy = self._m.tenures.at(request.key)
            if tenancy is not None and tenancy.awaits(command.session):
                self._m.tenures.refused(tenancy)
            self._m.reconsider(request.key.role, now)
            self._cut.discard(request.key.role)
        self._m.look_at(now)
        self._m.back_off(now)

    # --- giving back -------------------------------------------------------------------------

    def flush(self, now: float) -> None:
        """Send what is to be given back, in batches."""
        m = self._m
        if not m.tenures.unsent or now < m.retry_s or m.keeper.session is None:
            return
        tenures = tuple(m.tenures.to_release())
        for start in range(0, len(tenures), m.guarantees.batch_size):
            m.emit(c.Release(m.keeper.session, tenures[start : start + m.guarantees.batch_size]))

    def on_released(self, command: c.Release) -> None:
        """The store confirmed."""
        self._m.tenures.release_done(command.tenures)
        for desk in self._m.desks.values():
            desk.wake_s = float("-inf")

    def on_release_failed(self, command: c.Release, now: float) -> None:
        """Send it again: releasing twice by token is safe."""
        self._m.tenures.release_failed(command.tenures)
        self._m.back_off(now)

    # --- views -------------------------------------------------------------------------------

    def compare(self, view: View, session: str, *, sent_at_s: float, now: float) -> None:
        """Adopt or release what the view shows as ours; stop what it shows as taken.

        A view that was asked for before a claim was won may not show it yet.
        """
        m = self._m
        seen = (view.revision, m.tenures.changes)
        if seen == self._compared:
            return  # nothing has changed on either side: spare members with many claims
        for claim in view.by_session.get(session, ()):
            if not self._known(claim) and not self._adopted(claim, session, now):
                m.tenures.disown(self._stray(claim))
        for tenancy in m.tenures:
            if tenancy.phase is TenurePhase.CLAIMING or tenancy.phase is TenurePhase.LINGERING:
                continue
            claim_now = view.claims.get(tenancy.key)
            if claim_now is None or claim_now.token < tenancy.token:
                gone = tenancy.since_s <= sent_at_s
            else:
                gone = claim_now.session != session or claim_now.token > tenancy.token
            if gone:
                self._taken(tenancy, "the claim was taken away")
        self._compared = (view.revision, m.tenures.changes)

    def _stray(self, claim: Claim) -> Tenure:
        """What to release: clean unless code of ours has run under this very token."""
        old = self._m.tenures.at(claim.key)
        ran = old is not None and old.token == claim.token
        return Tenure(claim.key, claim.token, replace(claim.note, clean=not ran))

    def _known(self, claim: Claim) -> bool:
        tenancy = self._m.tenures.at(claim.key)
        if tenancy is not None and tenancy.phase is TenurePhase.CLAIMING:
            return True  # its answer is on the way
        if tenancy is not None and tenancy.token == claim.token:
            return tenancy.phase is not TenurePhase.LINGERING
        return self._m.tenures.ended_before(claim)

    def _adopted(self, claim: Claim, session: str, now: float) -> bool:
        m = self._m
        desk = m.desks.get(claim.key.role)
        if desk is None or claim.key in m.tenures or m.keeper.phase is not SessionPhase.LIVE:
            return False
        m.report("adopted", f"claim {claim.key} is ours though its answer was lost")
        tenancy = m.tenures.request(claim.key, desk.role, claim.note, session)
        m.tenures.won(tenancy, token=claim.token, now=now)
        self._begin(tenancy, now, asked_s=now)
        return True

    def _taken(self, tenancy: Tenancy, why: str) -> None:
        if tenancy.active:
            self._m.report("deposed", f"claim {tenancy.key}: {why}")
            self._m.stop_term(tenancy, why, now_over=True)
        self._m.debts.settle(tenancy)
        self._m.tenures.taken(tenancy, why)
