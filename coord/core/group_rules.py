"""What this member does about the group: looks at it, evicts the dead, audits the idle.

Owns when to read the view and the beacons, and what follows from them for others. May not know
deadlines of our own session (the keeper's) nor which claims we want (the desks').
"""

from __future__ import annotations

from collections.abc import Mapping

from coord.config import Role
from coord.core import commands as c
from coord.core import events as e
from coord.core.audit import Suspect
from coord.core.claim_rules import ClaimRules
from coord.core.endings import ended
from coord.core.member import Member
from coord.core.session_rules import SessionRules
from coord.core.states import SessionPhase
from coord.errors import CoordError
from coord.model import EndingKind, View
from coord.spi import BeaconSeen, Tenure

__all__ = ["GroupRules"]

_INF = float("inf")
_OPENING, _LIVE = SessionPhase.OPENING, SessionPhase.LIVE
_COALESCE_S = 0.005


class GroupRules:
    """The group side of one member."""

    def __init__(self, member: Member, session: SessionRules, claims: ClaimRules) -> None:
        self._m = member
        self._session = session
        self._claims = claims

    def wake(self, now: float) -> None:
        """The store says: look again. Wakes that come together make one read."""
        self._m.look_at(now + _COALESCE_S)

    def act(self, now: float) -> float:
        """Evict, say who we are, read and audit, as far as each is due.

        Returns when there is something to do next.
        """
        m = self._m
        keeper, peers, reading = m.keeper, m.peers, m.reading
        if not keeper.renewing and not (keeper.phase is _OPENING and m.duplicate is not None):
            return _INF
        peers.on_lost(m.attended.lost(now), now)
        evict, read = peers.dead(now)
        for observed in evict:
            m.emit(c.Evict(observed))
        session = keeper.session
        tells = session is not None and self._outdated()
        if session is not None and tells and now >= m.retry_s:
            tells, m.updating = False, True  # before the view is read, which then shows it
            m.emit(c.UpdateRecord(session, m.record()))
        wanted = (read or now >= reading.due_s) and now >= reading.retry_s
        if wanted and not reading.outstanding:
            reading.outstanding = True
            reading.due_s = _INF  # a wake from now on asks for another read
            m.emit(c.ReadView())
        audits = session is not None and self._audits(session)
        if audits and now >= m.audit.due_s():
            audits, reading.beacons_outstanding = False, True
            m.audit.asked(now)
            m.emit(c.ReadBeacons())
        due = _INF
        if not reading.outstanding:
            due = max(reading.retry_s, min(reading.due_s, peers.next_due_s()))
        if audits:
            due = min(due, m.audit.due_s())
        return min(due, m.retry_s) if tells else due

    def _outdated(self) -> bool:
        """Whether the store does not have our record as it is now, nor is being told."""
        m = self._m
        record = m.record()
        return record is not m.sent_record and record != m.sent_record and not m.updating

    def _audits(self, session: str) -> bool:
        m = self._m
        view = m.reading.view
        return (
            m.keeper.phase is _LIVE
            and view is not None
            and not m.reading.beacons_outstanding
            and m.audit.is_auditor(view, session)
        )

    # --- views -------------------------------------------------------------------------------

    def on_view(self, event: e.Done, view: View) -> None:
        """Take in a view, unless a later one was taken in before."""
        m, now = self._m, event.now
        m.reading.outstanding = False
        m.look_at(now + m.peers.refresh_s())
        if event.sent_at_s < m.reading.sent_at_s:
            return
        self._remember_tokens(view)
        m.reading.view, m.reading.sent_at_s = view, event.sent_at_s
        session = m.keeper.session
        m.peers.on_lost(m.attended.lost(now), now)
        m.peers.on_view(view, own=session, sent_at_s=event.sent_at_s, now=now)
        self._session.judge_duplicate(now)
        if session is None or not m.keeper.renewing:
            return
        if session not in view.members:
            if event.sent_at_s >= m.keeper.live_since_s:
                self._session.doubt(now, "the store does not know our session any more", lost=True)
            return
        for desk in m.desks.values():
            desk.on_view(view, session=session, now=now)
        self._claims.compare(view, session, sent_at_s=event.sent_at_s, now=now)

    def _remember_tokens(self, view: View) -> None:
        """A store that went back in time must not make us lead under a token given out before."""
        m = self._m
        before = m.reading.view
        if before is None or view.revision >= before.revision:
            return
        for key, claim in before.claims.items():
            role = before.roles.get(key.role)
            lifted = claim.token + (role.token_base if role is not None else 0)
            m.highest[key] = max(m.highest.get(key, 0), lifted)
        m.report("store-went-back", "the store shows an older state than before: restored?")

    def on_view_failed(self, error: CoordError, now: float) -> None:
        """Say so and try again."""
        m = self._m
        m.reading.outstanding = False
        m.reading.retry_s = now + m.timing.rpc_timeout_s * (0.5 + m.jitter())
        m.look_at(m.reading.retry_s)
        m.report("store-unavailable", f"reading the group: {error}")

    # --- evicting and deposing ---------------------------------------------------------------

    def on_evicted(self, command: c.Evict, *, gone: bool, now: float) -> None:
        """The store answered an eviction."""
        if gone:
            self._m.report("evicted", f"session {command.observed.session} is dead")
            self._m.look_at(now)
        else:
            self._m.peers.not_dead(command.observed, now)

    def on_beacons(self, beacons: Mapping[str, BeaconSeen], now: float) -> None:
        """Depose whoever is proven idle."""
        m = self._m
        m.reading.beacons_outstanding = False
        if m.keeper.session is None:
            return
        for suspect in m.audit.on_beacons(beacons, own=m.keeper.session, now=now):
            self._depose(suspect)

    def _depose(self, suspect: Suspect) -> None:
        m, view = self._m, self._m.reading.view
        holder = view.members.get(suspect.session) if view is not None else None
        claim = view.claims.get(suspect.key) if view is not None else None
        if holder is None or claim is None or claim.token != suspect.token:
            return
        desk = m.desks.get(suspect.key.role)
        note = ended(
            claim.note,
            desk.role if desk is not None else Role(suspect.key.role),
            member=holder.record.name,
            kind=EndingKind.WEDGED,
            clean=False,
            progressed=False,
            members=desk.members if desk is not None else len(view.members) if view else 1,
        )
        m.report("deposing", f"{holder.record.name} holds {suspect.key} and makes no progress")
        m.emit(c.Depose(Tenure(suspect.key, suspect.token, note)))
