"""A fleet under every fault that can be injected, for hypothesis to play with.

Owns the rules (what may be done to the fleet, and when) and the claims that are checked after each
of them and at the end. Knows nothing of how the core works.
"""

from __future__ import annotations

from functools import partial

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from coord.config import Role, Timing
from coord.core import commands as c
from coord.model import ClaimKey, Shape
from coord.testing.faults import Fate
from coord.testing.memory import Manner
from coord.testing.world import Behaviour, Conduct, Host, World

__all__ = ["HEALED_WITHIN_S", "NAMES", "ROLES", "FleetMachine"]

NAMES = ("a", "b", "c", "d")
ROLES = ("one", "many", "pair")
_TTL_S = 6.0
_DRIFT = 0.01
HEALED_WITHIN_S = 90.0
"""Bars, poison, absences and delays of the roles below are short; this is far above their sum."""

_COMMANDS = (
    c.OpenSession,
    c.Heartbeat,
    c.Claim,
    c.Release,
    c.Amend,
    c.UpdateRecord,
    c.CloseSession,
    c.ReadView,
    c.ReadBeacons,
    c.Evict,
    c.Depose,
    c.PutRole,
)
_FATES = (Fate.LOSE_REQUEST, Fate.LOSE_REPLY, Fate.HOLD, Fate.REFUSE)
_INF = float("inf")


quick = partial(
    Role,
    progress_timeout_s=4.0,
    bar_s=2.0,
    bar_max_s=8.0,
    poison_s=3.0,
    poison_max_s=6.0,
    prefer_after_s=3.0,
)


def roles() -> dict[str, Role]:
    """Roles of several shapes, with waits short enough for a test."""
    return {
        "one": quick("one", lock_delay_s=1.0),
        "many": quick("many", shards=5, max_tenure_s=25.0),
        "pair": quick("pair", shards=2, seats=2, preferred=("b",)),
    }


class FleetMachine(RuleBasedStateMachine):
    """Some hosts, three roles, all faults."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World
        self.roles = roles()
        self.served: dict[str, set[str]] = {}

    @initialize(
        seed=st.integers(0, 2**32 - 1),
        manner=st.sampled_from(list(Manner)),
        skewed=st.booleans(),
        lag_s=st.sampled_from([0.0, 0.5]),
    )
    def begin(self, seed: int, manner: Manner, skewed: bool, lag_s: float) -> None:
        timing = Timing.of(
            _TTL_S, drift=_DRIFT, heartbeat_s=1.2, rpc_timeout_s=0.5, depose_timeout_s=4.0
        )
        self.world = World(seed=seed, timing=timing, manner=manner, lag_s=lag_s)
        self.skewed = skewed
        for name in NAMES[:3]:
            self._add(name)

    def _add(self, name: str) -> None:
        place = NAMES.index(name)
        rate = (1 - _DRIFT / 2.02, 1.0, 1 + _DRIFT / 2.02, 1.0)[place] if self.skewed else None
        self.world.add(
            name,
            *self.roles.values(),
            zone="xyxy"[place],
            weight=(1.0, 1.0, 2.0, 0.5)[place],
            max_shards=4 if name == "d" else None,
            offset_s=1000.0 * place if self.skewed else 0.0,
            rate=rate,
        )
        self.served[name] = set(self.roles)

    def _host(self, name: str) -> Host | None:
        return self.world.hosts.get(name)

    # --- time --------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.01, 0.3, 1.0, 3.0, 8.0, 20.0]))
    def pass_time(self, seconds: float) -> None:
        self.world.run(seconds)

    # --- processes ---------------------------------------------------------------------------

    @rule(name=st.sampled_from(NAMES))
    def pause_or_resume(self, name: str) -> None:
        host = self._host(name)
        if host is None or host.dead:
            return
        if host.paused:
            self.world.resume(name)
        else:
            self.world.pause(name)

    @rule(name=st.sampled_from(NAMES))
    def stall_control(self, name: str) -> None:
        host = self._host(name)
        if host is not None and not host.dead:
            host.stalled = True

    @rule(name=st.sampled_from(NAMES), known=st.booleans())
    def crash(self, name: str, known: bool) -> None:
        host = self._host(name)
        if host is not None and not host.dead:
            self.world.crash(name, known=known)

    @rule(name=st.sampled_from(NAMES), force=st.booleans())
    def stop(self, name: str, force: bool) -> None:
        host = self._host(name)
        if host is not None and not host.dead:
            self.world.stop(name, force=force)

    @rule(name=st.sampled_from(NAMES))
    def start(self, name: str) -> None:
        host = self._host(name)
        if host is None or host.dead or host.stopped:
            self._add(name)

    # --- the network and the store -----------------------------------------------------------

    @rule(
        name=st.sampled_from(NAMES),
        fate=st.sampled_from(_FATES),
        commands=st.lists(st.sampled_from(_COMMANDS), max_size=2),
        times=st.sampled_from([1, 2, 5]),
    )
    def script(
        self, name: str, fate: Fate, commands: list[type[c.StoreCommand]], times: int
    ) -> None:
        host = self._host(name)
        if host is not None:
            host.link.script(fate, *commands, times=times)

    @rule()
    def land_held(self) -> None:
        self.world.land_held()

    @rule(name=st.sampled_from(NAMES))
    def cut_or_mend_link(self, name: str) -> None:
        host = self._host(name)
        if host is not None:
            host.link.down = not host.link.down

    @rule(
        name=st.sampled_from(NAMES),
        chance=st.sampled_from([0.0, 0.1, 0.3]),
        slow_s=st.sampled_from([0.002, 0.1, 0.4]),
    )
    def make_link_bad(self, name: str, chance: float, slow_s: float) -> None:
        host = self._host(name)
        if host is not None:
            link = host.link
            link.lose_request = link.lose_reply = link.hold = link.refuse = chance
            link.request_s = link.reply_s = (0.001, slow_s)

    @rule(late_s=st.sampled_from([0.0, 2.0, 5.0]))
    def expire_late(self, late_s: float) -> None:
        self.world.server.expiry_late_s = late_s

    # --- user code ---------------------------------------------------------------------------

    @rule(
        name=st.sampled_from(NAMES),
        role=st.sampled_from(ROLES),
        conduct=st.sampled_from(list(Conduct)),
        stop_s=st.sampled_from([0.0, 0.5, 3.0, _INF]),
        after=st.integers(0, 3),
    )
    def behave(self, name: str, role: str, conduct: Conduct, stop_s: float, after: int) -> None:
        host = self._host(name)
        if host is not None:
            host.behaviours[role] = Behaviour(conduct=conduct, stop_s=stop_s, after=after)

    @rule(name=st.sampled_from(NAMES))
    def mend_code(self, name: str) -> None:
        host = self._host(name)
        if host is not None and not host.dead:
            host.behaviours.clear()
            host.unstick()

    @rule(name=st.sampled_from(NAMES), role=st.sampled_from(ROLES))
    def serve_or_drop(self, name: str, role: str) -> None:
        host = self._host(name)
        if host is None or not host.up or host.stopped:
            return
        if role in self.served[name]:
            self.served[name].discard(role)
            self.world.drop(name, role)
        else:
            self.served[name].add(role)
            self.world.serve(name, self.roles[role])

    # --- operators ---------------------------------------------------------------------------

    @rule(role=st.sampled_from(ROLES))
    def pause_or_open_role(self, role: str) -> None:
        record = self.world.view().roles.get(role)
        if record is not None:
            self.world.operate(role, paused=not record.paused)

    @rule(shards=st.integers(1, 6))
    def reshape(self, shards: int) -> None:
        """The record moves; members serve the new shape once they are restarted with it."""
        record = self.world.view().roles.get("many")
        if record is not None and record.pending is None:
            self.world.operate("many", pending=Shape(shards, 1))
            self.roles["many"] = quick("many", shards=shards)

    @rule(shard=st.integers(0, 4))
    def depose(self, shard: int) -> None:
        record = self.world.view().roles.get("many")
        if record is not None:
            self.world.depose(ClaimKey("many", record.generation, shard, 0))

    # --- claims ------------------------------------------------------------------------------

    @invariant()
    def nothing_illegal_has_happened(self) -> None:
        if hasattr(self, "world"):
            self.world.verdict.check()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.heal()
        self._mend_operators_doings()
        healed = self.world.until(self._all_led, within_s=HEALED_WITHIN_S)
        self.world.verdict.check()
        assert healed, f"still without a leader: {self._unled()}"

    def _mend_operators_doings(self) -> None:
        for name in NAMES:
            host = self._host(name)
            if host is None or host.dead or host.stopped:
                self._add(name)
        self.world.run(3 * _TTL_S)
        for name in NAMES:
            if self.world.hosts[name].stopped or self.world.hosts[name].dead:
                self._add(name)
            for role in self.roles.values():
                self.world.serve(name, role)
        for name, record in self.world.view().roles.items():
            if record.paused:
                self.world.operate(name, paused=False)

    def _unled(self) -> list[ClaimKey]:
        return self.world.unheld(self.roles)

    def _all_led(self) -> bool:
        return set(self.roles) <= set(self.world.view().roles) and not self._unled()
