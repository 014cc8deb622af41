"""What happens to a member when its session opens, is doubted, and closes.

Owns the order of giving up: stop the work, wait for it or for the deadline, end all trust, only
then close. May not know why a claim is held. See `keeper.py` for the rules and their reasons.
"""

from __future__ import annotations

from coord.core import commands as c
from coord.core import events as e
from coord.core.commands import Opened
from coord.core.member import Duplicate, Member
from coord.core.states import SessionPhase, SessionSignal, TenurePhase
from coord.errors import (
    Certainty,
    ConfigError,
    CoordError,
    DuplicateMember,
    InternalError,
    StoreError,
    StoreRefused,
    UsageError,
)
from coord.model import Beacon, Overdue
from coord.spi import Proof

__all__ = ["SessionRules"]

_EMPTY_BEACON = Beacon().to_bytes()


class SessionRules:
    """The session side of one member."""

    def __init__(self, member: Member) -> None:
        self._m = member
        self._said_silent = ""
        self._said_short = False
        self._fits = (0.0, 0.0)
        """The granted ttl and the lag that were last found to fit the budget."""

    # --- opening -----------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """The user wants in."""
        self._m.keeper.signal(SessionSignal.START)
        self._m.keeper.open_due_s = now

    def open(self, now: float) -> None:
        """Ask for a session when it is time to."""
        keeper = self._m.keeper
        if keeper.requested or now < keeper.open_due_s:
            return
        keeper.requested = True
        self._m.sent_record = self._m.record()
        self._m.emit(c.OpenSession(self._m.sent_record, self._m.timing.ttl_s))

    def on_opened(self, opened: Opened, now: float) -> None:
        """The store gave us a session, perhaps with another ttl than we asked for."""
        keeper = self._m.keeper
        keeper.requested = False
        self._m.proven_session = opened.session
        if keeper.phase is not SessionPhase.OPENING:  # stopped meanwhile
            self._m.emit(c.CloseSession(opened.session))
            return
        try:
            self._m.timing.check_budget(ttl_s=opened.ttl_s, lag_s=opened.proof.lag_s)
        except ConfigError as error:
            self._m.emit(c.CloseSession(opened.session))
            self._give_in(error)
            return
        keeper.signal(SessionSignal.OPENED)
        keeper.opened(opened, now)
        self._said_short = False
        self._m.ever_live = True
        self._m.duplicate = None
        self._m.updating = False
        self._m.look_at(now)

    def on_open_failed(self, error: CoordError, now: float) -> None:
        """Try again if that can help; say so."""
        keeper = self._m.keeper
        keeper.requested = False
        if keeper.phase is SessionPhase.CLOSING:
            keeper.signal(SessionSignal.FINISH)
        if keeper.phase is not SessionPhase.OPENING:
            return
        if not (isinstance(error, StoreError) and error.certainty is Certainty.NOT_APPLIED):
            self._m.new_incarnation()
        if isinstance(error, DuplicateMember):
            self._meet_duplicate(error, now)
        elif isinstance(error, UsageError) or (
            isinstance(error, StoreRefused) and not self._m.ever_live
        ):
            self._give_in(error)
            return
        else:
            self._m.report("store-unavailable", f"opening a session: {error}")
        keeper.backoff(now)

    def _meet_duplicate(self, error: DuplicateMember, now: float) -> None:
        if error.session == self._m.unclosed:
            self._m.unclosed = ""
            self._m.emit(c.CloseSession(error.session))
        known = self._m.duplicate
        if known is None or known.session != error.session:
            since_s = self._m.attended.reading(now)
            self._m.duplicate = Duplicate(error.session, since_s, error)
            self._m.report("waiting-for-name", str(error))
        self._m.look_at(now)

    def judge_duplicate(self, now: float) -> None:
        """Whether the other session that carries our name still heartbeats.

        Two newer heartbeats prove it alive: one may have been on its way when its process died.
        Stores that do not show heartbeats prove it by time: it outlived its ttl, on the attended
        clock, because a pause of ours proves nothing about others.

        If it is ours, it is one of two. A ghost, left by an opening whose answer was lost, proves
        that this opening has landed, so that we may open under its incarnation again, which ends
        it. A session that we knew before proves nothing new: another opening of its incarnation
        may still be on its way, and would end the session that we open; so it has to expire.
        """
        known, view = self._m.duplicate, self._m.reading.view
        keeper = self._m.keeper
        if keeper.phase is not SessionPhase.OPENING or keeper.requested:
            return
        if known is None or view is None:
            return
        other = view.members.get(known.session)
        if other is None:
            keeper.open_due_s = min(keeper.open_due_s, now)
            return
        if self._m.is_ours(other.record.incarnation):
            if other.session != self._m.proven_session:
                self._m.lay_ghost(other.session, other.record.incarnation)
                keeper.open_due_s = min(keeper.open_due_s, now)
            return
        if known.first_seq is None:
            known.first_seq = other.seq
        timing = self._m.timing
        waited_s = self._m.attended.reading(now) - known.since_s
        outlived = waited_s > 2 * other.ttl_s * (1 + timing.drift) + timing.heartbeat_s
        shown = self._m.guarantees.peers_evict
        if other.seq >= known.first_seq + 2 or (outlived and not shown):
            self._give_in(known.error)

    def _give_in(self, error: CoordError) -> None:
        self._m.keeper.stopping = True
        self._m.keeper.signal(SessionSignal.FINISH)
        self._m.fail(error)

    # --- renewing ----------------------------------------------------------------------------

    def pulse(self, now: float) -> None:
        """Send a heartbeat if one is due and we deserve it."""
        m = self._m
        keeper = m.keeper
        ticked_s, seen_s = m.last_tick_s, self._seen_s()
        fresh_until_s = seen_s + m.peers.refresh_s()
        attentive_s = ticked_s if ticked_s < fresh_until_s else fresh_until_s
        if keeper.beat_now(now, attentive_s) and keeper.session is not None:
            m.emit(c.Heartbeat(keeper.session, self._beacon()))
        patience_s = m.timing.control_timeout_s
        if now - attentive_s <= patience_s:
            self._said_silent = ""
            return
        kind = why = ""
        if keeper.renewing and now - ticked_s > patience_s:
            kind, why = (
                "control-silent",
                f"the control thread has not ticked for {now - ticked_s:.3g} s",
            )
        elif keeper.renewing and now - fresh_until_s > patience_s:
            kind, why = "view-stale", f"the group could not be read for {now - seen_s:.3g} s"
        if kind and kind != self._said_silent:
            self._m.report(kind, f"{why}: heartbeats stop until that is over")
        self._said_silent = kind

    def _seen_s(self) -> float:
        """Since when our picture of the group may be out of date."""
        return max(self._m.reading.sent_at_s, self._m.keeper.live_since_s)

    def _beacon(self) -> bytes:
        late = self._m.tenures.late
        if not late:
            return _EMPTY_BEACON
        overdue = (Overdue(t.key, t.token, t.count) for t in late.values())
        return Beacon(overdue=tuple(overdue)).to_bytes()

    def on_beat(self, event: e.Done, proof: Proof) -> None:
        """A heartbeat was acknowledged. Its lag may be more than was known at the opening."""
        self._m.keeper.beat_proven(proof, event.now)
        if (proof.ttl_s, proof.lag_s) == self._fits:
            return
        try:
            self._m.timing.check_budget(ttl_s=proof.ttl_s, lag_s=proof.lag_s)
            self._fits = (proof.ttl_s, proof.lag_s)
        except ConfigError as error:
            if not self._said_short:
                self._said_short = True
                self._m.report("trust-is-short", str(error))

    def on_beat_failed(self, command: c.Heartbeat, error: CoordError, now: float) -> None:
        """A heartbeat was not: the deadline stays where it is."""
        if command.session == self._m.keeper.session:
            self._m.keeper.beat_failed(now)
            self._m.report("heartbeat-failed", str(error))

    # --- giving up and closing ---------------------------------------------------------------

    def doubt(self, now: float, why: str, *, lost: bool) -> None:
        """Give the session up for good; `lost` when the store itself says that it is over."""
        m = self._m
        if m.keeper.renewing:
            m.keeper.signal(SessionSignal.DOUBT)
        elif not (lost and m.keeper.phase is SessionPhase.FADING):
            return
        m.report("session-lost" if lost else "session-given-up", why)
        if lost:
            m.keeper.lease.revoke()
        for tenancy in m.tenures:
            if tenancy.phase is TenurePhase.LINGERING:
                continue
            if tenancy.active and not lost:
                if m.tenures.ask(tenancy, why):
                    m.stop_term(tenancy, why, now_over=False)
                continue
            if tenancy.active:
                m.stop_term(tenancy, why, now_over=True)
            m.tenures.taken(tenancy, why)

    def wind_down(self, now: float) -> None:
        """Close once no work runs under the session, or its trust has ended by itself."""
        m = self._m
        if m.keeper.phase is SessionPhase.LEAVING:
            if m.tenures.quiet:
                self._close()
            return
        if m.tenures.active and now < m.keeper.lease.trusted_until_s:
            return
        for tenancy in m.tenures:
            if tenancy.active:
                m.stop_term(tenancy, tenancy.why, now_over=True)
                m.tenures.taken(tenancy, tenancy.why)
        self._close()

    def _close(self) -> None:
        """End all trust first: the close frees the claims."""
        keeper = self._m.keeper
        session = keeper.session
        keeper.signal(SessionSignal.QUIET)
        keeper.forget()
        if session is None:
            raise InternalError("a session that was live has no id")
        self._m.emit(c.CloseSession(session))

    def on_unclosed(self, command: c.CloseSession, now: float) -> None:
        """The store may still have it: if it stands in our own way, it is closed again.

        Why that is safe whenever it lands: all trust in it ended before it was first closed, and
        nobody will ever hold anything under its id again. Why it matters: a store that had no
        quorum when we gave up may renew all leases when it has one (etcd does), and then the whole
        fleet would wait for its own former names.
        `test_a_member_whose_own_session_outlived_its_close_closes_it_again`.
        """
        self._m.unclosed = command.session
        self.on_closed(now)

    def on_closed(self, now: float) -> None:
        """The session is closed as well as could be: the next one, or the end."""
        m = self._m
        if m.keeper.phase is not SessionPhase.CLOSING:
            return
        if m.keeper.stopping:
            m.keeper.signal(SessionSignal.FINISH)
            return
        m.tenures.forget_session()
        for desk in m.desks.values():
            desk.forget_session()
        m.keeper.signal(SessionSignal.REOPEN)
        m.keeper.open_due_s = now

    def stop(self, now: float) -> None:
        """The user wants out."""
        keeper = self._m.keeper
        keeper.stopping = True
        if keeper.phase is SessionPhase.IDLE:
            keeper.signal(SessionSignal.FINISH)
        elif keeper.phase is SessionPhase.OPENING:
            keeper.signal(SessionSignal.STOP)
            if not keeper.requested:
                keeper.signal(SessionSignal.FINISH)
        elif keeper.phase is SessionPhase.LIVE:
            keeper.signal(SessionSignal.STOP)
            for tenancy in self._m.tenures:
                if self._m.tenures.ask(tenancy, "the member stops"):
                    self._m.stop_term(tenancy, "the member stops", now_over=False)
