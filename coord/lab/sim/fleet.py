"""A world whose hosts are recorded, whose store has a kind's manners, and whose work can be judged.

Owns what a simulation replaces in `coord.testing.world` besides the store's rules of expiry
(`store`): the host (it records, and works against a fenced and an unfenced resource), the link, and
the lots, a stream for each purpose. Strikes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from coord.config import Role, Timing
from coord.core import commands as c
from coord.core import events as e
from coord.lab.measure.effects import Register
from coord.lab.measure.events import RoleMark, Who
from coord.lab.sim.dice import Dice
from coord.lab.sim.manners import StoreManner
from coord.lab.sim.pauses import Stalls
from coord.lab.sim.recording import DRIVER, Recorder
from coord.lab.sim.store import Service, StoreState
from coord.model import ClaimKey, MemberRecord
from coord.testing.group_state import GroupState, Manner
from coord.testing.memory import MemoryServer
from coord.testing.world import World
from coord.testing.world_call import Call
from coord.testing.world_clock import NS, HostClock
from coord.testing.world_host import Host
from coord.testing.world_link import Fare, Link
from coord.testing.world_work import Behaviour, Work

__all__ = [
    "FEED_S",
    "GROUP",
    "USUAL",
    "Fitting",
    "Pace",
    "SimHost",
    "SimLink",
    "SimWorld",
    "process_of",
]

GROUP = "sim"
FEED_S = 1.0
"""How often a unit of each shard falls due."""
_WORK = Behaviour(rest_s=1.0, work_s=0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How members work, how often a unit of each shard falls due, how long due work may rest.

    Usual: an act a second, that takes as long between its check and its commit as one of the lab's.
    """

    work: Behaviour = _WORK
    feed_s: float = FEED_S
    tau_s: float = 2.5 * FEED_S

    @property
    def most_due(self) -> int:
        """So many units may be due of one shard while somebody is at work: none has rested."""
        return math.ceil(self.tau_s / self.feed_s) - 2


USUAL = Pace()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """How one member differs from the others.

    `rate`: of its clock, where true time has 1. `far_s`: what each way to the store takes longer.
    """

    zone: str = ""
    weight: float = 1.0
    max_shards: int | None = None
    rate: float = 1.0
    far_s: float = 0.0


_PLAIN = Fitting()


class SimLink(Link):
    """A host's link, which also loses packets as TCP mends it, and ends at a store that is gone."""

    def __init__(self, world: SimWorld, far_s: float) -> None:
        least_s, most_s = world.store_manner.way_s
        self.way_s = least_s + far_s, most_s + far_s
        super().__init__(request_s=self.way_s, reply_s=self.way_s)
        self.loss = 0.0
        self.rto_s = 0.2
        self.store = world.service

    def decide(self, command: c.StoreCommand, draw: Callable[[], float]) -> Fare:
        """What becomes of this request."""
        fare = super().decide(command, draw)
        if self.store.answers or fare.request_ns is None:
            if not self.loss or fare.request_ns is None:
                return fare
            there_ns, back_ns = (self._again_ns(draw) for _ in range(2))
            return Fare(fare.fate, fare.request_ns + there_ns, fare.reply_ns + back_ns)
        return self.store.fare(fare)

    def _again_ns(self, draw: Callable[[], float]) -> int:
        waited_s, wait_s = 0.0, self.rto_s
        while draw() < self.loss:
            waited_s, wait_s = waited_s + wait_s, wait_s * 2
        return int(waited_s * NS)

    def mend(self) -> None:
        """As it was made."""
        super().mend()
        self.loss = 0.0
        self.request_s = self.reply_s = self.way_s


def process_of(record: MemberRecord) -> Who:
    """Which process has written this record: a member that opens another session adds a `+`."""
    number, _, _ = record.incarnation.removeprefix("i").partition("+")
    return Who(record.name, int(number))


class SimHost(Host):
    """A host that keeps records. `who` is its process: each start is another."""

    def __init__(
        self, world: World, record: MemberRecord, *, clock: HostClock, shares_clock: bool
    ) -> None:
        assert isinstance(world, SimWorld)  # noqa: S101  for types: only that world makes these
        self.sim = world
        self.records = world.recorder
        self.who = process_of(record)
        self.held = False
        """Whether a fault has stopped it: then no end of a pause of its own lets it go on."""
        self.usual_rate = clock.rate
        self._trusted_s = -math.inf
        super().__init__(world, record, clock=clock, shares_clock=shares_clock)
        self.link = SimLink(world, world.fitting(self.name).far_s)

    def _true_s(self, own_s: float) -> float:
        """A moment on this host's clock, in true time."""
        return own_s if math.isinf(own_s) else self.sim.now_s + self._until_s(own_s)

    def _until_s(self, own_s: float) -> float:
        return (own_s - self.clock.now()) / self.clock.rate

    def start(self) -> None:
        """Begin."""
        self.records.member(self.who, "start")
        super().start()

    def told(self, command: c.Command) -> None:
        """Record what the core decided."""
        if isinstance(command, c.StartTerm):
            until_s = self._true_s(command.lease.trusted_until_s)
            asked_s = self._true_s(command.asked_s)
            self.records.lead(self.who, command.key, command.token, until_s, asked_s)
        elif isinstance(command, c.StopTerm) and command.now_over:
            work = self.works.get(command.number)
            if work is not None:
                self.records.end(self.who, command.key, work.given.token, command.why)
        elif isinstance(command, c.Report):
            self.records.note(self.who, command.kind, command.detail)

    def answered(self, call: Call, event: e.Done | e.Failed) -> None:
        """Record a call, and the trust that it gave."""
        op = type(call.command).__name__
        self.records.rpc(self.who, op, self._true_s(call.sent_at_s), ok=isinstance(event, e.Done))
        until_s = self.machine.member.keeper.lease.trusted_until_s
        if until_s > self._trusted_s:
            self._trusted_s = until_s
            self.records.trust(self.who, self._true_s(until_s))

    def trust_again(self) -> None:
        """Say until when it trusts itself now that its clock goes at another rate."""
        if not (self.dead or math.isinf(self._trusted_s)):
            self.records.trust(self.who, self._true_s(self._trusted_s))

    def act(self, work: Work) -> None:
        """The code has done its round in time."""
        if work.given.lease.session in self.sim.service.revoked:
            self.sim.misled.append((self.sim.now_s, f"{self.name} acts on {work.given.key}"))
        else:
            super().act(work)
        self.sim.acted(self, work)
        self.records.progress(self.who, work.given.key, work.given.token)

    def late(self, work: Work) -> None:
        """It checked before its round, as all code does, and commits without knowing better."""
        self.sim.acted(self, work)

    def work_over(self, work: Work, kind: object) -> None:
        """The code has stopped."""
        self.records.stopped(self.who, work.given.key, work.given.token)
        super().work_over(work, kind)


class SimWorld(World):
    """Members `m1`… of one role, its resources, and what is due."""

    host_type = SimHost

    def __init__(
        self,
        *,
        dice: Dice,
        timing: Timing,
        manner: StoreManner,
        role: Role,
        pauses: Stalls | None = None,
        fittings: Mapping[str, Fitting] | None = None,
        pace: Pace = USUAL,
    ) -> None:
        self.dice = dice
        self.pace = pace
        self.work = pace.work
        self.store_manner = manner
        self.role = role
        self.service = Service()
        self.feeding = True
        self.stalled: list[tuple[float, float]] = []
        """When members stood still by themselves: from, to. Whoever judges empties it."""
        self.misled: list[tuple[float, str]] = []
        """Acts under sessions that the store had ended against its promise, and which."""
        self.generation = 1
        self._fittings = fittings or {}
        self.due: dict[int, list[str]] = {shard: [] for shard in range(role.shards)}
        self._pauses = pauses
        self._fenced = Register()
        self._units = 0
        super().__init__(
            seed=dice.stream("world").getrandbits(64),
            timing=timing,
            manner=manner.ends,
            lag_s=manner.lag_s,
            group=GROUP,
        )
        self.recorder = Recorder(self.clock)
        self.recorder.role(RoleMark(self.now_s, DRIVER, role.name, 1, role.shape))
        self.at(self.clock.now_ns, self._feed, None)

    def make_server(self, manner: Manner, lag_s: float) -> MemoryServer:
        """A store of this kind."""
        ours = self

        class State(StoreState):
            store_manner = ours.store_manner
            service = ours.service
            dice = ours.dice.stream("expiry")

        class Server(MemoryServer):
            state_type = State

        return Server(self.clock, manner=manner, lag_s=lag_s, min_ttl_s=self.store_manner.min_ttl_s)

    def stream(self, purpose: str) -> Callable[[], float]:
        """Lots of one purpose."""
        return self.dice.stream(purpose).random

    def join(self, name: str) -> SimHost:
        """Start a member, or start it again."""
        fit = self.fitting(name)
        host = self.add(
            name,
            self.role,
            rate=None if fit.rate == 1.0 else fit.rate,
            zone=fit.zone,
            weight=fit.weight,
            max_shards=fit.max_shards,
            behaviours={self.role.name: self.work},
        )
        assert isinstance(host, SimHost)  # noqa: S101  for types: see `host_type`
        if self._pauses is not None:
            self._pause_later(host, self._pauses)
        return host

    def fitting(self, name: str) -> Fitting:
        """How a member differs."""
        return self._fittings.get(name, _PLAIN)

    def host(self, name: str) -> SimHost:
        """A member's process."""
        host = self.hosts[name]
        assert isinstance(host, SimHost)  # noqa: S101  for types: see `host_type`
        return host

    def store_state(self, request: Callable[[StoreState], None]) -> None:
        """Do something to the store itself."""

        def apply(state: GroupState, _now_s: float) -> None:
            assert isinstance(state, StoreState)  # noqa: S101  for types: see `make_server`
            request(state)

        self.server.apply(self.group, apply)

    def reshape(self) -> None:
        """Ask for another generation, of the same shape, as an operator would."""
        record = self.view().roles.get(self.role.name)
        if record is None or not record.open:
            return
        if self.generation == 1:
            self.server.subscribe(self.group, self._reshaped)
        self.operate(self.role.name, pending=record.shape)

    def _reshaped(self) -> None:
        number = self.view().roles[self.role.name].generation
        if number > self.generation:
            self.generation = number
            role = self.role
            self.recorder.role(RoleMark(self.now_s, DRIVER, role.name, number, role.shape))

    # --- pauses of the user's own machines ---------------------------------------------------

    def _pause_later(self, host: SimHost, pauses: Stalls) -> None:
        wait_s, length_s = pauses.next_s(self.dice.stream(f"pauses of {host.name}"))
        due_ns = self.clock.now_ns + int(wait_s * NS)

        def resume(_: object) -> None:
            if not host.held:
                host.thaw()
            self._pause_later(host, pauses)

        def pause(_: object) -> None:
            if host.dead or host.stopped:
                return
            host.freeze()
            self.stalled.append((self.now_s, self.now_s + length_s))
            self.at(self.clock.now_ns + int(length_s * NS), resume, None)

        self.at(due_ns, pause, None)

    # --- work --------------------------------------------------------------------------------

    def _feed(self, _: object) -> None:
        self.at(self.clock.now_ns + int(self.pace.feed_s * NS), self._feed, None)
        if not self.feeding:
            return
        self._units += 1
        for shard, units in self.due.items():
            name = f"{shard}-{self._units}"
            units.append(name)
            self.recorder.backlog(self.role.name, shard, (name,))

    def acted(self, host: SimHost, work: Work) -> None:
        """An act reaches both resources: one compares tokens, the other takes all."""
        key, token = work.given.key, work.given.token
        refused = self._fenced.refuses(key, token)
        units = () if refused else tuple(self.due[key.shard])
        if not refused:
            self._fenced.take(key, token)
            self.due[key.shard].clear()
        start_s = max(0.0, self.now_s - self.work.work_s)
        for fenced in (True, False):
            host.records.act(
                host.who,
                key,
                token,
                fenced=fenced,
                accepted=not (fenced and refused),
                start_s=start_s,
                units=units,
            )

    @property
    def whole(self) -> bool:
        """Whether every member lives, every claim is led, and nothing rests."""
        if any(not host.up or host.stopped for host in self.hosts.values()):
            return False
        view = self.view()
        known = {process_of(member.record) for member in view.members.values()}
        if not all(self.host(name).who in known for name in self.hosts):
            return False
        led: dict[ClaimKey, str] = self.leaders()
        missing = self.role.shards * self.role.seats - len(led)
        resting = any(len(units) > self.pace.most_due for units in self.due.values())
        return missing <= 0 and not resting
