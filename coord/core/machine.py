"""One member: an event goes in, commands come out.

Owns which part of the core hears of which event, and when the next wake is. Holds no rule of its
own and may not know threads, clocks, stores, logs or randomness (`jitter` is passed in, a number
in [0, 1)).

After a step, `wake_s` says when the next `Tick` is due and `pulse_s` when the next `Pulse` is.
Either lies in the future, or a command is outstanding; a machine that asks to be woken at once for
ever would starve its own driver (a prototype did).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from coord.config import Timing
from coord.core import commands as c
from coord.core import events as e
from coord.core.claim_rules import ClaimRules
from coord.core.desk import Desk
from coord.core.group_rules import GroupRules
from coord.core.member import Member
from coord.core.session_rules import SessionRules
from coord.core.states import SessionPhase
from coord.core.work_rules import WorkRules
from coord.errors import InternalError, SessionLost, StoreConflict
from coord.model import MemberRecord, View
from coord.spi import BeaconSeen, Claimed, Guarantees, Held, Proof

__all__ = ["Machine"]

_INF = float("inf")
_IDLE, _OPENING, _LIVE = SessionPhase.IDLE, SessionPhase.OPENING, SessionPhase.LIVE
_LEAVING, _FADING, _STOPPED = SessionPhase.LEAVING, SessionPhase.FADING, SessionPhase.STOPPED
"""The phases by a name of this file: an `Enum` looks its members up in Python, at each step."""
_QUIET = frozenset({e.Tick, e.Pulse, e.Done})
"""What, handled without settling, brings nothing forward: early ticks, heartbeats, their proofs."""


class Machine:
    """The rules of one member, put together. Not thread-safe: its driver serialises the steps."""

    def __init__(
        self,
        record: MemberRecord,
        timing: Timing,
        guarantees: Guarantees,
        jitter: Callable[[], float],
    ) -> None:
        self.member = m = Member(record, timing, guarantees, jitter)
        self._session = SessionRules(m)
        self._claims = ClaimRules(m)
        self._work = WorkRules(m, self._claims)
        self._group = GroupRules(m, self._session, self._claims)
        self.wake_s = -_INF
        self._quiet_until_s = -_INF
        self._handlers: dict[type[e.Event], Callable[[Any], bool | None]] = {
            e.Start: self._on_start,
            e.Tick: self._on_tick,
            e.Pulse: self._on_pulse,
            e.Wake: self._on_wake,
            e.Done: self._on_done,
            e.Failed: self._on_failed,
            e.RoleServed: self._on_role_served,
            e.RoleDropped: self._on_role_dropped,
            e.StopAsked: self._on_stop_asked,
            e.WorkBegan: self._on_work_began,
            e.WorkRested: self._on_work_rested,
            e.ManyBegan: self._on_many_began,
            e.ManyRested: self._on_many_rested,
            e.WorkProgressed: self._work.progressed,
            e.WorkEnded: self._on_work_ended,
        }
        self._done: dict[type[c.StoreCommand], Callable[[Any, e.Done], None]] = {
            c.OpenSession: self._done_open,
            c.Heartbeat: self._done_heartbeat,
            c.Claim: self._done_claim,
            c.Release: lambda command, _: self._claims.on_released(command),
            c.Amend: lambda command, event: self._work.on_amended(command, event.now),
            c.UpdateRecord: self._done_update,
            c.CloseSession: lambda _, event: self._session.on_closed(event.now),
            c.ReadView: lambda _, event: self._group.on_view(event, cast("View", event.value)),
            c.ReadBeacons: self._done_beacons,
            c.Evict: self._done_evict,
            c.Depose: lambda _, event: m.look_at(event.now),
            c.PutRole: self._done_put_role,
        }
        self._failed: dict[type[c.StoreCommand], Callable[[Any, e.Failed], None]] = {
            c.OpenSession: lambda _, event: self._session.on_open_failed(event.error, event.now),
            c.Heartbeat: self._failed_heartbeat,
            c.Claim: lambda command, event: self._claims.on_claim_failed(command, event.now),
            c.Release: lambda command, event: self._claims.on_release_failed(command, event.now),
            c.Amend: lambda command, event: self._work.on_amend_failed(command, event.now),
            c.UpdateRecord: self._failed_update,
            c.CloseSession: lambda command, event: self._session.on_unclosed(command, event.now),
            c.ReadView: lambda _, event: self._group.on_view_failed(event.error, event.now),
            c.ReadBeacons: self._failed_beacons,
            c.Evict: self._failed_evict,
            c.Depose: lambda _, event: m.look_at(event.now),
            c.PutRole: self._failed_put_role,
        }

    @property
    def phase(self) -> SessionPhase:
        """Where the member stands with its session."""
        return self.member.keeper.phase

    @property
    def pulse_s(self) -> float:
        """When the next `Pulse` is due; infinite while none is."""
        return self.member.keeper.pulse_s

    def step(self, event: e.Event) -> Sequence[c.Command]:
        """Take in one event; return what to do, in this order."""
        kind = type(event)
        handler = self._handlers.get(kind)
        if handler is None:
            raise InternalError(f"no handler for {kind.__name__}")
        if handler(event):
            self._settle(event.now)
        elif kind not in _QUIET:
            self._quiet_until_s = -_INF
        return self.member.take()

    # --- after an event that may have changed much -------------------------------------------

    def _settle(self, now: float) -> None:
        """Decide what follows. Only ever called with events of the control thread."""
        keeper = self.member.keeper
        self.member.attended.attend(now)  # all that is due is judged by it
        if keeper.doubted(now):
            self._session.doubt(now, "no heartbeat was acknowledged in time", lost=False)
        if keeper.renewing:
            self._work.judge_late()
            self._work.drop_old_bars(now)
            if keeper.phase is _LIVE:
                self._claims.decide(now)
            self._claims.flush(now)
        if keeper.phase is _LEAVING or keeper.phase is _FADING:
            self._session.wind_down(now)
        if keeper.phase is _OPENING:
            self._session.open(now)
        self._quiet_until_s = self._next_due_s(now, self._group.act(now))
        self._ask_for_tick()

    def _ask_for_tick(self) -> None:
        """When something is due, or when silence would be mistaken for a stuck thread.

        While there is a session, is to be one or was one: a leap of the clock is known from a tick
        that came late, and who has just given a session up still judges its peers by the time it
        was awake (`test_a_clock_that_leaps_while_a_session_is_given_up_makes_nobody_seem_dead`).
        """
        m = self.member
        wake_s, phase = self._quiet_until_s, m.keeper.phase
        if phase is not _IDLE and phase is not _STOPPED:
            next_s = m.last_tick_s + m.timing.heartbeat_s
            wake_s = next_s if next_s < wake_s else wake_s
        self.wake_s = wake_s
        m.attended.ask(wake_s)

    def _next_due_s(self, now: float, due: float) -> float:
        """Until when there is nothing to decide if nothing happens; ticks cost little till then.

        `due`: when there is something to do about the group.
        """
        m = self.member
        keeper, phase = m.keeper, m.keeper.phase
        if phase is _OPENING and not keeper.requested:
            due = min(due, keeper.open_due_s)
        elif phase is _FADING:
            due = min(due, keeper.lease.trusted_until_s)
        elif keeper.renewing:
            due = min(due, keeper.lease.stop_at_s, self._work.wake_s(now))
            if m.tenures.unsent:
                due = min(due, m.retry_s)
        if phase is _LIVE:
            for desk in m.desks.values():
                if desk.wake_s < due:
                    due = min(due, max(desk.wake_s, m.retry_s))
        return due

    def _soon(self, now: float) -> bool:
        """Ask for a tick at once, so that events that come together are settled together."""
        self.wake_s = min(self.wake_s, now)
        return False

    # --- timers and wishes -------------------------------------------------------------------

    def _on_start(self, event: e.Start) -> bool:
        self._session.start(event.now)
        return True

    def _on_tick(self, event: e.Tick) -> bool:
        self.member.last_tick_s = now = event.now
        if now >= self._quiet_until_s:
            return True
        self.member.attended.attend(now)
        self._ask_for_tick()
        return False

    def _on_pulse(self, event: e.Pulse) -> bool:
        self._session.pulse(event.now)
        return False

    def _on_wake(self, event: e.Wake) -> bool:
        self._group.wake(event.now)
        self.wake_s = min(self.wake_s, self.member.reading.due_s)
        return False

    def _on_role_served(self, event: e.RoleServed) -> bool:
        self.member.desks[event.role.name] = Desk(event.role)
        self.member.served += 1
        self.member.look_at(event.now)
        return self._soon(event.now)

    def _on_role_dropped(self, event: e.RoleDropped) -> bool:
        if self.member.desks.pop(event.name, None) is not None:
            self.member.served += 1
            for tenancy in self.member.tenures.of_role(event.name):
                if self.member.tenures.ask(tenancy, "the role is not served any more"):
                    self.member.stop_term(tenancy, tenancy.why, now_over=False)
        return self._soon(event.now)

    def _on_stop_asked(self, event: e.StopAsked) -> bool:
        self._session.stop(event.now)
        if event.force:
            self._work.force_all()
        return True

    # --- user code ---------------------------------------------------------------------------

    def _on_work_began(self, event: e.WorkBegan) -> bool:
        self._work.began((event.number,), event.now, event.max_s)
        self.wake_s = min(self.wake_s, self._work.wake_s(event.now))
        return False

    def _on_many_began(self, event: e.ManyBegan) -> bool:
        self._work.began(event.numbers, event.now)
        self.wake_s = min(self.wake_s, self._work.wake_s(event.now))
        return False

    def _on_many_rested(self, event: e.ManyRested) -> bool:
        self._work.rested(event.numbers, event.now, cycled=event.cycled)
        return False

    def _on_work_rested(self, event: e.WorkRested) -> bool:
        self._work.rested((event.number,), event.now, cycled=event.cycled)
        return False

    def _on_work_ended(self, event: e.WorkEnded) -> bool:
        self._work.ended(event)
        return self._soon(event.now)

    # --- answers of the store ----------------------------------------------------------------

    def _on_done(self, event: e.Done) -> bool:
        command = event.command
        kind = type(command)
        self._done[kind](command, event)
        return kind is not c.Heartbeat

    def _on_failed(self, event: e.Failed) -> bool:
        ours = getattr(event.command, "session", None) == self.member.keeper.session
        if isinstance(event.error, SessionLost) and ours:
            self._session.doubt(event.now, str(event.error), lost=True)
        self._failed[type(event.command)](event.command, event)
        if type(event.command) is c.Heartbeat:
            return self._soon(event.now)  # what follows is the control thread's to settle
        return True

    def _done_open(self, _: c.OpenSession, event: e.Done) -> None:
        self._session.on_opened(cast("c.Opened", event.value), event.now)

    def _done_heartbeat(self, command: c.Heartbeat, event: e.Done) -> None:
        if command.session == self.member.keeper.session:
            self._session.on_beat(event, cast("Proof", event.value))

    def _done_claim(self, command: c.Claim, event: e.Done) -> None:
        self._claims.on_claimed(command, cast("Sequence[Claimed | Held]", event.value), event)

    def _failed_heartbeat(self, command: c.Heartbeat, event: e.Failed) -> None:
        self._session.on_beat_failed(command, event.error, event.now)

    def _done_update(self, command: c.UpdateRecord, event: e.Done) -> None:
        self.member.updating = False
        self.member.look_at(event.now)
        if command.session == self.member.keeper.session:
            self.member.sent_record = command.record

    def _failed_update(self, _: c.UpdateRecord, event: e.Failed) -> None:
        self.member.updating = False
        self.member.back_off(event.now)
        self.member.report("store-unavailable", f"updating our record: {event.error}")

    def _done_beacons(self, _: c.ReadBeacons, event: e.Done) -> None:
        self._group.on_beacons(cast("Mapping[str, BeaconSeen]", event.value), event.now)

    def _failed_beacons(self, _: c.ReadBeacons, event: e.Failed) -> None:
        self.member.reading.beacons_outstanding = False
        self.member.report("store-unavailable", f"reading beacons: {event.error}")

    def _done_evict(self, command: c.Evict, event: e.Done) -> None:
        self._group.on_evicted(command, gone=bool(event.value), now=event.now)

    def _failed_evict(self, command: c.Evict, event: e.Failed) -> None:
        self.member.peers.not_dead(command.observed, event.now)
        self.member.report("store-unavailable", f"evicting a dead session: {event.error}")

    def _done_put_role(self, command: c.PutRole, event: e.Done) -> None:
        self.member.putting.discard(command.record.name)
        self.member.look_at(event.now)

    def _failed_put_role(self, command: c.PutRole, event: e.Failed) -> None:
        m = self.member
        m.putting.discard(command.record.name)
        m.look_at(event.now)
        if isinstance(event.error, StoreConflict):  # the next view shows what another has written
            m.reconsider(command.record.name, event.now + m.timing.claim_timeout_s)
            return
        m.reconsider(command.record.name, event.now)
        m.back_off(event.now)
        m.report("store-unavailable", f"writing a role record: {event.error}")
