"""The faults of `coord.lab.chaos` that can be simulated: how each strikes, and how it is healed.

Owns what is done to the world, and the marks of it in the records: those that the injector of real
processes writes. Chooses no moment (`run` does) and judges nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random

from coord.errors import UsageError
from coord.lab.chaos.faults import CATALOGUE
from coord.lab.measure.events import Who
from coord.lab.measure.faults import EVERYBODY
from coord.lab.sim.fleet import SimHost, SimLink, SimWorld, process_of
from coord.lab.sim.manners import StoreManner
from coord.testing.group_state import Manner
from coord.testing.world_clock import NS
from coord.testing.world_work import Conduct

__all__ = ["ALL", "SIMULATED", "ZONE", "Blow", "blow_named", "refuse_misfit", "struck_by"]

ALL = "all"
"""Whom: all members that run."""
ZONE = "zone"
"""Whom: all members of a leader's zone."""
_SLOWER_S = CATALOGUE["slow"].options[0].default
_LOST = CATALOGUE["loss"].options[0].default
_LATENCY = 0.5
"""Of the store's timeout, there and back: late, and in time."""
_NEW = int(CATALOGUE["grow"].options[0].default)
_JUMP_S = CATALOGUE["clock-jump"].options[0].default
_LATE_SHARE = 0.2
_TERM_S = 30.0
_LOOK_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """One kind of fault. `strike` and `heal` get the world and those who are struck.

    `place`: what of a member, or of all, it is that it strikes: one fault at a time does.

    `makes_good`: nothing of it stands that could be healed; who was ended is started again.
    `store`: it strikes the store, and so everybody. `whom`: the selector that it always has.
    `clock`: it needs members with clocks of their own.
    """

    name: str
    place: str
    strike: Callable[[SimWorld, SimHost], None]
    heal: Callable[[SimWorld, SimHost], None]
    store: bool = False
    makes_good: bool = False
    clock: bool = False
    whom: str = ""

    def begin(self, world: SimWorld, names: Sequence[str], mark: str) -> list[Callable[[], None]]:
        """Strike; returns what heals."""
        healing: list[Callable[[], None]] = []
        for name in names:
            host = world.host(name)
            own = f"{mark}-{name}"
            who = Who(EVERYBODY, 0) if self.store else host.who
            world.recorder.fault(self.name, own, "begin", who)
            self.strike(world, host)
            world.recorder.fault(self.name, own, "effect", who)
            if self.name == "sigterm":
                _await_end(world, host)
                world.recorder.fault(self.name, own, "end", who)
            healing.append(partial(self._over, world, host, own, who))
        return healing

    def _over(self, world: SimWorld, host: SimHost, mark: str, who: Who) -> None:
        if not self.makes_good:
            world.recorder.fault(self.name, mark, "end", who)
        self.heal(world, host)


def blow_named(name: str) -> Blow:
    """The fault of that name. Raises UsageError."""
    found = SIMULATED.get(name)
    if found is not None:
        return found
    known = ", ".join(SIMULATED)
    if name in CATALOGUE:
        cause = f"{name} strikes real processes only"
    else:
        cause = f"there is no fault {name!r}"
    raise UsageError(cause, cure=f"Simulated are: {known}, and none.")


def refuse_misfit(blow: Blow, manner: StoreManner) -> None:
    """Raise UsageError where a fault strikes what a store of this kind does not have."""
    if blow.store and manner.death_seen_s is not None:
        raise UsageError(
            f"{blow.name} strikes servers, and {manner.kind} has none",
            cure="Strike its members, or take another store.",
        )
    if blow.clock and manner.one_clock:
        raise UsageError(
            f"{blow.name} strikes one member's clock, and on {manner.kind} all read the same",
            cure="Take another store, or another fault.",
        )


def struck_by(blow: Blow, world: SimWorld, selector: str, dice: Random) -> list[str]:
    """Whom a selector means now, as `coord.lab.chaos.targets` says; of a store's fault, anybody."""
    running = sorted(host.name for host in world.up())
    if blow.store or not running:
        return running[:1]
    led = world.leaders().values()
    counts = {name: sum(one == name for one in led) for name in running}
    leaders = [name for name in running if counts[name]]
    selector = blow.whom or selector
    if selector == ALL:
        return running
    if selector == ZONE:
        struck = world.fitting(dice.choice(leaders or running)).zone
        return [one for one in running if world.fitting(one).zone == struck]
    if selector == "one":
        return [dice.choice(running)]
    if selector == "follower":
        least = min(counts.values())
        return [dice.choice([name for name in running if counts[name] == least])]
    first = dice.choice(leaders or running)
    if selector == "leader":
        return [first]
    others = [name for name in running if name != first]
    return [first, *dice.sample(others, max(0, len(running) // 2 - 1))]


# --- processes -------------------------------------------------------------------------------


def _kill(world: SimWorld, host: SimHost) -> None:
    world.crash(host.name)
    world.recorder.gone(host.who)
    seen_s = world.store_manner.death_seen_s
    if seen_s is not None:
        world.at(world.clock.now_ns + int(seen_s * NS), _seen_dead, (world, host.who))


def _seen_dead(argument: tuple[SimWorld, Who]) -> None:
    world, who = argument
    for session, member in world.view().members.items():
        if process_of(member.record) == who:
            world.server.mark_gone(world.group, session)
            world.store_state(lambda state: state.told_dead())


def _again(world: SimWorld, host: SimHost) -> None:
    if host.name in world.hosts:  # unless the fleet has shrunk meanwhile
        world.join(host.name)


def _term(world: SimWorld, host: SimHost) -> None:
    world.stop(host.name)


def _await_end(world: SimWorld, host: SimHost) -> None:
    """Until the process is gone, as whoever stops real ones waits for them."""
    world.until(lambda: host.stopped, within_s=_TERM_S, step_s=_LOOK_S)
    world.crash(host.name)  # with whatever of its code has not stopped
    world.recorder.member(host.who, "stop")


def _pause(world: SimWorld, host: SimHost) -> None:
    host.held = True
    world.pause(host.name)


def _resume(world: SimWorld, host: SimHost) -> None:
    host.held = False
    world.note("resume", host.name)
    host.thaw()


# --- the fleet -------------------------------------------------------------------------------


def _roll(world: SimWorld, host: SimHost) -> None:
    """Gone and back, and the next one's turn is when all is well."""
    _leave(world, host)
    world.join(host.name)
    world.until(lambda: world.whole, within_s=world.timing.ttl_s, step_s=_LOOK_S)


def _leave(world: SimWorld, host: SimHost) -> None:
    _term(world, host)
    _await_end(world, host)


def _over(_: SimWorld, __: SimHost) -> None:
    """Nothing of it stands."""


def _grow(world: SimWorld, _: SimHost) -> None:
    for number in range(_NEW):
        world.join(f"new{number + 1}")


def _ungrow(world: SimWorld, _: SimHost) -> None:
    for number in range(_NEW):
        host = world.host(f"new{number + 1}")
        if not (host.dead or host.stopped):
            _leave(world, host)
        host.kill()
        del world.hosts[host.name]


# --- the work --------------------------------------------------------------------------------


def _wedge(world: SimWorld, host: SimHost) -> None:
    host.behaviours[world.role.name] = replace(world.work, conduct=Conduct.WEDGED)


def _raise(world: SimWorld, host: SimHost) -> None:
    host.behaviours[world.role.name] = replace(world.work, conduct=Conduct.RAISES)


def _slow(world: SimWorld, host: SimHost) -> None:
    host.behaviours[world.role.name] = replace(world.work, work_s=world.work.work_s + _SLOWER_S)


def _mend_work(world: SimWorld, host: SimHost) -> None:
    host.behaviours[world.role.name] = world.work
    host.unstick()


# --- the network -----------------------------------------------------------------------------


def _cut(_: SimWorld, host: SimHost) -> None:
    host.link.down = True


def _cut_requests(_: SimWorld, host: SimHost) -> None:
    host.link.lose_request = 1.0


def _cut_replies(_: SimWorld, host: SimHost) -> None:
    host.link.lose_reply = 1.0


def _delay(world: SimWorld, host: SimHost) -> None:
    each_s = _LATENCY * world.timing.rpc_timeout_s / 2
    host.link.request_s = host.link.reply_s = (each_s, each_s)


def _lose(_: SimWorld, host: SimHost) -> None:
    link = host.link
    assert isinstance(link, SimLink)  # noqa: S101  for types: see `SimHost`
    link.loss = _LOST


def _write_late(world: SimWorld, host: SimHost) -> None:
    """What was asked for lands when nobody expects it any more, or lands and nobody is told."""
    link = host.link
    link.hold, link.held_s = _LATE_SHARE, (world.timing.rpc_timeout_s, 2 * world.timing.ttl_s)
    link.lose_reply = _LATE_SHARE


def _mend_link(_: SimWorld, host: SimHost) -> None:
    host.link.mend()


# --- the clock -------------------------------------------------------------------------------


def _jump(_: SimWorld, host: SimHost) -> None:
    host.clock.jump(_JUMP_S)


def _slow_down(world: SimWorld, host: SimHost) -> None:
    """As much as is declared and no more: what members may be wrong by, they must bear."""
    host.clock.run_at(1 - world.timing.drift)
    host.trust_again()


def _right_rate(_: SimWorld, host: SimHost) -> None:
    host.clock.run_at(host.usual_rate)
    host.trust_again()


# --- operators -------------------------------------------------------------------------------


def _reshape(world: SimWorld, _: SimHost) -> None:
    world.reshape()


# --- the store -------------------------------------------------------------------------------


def _stop_store(world: SimWorld, _: SimHost) -> None:
    world.service.answers = False
    election_s = world.store_manner.election_s
    if election_s is not None:
        took_s = world.dice.stream("election").uniform(*election_s)
        world.at(world.clock.now_ns + int(took_s * NS), _elected, world)


def _elected(world: SimWorld) -> None:
    """Somebody leads the store again, who gives every session a whole ttl from now."""
    world.service.refuses = False
    world.store_state(lambda state: state.lead(world.now_s))
    _answer(world)


def _answer(world: SimWorld) -> None:
    world.service.answers = True
    world.land_held()


def _restart_store(world: SimWorld, _: SimHost) -> None:
    world.service.answers, world.service.refuses = False, True


def _restarted(world: SimWorld, _: SimHost) -> None:
    world.service.refuses = False
    if world.store_manner.ends is Manner.SERVER:
        world.store_state(lambda state: state.lead(world.now_s))
    _answer(world)


def _kill_server(world: SimWorld, host: SimHost) -> None:
    """The server that leads is gone. Where there are others, one of them leads soon."""
    world.service.refuses = True
    _stop_store(world, host)


def _server_again(world: SimWorld, host: SimHost) -> None:
    if world.store_manner.election_s is None:
        _restarted(world, host)


def _go_on(world: SimWorld, _: SimHost) -> None:
    _answer(world)
    chance = world.store_manner.stale_revoke
    if chance:
        dice = world.dice.stream("revocation")
        world.store_state(lambda state: state.revoke(dice, chance))


SIMULATED: Mapping[str, Blow] = {
    blow.name: blow
    for blow in (
        Blow(name="kill", place="process", strike=_kill, heal=_again, makes_good=True),
        Blow(name="sigterm", place="process", strike=_term, heal=_again, makes_good=True),
        Blow(name="pause", place="process", strike=_pause, heal=_resume),
        Blow(name="wedge", place="work", strike=_wedge, heal=_mend_work),
        Blow(name="raise", place="work", strike=_raise, heal=_mend_work),
        Blow(name="slow", place="work", strike=_slow, heal=_mend_work),
        Blow(name="partition", place="link", strike=_cut, heal=_mend_link),
        Blow(name="partition-requests", place="link", strike=_cut_requests, heal=_mend_link),
        Blow(name="partition-replies", place="link", strike=_cut_replies, heal=_mend_link),
        Blow(name="latency", place="link", strike=_delay, heal=_mend_link),
        Blow(name="loss", place="link", strike=_lose, heal=_mend_link),
        Blow(name="late-writes", place="link", strike=_write_late, heal=_mend_link),
        Blow(name="clock-jump", place="clock", strike=_jump, heal=_over, clock=True),
        Blow(name="clock-drift", place="clock", strike=_slow_down, heal=_right_rate, clock=True),
        Blow(name="store-kill", place="store", strike=_kill_server, heal=_server_again, store=True),
        Blow(name="store-pause", place="store", strike=_stop_store, heal=_go_on, store=True),
        Blow(
            name="store-restart", place="store", strike=_restart_store, heal=_restarted, store=True
        ),
        Blow(name="grow", place="fleet", strike=_grow, heal=_ungrow, whom="one"),
        Blow(name="shrink", place="fleet", strike=_leave, heal=_again, whom="one"),
        Blow(name="rolling", place="fleet", strike=_roll, heal=_over, whom="all"),
        Blow(name="reshape", place="fleet", strike=_reshape, heal=_over, whom="one"),
    )
}
"""By name."""
