"""One host of a virtual world: a production machine, driven as the runtime drives it.

Owns the two lanes (heartbeats; everything else, one store call at a time), the host's clock, its
pauses, and the terms that run on it. Decides nothing about leadership. All events of all hosts
pass through the world's queue; nothing here waits, draws lots of its own, or knows true time but
through the world.

The control lane does what `coord.runtime` does: a tick, then what the machine wants done here,
then one store call; user code steps the machine at once.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from coord.core import commands as c
from coord.core import events as e
from coord.core.machine import Machine
from coord.core.states import SessionPhase
from coord.effects import Effects
from coord.errors import CoordError
from coord.model import ClaimKey, MemberRecord
from coord.testing.faults import Fate
from coord.testing.world_call import Call, Lane, SentClock, refused, unheard
from coord.testing.world_clock import NEVER_NS, NS, HostClock
from coord.testing.world_link import Link
from coord.testing.world_work import STEADY, Behaviour, Work

if TYPE_CHECKING:
    from coord.testing.world import World

__all__ = ["Host"]

_INF = float("inf")
_STEPS_MAX = 20_000
_DELIVER = Fate.DELIVER
"""By a name of this file: an `Enum` looks its members up in Python, at each request."""


class Host:
    """One process on one machine. Made by `World.add`."""

    __slots__ = (
        *("world", "name", "clock", "link", "machine", "works", "behaviours", "reports"),
        *("failure", "paused", "stalled", "dead", "steps", "_steps_allowed", "_next_allowance_ns"),
        *("_true", "_at", "_note", "_keeper", "_effects", "_sent", "_watch", "_draw_fare"),
        *("_control", "_heartbeat", "_queue", "_beats", "_local", "_stop_wanted", "_woken"),
        *("_frozen", "_timeout_ns"),
    )

    def __init__(
        self, world: World, record: MemberRecord, *, clock: HostClock, shares_clock: bool
    ) -> None:
        self.world = world
        self.name = record.name
        self.clock = clock
        self.link = Link()
        self.works: dict[int, Work] = {}
        self.behaviours: dict[str | ClaimKey, Behaviour] = {}
        self.reports: Counter[str] = Counter()
        self.failure: Exception | None = None
        self.paused = False
        self.stalled = False
        self.dead = False
        self.steps = 0
        self._true = world.clock
        self._at = world.at
        self._note = world.note
        self._frozen: list[tuple[Callable[[Any], None], Any]] = []
        self._queue: deque[c.StoreCommand] = deque()
        self._beats: deque[c.Heartbeat] = deque()
        self._local: deque[c.Command] = deque()
        self._stop_wanted: bool | None = None
        self._woken = False
        self._control = Lane(self._control_round)
        self._heartbeat = Lane(self._heartbeat_round)
        self._steps_allowed = 0
        self._next_allowance_ns = 0
        self._timeout_ns = int(world.timing.rpc_timeout_s / clock.rate * NS)
        store = world.server.store() if shares_clock else world.server.store(clock=clock)
        store.clock = self._sent = SentClock()
        self._effects = Effects(store, world.group, clock)
        self._watch = store.watch(world.group, self._change_seen)
        self._draw_fare = world.stream(f"link of {self.name}")
        draw = world.stream(f"machine of {self.name}")
        self.machine = Machine(record, world.timing, store.guarantees, draw)
        self._keeper = self.machine.member.keeper

    # --- what tests do -----------------------------------------------------------------------

    @property
    def up(self) -> bool:
        """Whether its process runs now."""
        return not (self.dead or self.paused)

    @property
    def stopped(self) -> bool:
        """Whether its member has ended in order, or given up."""
        return self.machine.phase is SessionPhase.STOPPED

    def start(self) -> None:
        """Begin."""
        self.post(e.Start(self.clock.now()))

    def behaviour(self, key: ClaimKey) -> Behaviour:
        """How code of this claim behaves here now."""
        known = self.behaviours
        return (known.get(key) or known.get(key.role) or STEADY) if known else STEADY

    def stop(self, *, force: bool = False) -> None:
        """Ask the member to end, as a signal handler would."""
        self._stop_wanted = force
        self._nudge_control()

    def freeze(self) -> None:
        """Stop the process; requests on their way go on."""
        self.paused = True

    def thaw(self) -> None:
        """Let it go on. Its threads take up what they missed in any order."""
        self.paused = self.stalled = False
        frozen, self._frozen = self._frozen, []
        self.world.shuffle(frozen)
        for then, argument in frozen:
            self.world.at(self.world.clock.now_ns, then, argument)

    def kill(self) -> None:
        """End the process at once. Requests on their way go on."""
        self.dead = True
        self._watch.close()
        self.works.clear()

    def unstick(self) -> None:
        """Mend what wedged its code."""
        for work in list(self.works.values()):
            work.unstick()

    # --- time --------------------------------------------------------------------------------

    def after(self, delay_s: float, then: object) -> None:
        """Do something of this host in `delay_s` of its own seconds."""
        due_ns = self._true.now_ns + math.ceil(delay_s / self.clock.rate * NS)
        self._at(due_ns, self._run, then)

    def _run(self, then: Callable[[], None]) -> None:
        if self.dead:
            return
        if self.paused:
            self._frozen.append((self._run, then))
            return
        then()

    # --- stepping ----------------------------------------------------------------------------

    def post(self, event: e.Event) -> None:
        """Step the machine with what happened to it, or with what user code did."""
        self.steps += 1
        if self.steps > self._steps_allowed:
            self._allow_steps()
        machine = self.machine
        commands = machine.step(event)
        for command in commands:
            if type(command) is c.Heartbeat:
                self._beats.append(command)
            elif isinstance(command, c.StoreCommand):
                self._queue.append(command)
            else:
                self._local.append(command)
        control = self._control
        if not control.busy and (commands or machine.wake_s < control.due_s):
            self._plan_control()
        heartbeat = self._heartbeat
        if not heartbeat.busy and self._keeper.pulse_s < heartbeat.due_s:
            self._plan(heartbeat, self._keeper.pulse_s)

    def _allow_steps(self) -> None:
        """No machine may keep its host busy for nothing."""
        if self.world.clock.now_ns < self._next_allowance_ns:
            raise RuntimeError(f"{self.name} spins: {_STEPS_MAX} steps within one second")
        self._steps_allowed = self.steps + _STEPS_MAX
        self._next_allowance_ns = self.world.clock.now_ns + NS

    def _plan(self, lane: Lane, when_s: float) -> None:
        if when_s < lane.due_s:
            lane.due_s = when_s
            lane.due_ns = due_ns = self.clock.when_ns(when_s)
            self._at(due_ns, self._timer, lane)

    def _plan_control(self) -> None:
        if self._local or self._queue or self._woken or self._stop_wanted is not None:
            self._nudge_control()
        else:
            self._plan(self._control, self.machine.wake_s)

    def _nudge_control(self) -> None:
        control, now_ns = self._control, self._true.now_ns
        if not control.busy and now_ns < control.due_ns:
            control.due_ns, control.due_s = now_ns, -_INF
            self._at(now_ns, self._timer, control)

    def _timer(self, lane: Lane) -> None:
        if self.dead:
            return
        if self.paused or (self.stalled and lane is self._control):
            self._frozen.append((self._timer, lane))
        elif lane.due_ns <= self._true.now_ns and not lane.busy:
            lane.due_ns, lane.due_s = NEVER_NS, _INF
            lane.round()

    # --- the control lane --------------------------------------------------------------------

    def _control_round(self) -> None:
        """Ticks until there is a store call to make or nothing to do."""
        control = self._control
        while not control.busy:
            control.busy = True  # the steps below plan nothing: this round is still going on
            if self._stop_wanted is not None:
                force, self._stop_wanted = self._stop_wanted, None
                self.post(e.StopAsked(self.clock.now(), force))
            if self._woken:
                self._woken = False
                self.post(e.Wake(self.clock.now()))
            now = self.clock.now()
            self.post(e.Tick(now))
            local = self._local
            if local:
                self._local = deque()
                for command in local:
                    self._deliver(command)
            if self._queue:
                self._send(control, self._queue.popleft(), now)
                return
            control.busy = False
            if not (local or self._local or self._queue):
                if self.machine.wake_s <= now:
                    self.world.verdict.report(
                        f"{self.name} asks for a tick at once after a tick, with nothing to do"
                    )
                self._plan_control()
                return

    def _deliver(self, command: c.Command) -> None:
        if isinstance(command, c.StartTerm):
            self.world.note("start", self.name, command.key, command.token)
            self.world.verdict.started(self, command)
            self.works[command.number] = Work(self, command)
        elif isinstance(command, c.StopTerm):
            self.world.note("stop", self.name, command.key, command.why)
            work = self.works.get(command.number)
            if work is not None:
                work.ask_to_stop(command)
        elif isinstance(command, c.Report):
            self.reports[command.kind] += 1
            self.world.note("report", self.name, command.kind, command.detail)
        elif isinstance(command, c.Fail):
            self.failure = command.error
            self.world.note("fail", self.name, command.error)
        self.told(command)

    def told(self, command: c.Command) -> None:
        """The member has had this done. For those who keep records; nothing here."""

    def answered(self, call: Call, event: e.Done | e.Failed) -> None:
        """The member has heard of this call. For those who keep records; nothing here."""

    def act(self, work: Work) -> None:
        """User code touches its resource."""
        self.world.verdict.acted(self, work.given)

    def late(self, work: Work) -> None:
        """The round's work is done, and the deadline has passed meanwhile: this code looks."""

    def work_over(self, work: Work, kind: Any) -> None:  # noqa: ANN401  (an EndingKind or None)
        """User code of a term has stopped."""
        if self.works.pop(work.given.number, None) is not None:
            self.world.note("end", self.name, work.given.key, kind)
            self.world.verdict.ended(work.given)
            self.post(e.WorkEnded(self.clock.now(), work.given.number, kind))

    # --- the heartbeat lane ------------------------------------------------------------------

    def _heartbeat_round(self) -> None:
        lane, now = self._heartbeat, self.clock.now()
        lane.busy = True
        self.post(e.Pulse(now))
        if self._beats:
            self._send(lane, self._beats.popleft(), now)
            return
        lane.busy = False
        pulse_s = self._keeper.pulse_s
        if pulse_s <= now:
            self.world.verdict.report(f"{self.name} asks for a pulse at once after a pulse")
        self._plan(lane, pulse_s)

    # --- store calls -------------------------------------------------------------------------

    def _send(self, lane: Lane, command: c.StoreCommand, now: float) -> None:
        fate, request_ns, reply_ns = self.link.decide(command, self._draw_fare)
        call = Call(lane, command, fate, reply_ns, now)
        lane.busy = True
        now_ns = self._true.now_ns
        if fate is _DELIVER and request_ns is not None:
            if request_ns + reply_ns > self._timeout_ns:
                self._at(now_ns + self._timeout_ns, self._time_out, call)
            self._at(now_ns + request_ns, self._land, call)
        else:
            self._send_badly(call, request_ns, now_ns)

    def _send_badly(self, call: Call, request_ns: int | None, now_ns: int) -> None:
        """The request is refused, is lost, or lands when nobody waits for it any more."""
        fate, command = call.fate, call.command
        if fate is not _DELIVER:
            self._note(fate.value, self.name, type(command).__name__)
        if fate is Fate.REFUSE:
            call.outcome = refused(command)
            self._at(now_ns + (request_ns or 0) + call.reply_ns, self._reply, call)
            return
        if fate is not _DELIVER or call.reply_ns > self._timeout_ns:
            self._at(now_ns + self._timeout_ns, self._time_out, call)
        if fate is Fate.LOSE_REQUEST:
            return
        if request_ns is None:
            self.world.held.append((self._land, call))
        else:
            self._at(now_ns + request_ns, self._land, call)

    def _land(self, call: Call) -> None:
        """The request takes effect in the store, whatever has become of its sender."""
        command = call.command
        self._note("land", self.name, type(command).__name__)
        if type(command) is c.Depose:
            self.world.verdict.deposed(command.tenure.key, command.tenure.token)
        self._sent.sent_at_s = call.sent_at_s
        outcome = self._effects.outcome(command)
        if call.answered or call.fate is not _DELIVER:
            return
        if self.link.down:
            self._at(self._true.now_ns + self._timeout_ns, self._time_out, call)
            return
        call.outcome = outcome
        if call.reply_ns:
            self._at(self._true.now_ns + call.reply_ns, self._reply, call)
        else:
            self._reply(call)

    def _time_out(self, call: Call) -> None:
        if not call.answered:
            call.outcome = unheard(call.command)
            self._reply(call)

    def _reply(self, call: Call) -> None:
        if self.dead or call.answered:
            return
        lane = call.lane
        if self.paused or (self.stalled and lane is self._control):
            self._frozen.append((self._reply, call))
            return
        call.answered = True
        now, outcome = self.clock.now(), call.outcome
        event: e.Done | e.Failed
        if isinstance(outcome, CoordError):
            event = e.Failed(now, call.command, call.sent_at_s, outcome)
        else:
            event = e.Done(now, call.command, call.sent_at_s, outcome)
        self.post(event)  # the lane is still busy: it goes on with its own next round
        self.answered(call, event)
        lane.busy = False
        pulse_s = self._keeper.pulse_s
        if lane is self._control or pulse_s <= now:
            lane.round()
        else:
            self._plan(lane, pulse_s)

    # --- watching ----------------------------------------------------------------------------

    def _change_seen(self) -> None:
        """The store says that something changed."""
        if self.dead or self.link.down:
            return
        low_s, high_s = self.link.reply_s
        delay_ns = int((low_s + (high_s - low_s) * self._draw_fare()) * NS)
        self.world.at(self.world.clock.now_ns + delay_ns, self._run, self._wake)

    def _wake(self) -> None:
        if not self._woken:
            self._woken = True
            self._nudge_control()
