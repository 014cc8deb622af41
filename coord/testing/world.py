"""A fleet in virtual time: production machines over the reference store, under faults of all kinds.

Owns the queue of events in whole nanoseconds, the hosts, and what can be done to them. Nothing
sleeps, reads a clock of the operating system, starts a thread, or depends on the order of a set
or a hash: equal seeds and equal calls give equal traces, to the last event.

    world = World(seed=1, timing=Timing.of(10))
    for name in ("a", "b", "c"):
        world.add(name, Role("reaper", shards=12))
    world.run(30)
    world.pause("a")
    world.run(30)
    world.resume("a")
    world.heal()
    assert world.until(lambda: not world.unheld(), within_s=60)
    world.verdict.check()

What it proves is what production runs: the same machine, the same effects, one store call at a
time a lane, as `coord.runtime` makes them. What it does not model: threads that race inside one
process, and stores whose own rules are wrong (the conformance suite is for those).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from heapq import heappop, heappush
from typing import Any

from coord.config import Role, Timing
from coord.core import events as e
from coord.model import ClaimKey, MemberRecord, Note, RoleRecord, View
from coord.spi import ClaimRequest, Tenure
from coord.testing.memory import Manner, MemoryServer
from coord.testing.verdict import Verdict
from coord.testing.world_clock import HostClock, TrueClock
from coord.testing.world_host import Host
from coord.testing.world_link import Link
from coord.testing.world_work import STEADY, Behaviour, Conduct

__all__ = ["STEADY", "Behaviour", "Conduct", "Host", "Link", "World"]

_NS = 1_000_000_000
_BATCH = 256
"""How many lines of the trace are hashed at once."""


class World:
    """Hosts, one store, one group, and time.

    `manner`, `lag_s`: how the store ends sessions. `record_events` keeps every noted event in
    `events`, for a look at a run that went wrong; the digest in `trace` is kept always.

    `host_type`, `make_server` and `stream` are what a simulation replaces.
    """

    host_type: type[Host] = Host

    def __init__(
        self,
        *,
        seed: int = 0,
        timing: Timing | None = None,
        manner: Manner = Manner.PROVEN,
        lag_s: float = 0.0,
        group: str = "world",
        record_events: bool = False,
    ) -> None:
        self.timing = Timing.of(10.0) if timing is None else timing
        self.group = group
        self.clock = TrueClock()
        self.clock.now_ns = 1000 * _NS
        self.server = self.make_server(manner, lag_s)
        self.verdict = Verdict(self.server, group, self.clock)
        self.hosts: dict[str, Host] = {}
        self.held: list[tuple[Callable[[Any], None], Any]] = []
        self.events: list[tuple[Any, ...]] = []
        self._record_events = record_events
        self._random = random.Random(seed)
        self.draw = self._random.random
        self._digest = hashlib.blake2b(digest_size=16)
        self._unhashed: list[tuple[Any, ...]] = []
        self._heap: list[tuple[int, int, Callable[[Any], None], Any]] = []
        self._sequence = 0
        self._incarnations = 0
        self._store = self.server.store()
        self._watching_expiry = False

    def make_server(self, manner: Manner, lag_s: float) -> MemoryServer:
        """The store of this world."""
        return MemoryServer(self.clock, manner=manner, lag_s=lag_s)

    def stream(self, purpose: str) -> Callable[[], float]:
        """Where lots for one purpose are drawn from: here, one generator for all of them."""
        return self.draw

    # --- hosts -------------------------------------------------------------------------------

    def add(
        self,
        name: str,
        *roles: Role,
        zone: str = "",
        weight: float = 1.0,
        max_shards: int | None = None,
        offset_s: float = 0.0,
        rate: float | None = None,
        link: Link | None = None,
        behaviours: dict[str | ClaimKey, Behaviour] | None = None,
    ) -> Host:
        """Start a process. With a `rate` it has a clock of its own, else it shares the store's.

        A name whose process is dead or has stopped may be used again: that is a restart.
        """
        former = self.hosts.get(name)
        if former is not None and not (former.dead or former.stopped):
            raise ValueError(f"{name} is up already")
        if former is not None and not former.dead:
            former.kill()
        self._incarnations += 1
        record = MemberRecord(
            name=name,
            incarnation=f"i{self._incarnations}",
            zone=zone,
            weight=weight,
            max_shards=max_shards,
        )
        shares = rate is None and offset_s == 0.0
        clock = HostClock(self.clock, offset_s=offset_s, rate=1.0 if rate is None else rate)
        host = self.host_type(self, record, clock=clock, shares_clock=shares)
        host.link = link if link is not None else host.link
        host.behaviours.update(behaviours or {})
        self.hosts[name] = host
        self.note("add", name)
        host.start()
        for role in roles:
            self.serve(name, role)
        self._watch_expiry()
        return host

    def serve(self, name: str, role: Role) -> None:
        """User code of a host stands ready for a role."""
        host = self.hosts[name]
        host.post(e.RoleServed(host.clock.now(), role))

    def drop(self, name: str, role: str) -> None:
        """User code of a host serves a role no more."""
        host = self.hosts[name]
        host.post(e.RoleDropped(host.clock.now(), role))

    def pause(self, name: str) -> None:
        """Stop a process as SIGSTOP does."""
        self.note("pause", name)
        self.hosts[name].freeze()

    def resume(self, name: str) -> None:
        """Let a paused process go on."""
        self.note("resume", name)
        self.hosts[name].thaw()

    def crash(self, name: str, *, known: bool = False) -> None:
        """Kill a process as SIGKILL does; `known`: the store can tell that it is dead."""
        self.note("crash", name)
        self.hosts[name].kill()
        if known:
            for session, member in self.view().members.items():
                if member.record.name == name:
                    self.server.mark_gone(self.group, session)

    def stop(self, name: str, *, force: bool = False) -> None:
        """Ask a member to end in order, as SIGTERM does."""
        self.note("stop", name)
        self.hosts[name].stop(force=force)

    def up(self) -> list[Host]:
        """The hosts that run now."""
        return [host for host in self.hosts.values() if host.up and not host.stopped]

    # --- operators ---------------------------------------------------------------------------

    def view(self) -> View:
        """The group as the store has it now."""
        return self.verdict.view()

    def operate(self, role: str, **changes: Any) -> RoleRecord:  # noqa: ANN401  (its fields)
        """Write a role's record as an operator would (`paused=True`, `pending=Shape(…)`, …)."""
        self.note("operate", role, sorted(changes))
        return self._store.put_role(self.group, replace(self.view().roles[role], **changes))

    def depose(self, key: ClaimKey, note: Note | None = None) -> None:
        """Take a claim from its holder, as an operator would."""
        claim = self.view().claims.get(key)
        if claim is not None:
            self.note("depose", key)
            self.verdict.deposed(key, claim.token)
            left = Note(clean=False) if note is None else note
            self._store.depose(self.group, Tenure(key, claim.token, left))

    def take(self, key: ClaimKey, session: str) -> None:
        """Let a claim for `session` land now, as one that was sent long ago would."""
        view = self.view()
        claim = view.claims.get(key)
        seen = claim.token if claim is not None else 0
        note = claim.note if claim is not None else Note()
        request = ClaimRequest(key, seen, view.roles[key.role].version, note)
        self.note("take", key, session)
        self.server.apply(self.group, lambda state, now: state.claim(now, session, (request,)))

    def land_held(self) -> None:
        """Let all requests that a script holds take effect now, oldest first."""
        held, self.held = self.held, []
        for land, call in held:
            land(call)

    def heal(self) -> None:
        """End all faults: links, pauses, wedges, late expiry. The dead stay dead."""
        self.note("heal")
        self.land_held()
        self.server.expiry_late_s = 0.0
        for host in self.hosts.values():
            host.link.mend()
            host.behaviours.clear()
            if not host.dead:
                host.thaw()
                host.unstick()

    # --- time --------------------------------------------------------------------------------

    @property
    def now_s(self) -> float:
        """True time, in seconds."""
        return self.clock.now()

    def run(self, seconds: float) -> None:
        """Let `seconds` of true time pass."""
        end_ns = self.clock.now_ns + int(seconds * _NS)
        heap, clock = self._heap, self.clock
        while heap and heap[0][0] <= end_ns:
            clock.now_ns, _, then, argument = heappop(heap)
            then(argument)
        clock.now_ns = end_ns

    def until(self, happened: Callable[[], bool], *, within_s: float, step_s: float = 0.1) -> bool:
        """Run until `happened()`, looked at every `step_s`; False if it has not in time."""
        end_ns = self.clock.now_ns + int(within_s * _NS)
        while not happened():
            if self.clock.now_ns >= end_ns:
                return False
            self.run(step_s)
        return True

    def at(self, moment_ns: int, then: Callable[[Any], None], argument: object) -> None:
        """Queue something; equal moments keep their order. For hosts."""
        self._sequence += 1
        heappush(self._heap, (moment_ns, self._sequence, then, argument))

    def shuffle(self, items: list[Any]) -> None:
        """Put items in an order drawn from the seed."""
        self._random.shuffle(items)

    def _watch_expiry(self) -> None:
        """A store that ends sessions by itself has to notice the time."""
        if self.server.manner is Manner.SERVER and not self._watching_expiry:
            self._watching_expiry = True
            self.at(self.clock.now_ns, self._expire, None)

    def _expire(self, _: object) -> None:
        self.server.tick()
        due_s = min(self.server.next_expiry_s(), self.clock.now() + self.timing.ttl_s)
        self.at(max(int(due_s * _NS) + 1, self.clock.now_ns + _NS // 1000), self._expire, None)

    # --- what happened -----------------------------------------------------------------------

    def note(self, *fields: object) -> None:
        """Add one event to the trace."""
        line = (self.clock.now_ns, *fields)
        self._unhashed.append(line)
        if len(self._unhashed) == _BATCH:
            self._digest.update(repr(self._unhashed).encode())
            self._unhashed.clear()
        if self._record_events:
            self.events.append(line)

    @property
    def trace(self) -> str:
        """A digest of all that happened: equal for equal seeds and equal calls."""
        digest = self._digest.copy()
        digest.update(repr(self._unhashed).encode())
        return digest.hexdigest()

    def leaders(self) -> dict[ClaimKey, str]:
        """By claim key, the host whose code runs under the claim that the store shows."""
        view = self.view()
        found = {}
        for host in self.up():
            for work in host.works.values():
                claim = view.claims.get(work.given.key)
                if claim is not None and claim.session == work.given.lease.session:
                    found[work.given.key] = host.name
        return found

    def unheld(self, roles: Iterable[str] | None = None) -> list[ClaimKey]:
        """The claim keys of open roles under which no code of a running host may act."""
        led = self.leaders()
        records = self.view().roles
        wanted = records if roles is None else roles
        return [
            key
            for name in wanted
            for key in (records[name].claim_keys() if name in records else ())
            if records[name].open and key not in led
        ]
