"""Short plays in virtual time, each of which a certain mistake in the core would spoil.

Owns the plays; every one raises AssertionError if what it shows does not hold. They are played
twice: on the core as it is (`test_world.py`), and on cores with a planted mistake
(`test_planted.py`), which shows that the plays can fail. Knows nothing of how the core works.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from coord.config import Role, Timing
from coord.core import commands as c
from coord.model import ClaimKey, Note, Shape
from coord.testing.faults import Fate
from coord.testing.memory import Manner
from coord.testing.world import Behaviour, Conduct, Link, World

__all__ = ["SCENARIOS", "Scenario"]

Scenario = Callable[[], None]

_INF = float("inf")
ONE = ClaimKey("r", 1, 0, 0)
EAGER = Behaviour(conduct=Conduct.HEADLESS, rest_s=0.01, work_s=0.01)
"""Acts every 10 ms for as long as it may, and never stops by itself."""


def _timing(ttl_s: float = 6.0, *, drift: float = 0.01, rpc_timeout_s: float = 0.5) -> Timing:
    return Timing.of(ttl_s, drift=drift, heartbeat_s=1.2, rpc_timeout_s=rpc_timeout_s)


def _role(**settings: object) -> Role:
    quick = {"progress_timeout_s": 4.0, "bar_s": 20.0, "poison_s": 60.0, "rest_s": 0.5}
    return Role("r", **{**quick, **settings})  # type: ignore[arg-type]


def _leader(world: World, key: ClaimKey = ONE) -> str:
    assert world.until(lambda: key in world.leaders(), within_s=20), f"nobody leads {key}"
    return world.leaders()[key]


def _succeeds(world: World, former: str, *, within_s: float, key: ClaimKey = ONE) -> str:
    """Somebody else leads in time."""
    found = world.until(lambda: world.leaders().get(key, former) != former, within_s=within_s)
    world.verdict.check()
    assert found, f"{former} was not succeeded within {within_s} s"
    return world.leaders()[key]


def _cut_off(*, manner: Manner, rate: float, reply_s: float = 0.002, lag_s: float = 0.0) -> None:
    """A leader that acts to the last moment loses its link; its successor starts at the first."""
    timing = _timing(drift=0.02)
    for seed in range(6):
        world = World(seed=seed, timing=timing, manner=manner, lag_s=lag_s)
        world.add("a", _role(progress_timeout_s=None), rate=rate, behaviours={"r": EAGER})
        _leader(world)
        for name in "bc":
            world.add(name, _role(progress_timeout_s=None), behaviours={"r": EAGER})
        world.hosts["a"].link.reply_s = (reply_s, reply_s)
        world.run(5 + 0.37 * seed)
        world.hosts["a"].link.down = True
        _succeeds(world, "a", within_s=2.5 * timing.ttl_s)
        world.run(5)
        world.verdict.check()


def a_leader_that_is_cut_off_acts_no_longer_than_the_store_honours_it() -> None:
    _cut_off(manner=Manner.PROVEN, rate=1.0)


def a_slow_clock_gives_nobody_more_time() -> None:
    """Within the declared drift. Proven expiry, and a store that ends sessions by itself."""
    _cut_off(manner=Manner.PROVEN, rate=1 - 0.02 / 2.02)
    _cut_off(manner=Manner.SERVER, rate=1 - 0.02 / 2.02)


def a_slow_reply_gives_nobody_more_time() -> None:
    _cut_off(manner=Manner.PROVEN, rate=1.0, reply_s=0.45)


def a_store_that_forgets_part_of_a_renewal_is_trusted_less() -> None:
    _cut_off(manner=Manner.SERVER, rate=1.0, lag_s=1.0)


def patience_of_peers_outlasts_the_trust_of_a_slow_clock() -> None:
    """Observed expiry: peers count on clocks of their own."""
    _cut_off(manner=Manner.OBSERVED, rate=1 - 0.02 / 2.02)


def a_leader_whose_replies_are_lost_is_succeeded() -> None:
    """It keeps its session alive, unheard, unless it gives it up for good.

    Several times: in one of three it also stops because it cannot read the group.
    """
    for seed in range(4):
        world = World(seed=seed, timing=_timing())
        world.add("a", _role())
        _leader(world)
        world.add("b", _role())
        world.run(5)
        world.hosts["a"].link.script(Fate.LOSE_REPLY, times=None)
        _succeeds(world, "a", within_s=3 * world.timing.ttl_s)


def healthy_sessions_are_never_evicted() -> None:
    for manner in Manner:
        world = World(seed=3, timing=_timing(), manner=manner)
        for name in "abc":
            world.add(name, _role(shards=3))
        world.run(10)
        led = world.leaders()
        world.run(120)
        world.verdict.check()
        assert world.leaders() == led
        assert all(not host.reports["evicted"] for host in world.hosts.values())


def a_peer_that_was_paused_evicts_nobody_who_lives() -> None:
    """What it last saw is long ago, but it was not awake meanwhile."""
    world = World(seed=15, timing=_timing(), manner=Manner.OBSERVED)
    world.add("a", _role(progress_timeout_s=None), behaviours={"r": EAGER})
    _leader(world)
    world.add("b")
    world.run(5)
    world.pause("b")
    world.run(30)
    world.resume("b")
    world.run(10)
    world.verdict.check()
    assert world.leaders() == {ONE: "a"}


def a_peer_that_cannot_look_evicts_nobody_who_lives() -> None:
    """What it last saw is long ago; the store compares the heartbeat that it was."""
    world = World(seed=15, timing=_timing(), manner=Manner.OBSERVED)
    world.add("a", _role(progress_timeout_s=None), behaviours={"r": EAGER})
    _leader(world)
    world.add("b")
    world.run(5)
    world.hosts["b"].link.script(Fate.LOSE_REPLY, c.ReadView, times=None)
    world.hosts["b"].link.script(Fate.HOLD, c.Evict)
    assert world.until(lambda: bool(world.held), within_s=3 * world.timing.ttl_s)
    world.land_held()
    world.run(5)
    world.verdict.check()
    assert world.leaders() == {ONE: "a"}


def code_that_does_not_stop_keeps_its_claim_while_it_may_act() -> None:
    """A joiner is due half of the shards; code that is asked to stop acts on for a while."""
    world = World(seed=4, timing=_timing())
    world.add("a", _role(shards=2), behaviours={"r": EAGER})
    _leader(world)
    world.add("b", _role(shards=2))
    moved = ClaimKey("r", 1, 1, 0)
    assert world.until(lambda: world.leaders().get(moved) == "b", within_s=30)
    world.verdict.check()


def a_release_that_lands_late_ends_no_later_tenure() -> None:
    world = World(seed=5, timing=_timing())
    world.add("a", _role(), behaviours={"r": Behaviour(conduct=Conduct.RETURNS, after=1)})
    host = world.hosts["a"]
    host.link.script(Fate.HOLD, c.Release)
    _leader(world)
    assert world.until(lambda: bool(world.held), within_s=20)
    host.behaviours["r"] = EAGER
    assert world.until(lambda: not world.leaders(), within_s=20)
    _leader(world)
    world.land_held()
    world.run(2)
    world.verdict.check()
    assert world.leaders() == {ONE: "a"}


def a_claim_whose_answer_is_lost_is_adopted() -> None:
    world = World(seed=6, timing=_timing())
    world.add("a", _role())
    world.hosts["a"].link.script(Fate.LOSE_REPLY, c.Claim, times=None)
    assert world.until(lambda: ONE in world.leaders(), within_s=10)
    world.run(5)
    world.verdict.check()


def a_claim_or_record_whose_request_is_lost_is_asked_for_again() -> None:
    """Nothing changes in the store, so no view reminds anybody."""
    world = World(seed=7, timing=_timing())
    host = world.add("a")
    host.link.script(Fate.LOSE_REQUEST, c.PutRole, times=2)
    host.link.script(Fate.LOSE_REQUEST, c.Claim, times=2)
    host.link.script(Fate.REFUSE, c.UpdateRecord, times=2)
    world.serve("a", _role())
    assert world.until(lambda: ONE in world.leaders(), within_s=15)
    world.verdict.check()


def a_wedged_leader_is_replaced_and_barred() -> None:
    world = World(seed=8, timing=_timing())
    for name in "abc":
        world.add(name, _role(shards=3))
    world.run(10)
    wedged = ClaimKey("r", 1, 2, 0)  # the shard that its successor, with two now, gives away first
    former = _leader(world, wedged)
    world.hosts[former].behaviours[wedged] = Behaviour(conduct=Conduct.WEDGED)
    _succeeds(world, former, within_s=4.0 + 1.0 + 1.5, key=wedged)
    world.hosts[former].behaviours.clear()
    world.hosts[former].unstick()
    for _ in range(150):
        world.run(0.1)
        assert world.leaders().get(wedged) != former, "the barred member has it back"
    world.verdict.check()


def two_generations_never_act_at_once() -> None:
    world = World(seed=9, timing=_timing())
    for name in "abc":
        world.add(name, _role(shards=3), behaviours={"r": Behaviour(rest_s=0.05, stop_s=0.8)})
    world.run(10)
    assert len(world.leaders()) == 3
    world.operate("r", pending=Shape(2, 1))
    for name in "abc":
        world.serve(name, _role(shards=2))
    second = [ClaimKey("r", 2, shard, 0) for shard in range(2)]
    assert world.until(lambda: set(world.leaders()) == set(second), within_s=30)
    world.run(5)
    world.verdict.check()


def a_paused_machine_accuses_nobody() -> None:
    """A pause shorter than the session's life: the code is not to blame for what it missed.

    Of each pause at most the time up to the next tick is counted, and the slack.
    """
    world = World(seed=10, timing=replace(_timing(ttl_s=20.0), slack_s=0.1))
    for name in "ab":
        busy = Behaviour(rest_s=0.05, work_s=1.5)
        world.add(name, _role(progress_timeout_s=4.0), behaviours={"r": busy})
    former = _leader(world)
    for round_ in range(30):
        world.run(2 + 0.013 * round_)
        if round_ % 2:  # inside a store call: its answer is what the machine sees first
            world.hosts[former].link.request_s = (0.3, 0.4)
        world.pause(former)
        world.run(4)
        world.resume(former)
        world.hosts[former].link.request_s = (0.001, 0.003)
    world.run(5)
    assert world.hosts[former].reports["late"] == 0
    assert world.leaders() == {ONE: former}
    world.verdict.check()


def a_member_whose_control_thread_is_stuck_loses_its_claims() -> None:
    world = World(seed=11, timing=_timing())
    for name in "ab":
        world.add(name, _role())
    former = _leader(world)
    world.hosts[former].stalled = True
    _succeeds(world, former, within_s=3.5 * world.timing.ttl_s)


def an_opening_that_lands_late_ends_no_trusted_session() -> None:
    world = World(seed=12, timing=_timing())
    role = _role(progress_timeout_s=None)
    link = Link()
    link.script(Fate.HOLD, c.OpenSession)
    world.add("b", role, link=link, behaviours={"r": EAGER})
    assert world.until(lambda: ONE in world.leaders(), within_s=20)
    world.add("a", role)
    world.run(3)
    world.land_held()
    world.run(10)
    world.verdict.check()
    assert world.leaders() == {ONE: "b"}


def what_was_asked_to_be_released_is_not_led_again() -> None:
    """Old code runs on under the key; a claim lands late, is released, and that lands late too."""
    world = World(seed=13, timing=_timing())
    role = _role(bar_s=0.5, poison_s=1.0)
    host = world.add("a", role, behaviours={"r": Behaviour(conduct=Conduct.WEDGED)})
    assert world.until(lambda: host.reports["late"] > 0, within_s=20)
    world.run(1)
    claim = world.view().claims[ONE]
    assert claim.session is None
    session = next(iter(world.view().members))
    host.link.script(Fate.HOLD, c.Release)
    world.take(ONE, session)
    assert world.until(lambda: bool(world.held), within_s=20)
    host.behaviours["r"] = Behaviour(rest_s=0.02)
    host.unstick()
    host.link.script(Fate.LOSE_REQUEST, c.Release, times=None)
    world.run(0.5)
    world.add("b")  # so that there is a newer view, which shows the claim as ours still
    world.run(2)
    world.land_held()
    world.run(1)
    host.link.mend()
    world.run(10)
    world.verdict.check()
    assert world.leaders() == {ONE: "a"}


def a_leader_that_is_succeeded_by_force_of_time_is_not_handed_its_claim_at_once() -> None:
    """Whoever takes a claim that a paused member should have taken keeps it for a while."""
    world = World(seed=14, timing=_timing(ttl_s=20.0))
    for name in "ab":
        world.add(name, _role(shards=4))
    world.run(10)
    world.add("c", _role(shards=4))
    assert world.until(
        lambda: "c" in {m.record.name for m in world.view().members.values()}, within_s=5
    )
    world.run(0.5)
    world.pause("c")
    starts = world.verdict.starts
    world.run(12)
    world.verdict.check()
    assert world.verdict.starts - starts <= 2, "claims went back and forth while c was paused"
    assert not world.unheld()


def what_becomes_free_again_after_a_while_is_shared_and_not_seized() -> None:
    """A pause or poison that ends is seen by one member first; all get their part at once."""
    for seed in range(4):
        world = World(seed=seed, timing=_timing())
        for name in "abc":
            world.add(name, _role(shards=6))
        world.run(10)
        _pause_ends(world)
        _poison_ends(world)


def _pause_ends(world: World) -> None:
    world.operate("r", paused=True)
    world.run(120)
    assert not world.leaders()
    starts = world.verdict.starts
    world.operate("r", paused=False)
    assert world.until(lambda: not world.unheld(), within_s=5)
    world.run(30)
    assert world.verdict.starts - starts == 6
    assert sorted(Counter(world.leaders().values()).values()) == [2, 2, 2]


def _poison_ends(world: World) -> None:
    """Members count poison from when they saw it, which is not quite the same moment."""
    for key in sorted(world.leaders()):
        world.depose(key, Note(clean=True, poison_s=40.0))
    world.run(35)
    assert not world.leaders()
    starts = world.verdict.starts
    assert world.until(lambda: not world.unheld(), within_s=8)
    world.run(30)
    assert world.verdict.starts - starts == 6


SCENARIOS: dict[str, Scenario] = {
    name: play
    for name, play in list(globals().items())
    if callable(play)
    and getattr(play, "__module__", "") == __name__
    and not name.startswith("_")
    and name.islower()
}
