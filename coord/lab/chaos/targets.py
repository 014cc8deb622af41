"""From a selector to those whom it means now: `leader`, `half`, `store-leader`.

Owns these choices. What cannot be told apart is drawn from the given dice, so that one seed gives
the same choices for the same state.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from coord.errors import UsageError
from coord.lab.chaos.stage import BUSY, Stage, Unsteady
from coord.testing.servers import ServerMember

__all__ = ["SAYS", "members_of", "servers_of_store"]

SAYS: Mapping[str, str] = {
    "leader": "one of those who lead anything, or have messages of a queue in hand",
    "follower": "one who leads nothing, or the least",
    "one": "any member",
    "half": "half of the members, a leader among them",
    "all": "every member",
    "store-leader": "the server of the store that leads now",
    "store-one": "any server of the store",
    "store-all": "every server of the store",
}
"""The selectors, in words."""

_LEADER_S = 10.0


def members_of(stage: Stage, selector: str, dice: random.Random) -> tuple[str, ...]:
    """The members that run and are meant; none for a selector of servers.

    `leader`: one of those who lead anything (on a queue: have messages in hand); it is waited for.
    `follower`: one who leads nothing, or the least. `one`: any. `half`: half of them, rounded down,
    one at least, a leader among them. `all`. Raises Unsteady if nobody leads.
    """
    choose = _MEMBERS.get(selector)
    if choose is None:
        return ()
    running = sorted(stage.fleet.running)
    if not running:
        raise UsageError("no member runs that could be struck", cure="Strike one after the other.")
    return tuple(choose(stage, running, dice))


def servers_of_store(stage: Stage, selector: str, dice: random.Random) -> tuple[ServerMember, ...]:
    """The servers that are meant; none for a selector of members.

    `store-leader`: the one that leads now. `store-one`: any. `store-all`.
    """
    servers = stage.ground.servers
    if servers is None or not selector.startswith("store-"):
        return ()
    if selector == "store-leader":
        return (servers.leader(),)
    if selector == "store-one":
        return (dice.choice(servers.members),)
    return servers.members


def _leader(stage: Stage, running: Sequence[str], dice: random.Random) -> list[str]:
    def leading() -> list[str]:
        return [member for member in stage.scene.leaders() if member in running]

    if not stage.until(lambda: bool(leading()), _LEADER_S):
        raise Unsteady(f"nobody has led anything for {_LEADER_S:g} s", cure=BUSY)
    return [dice.choice(leading())]


def _follower(stage: Stage, running: Sequence[str], dice: random.Random) -> list[str]:
    led = {member: len(stage.scene.workers[member].leads) for member in running}
    least = min(led.values())
    return [dice.choice([member for member in running if led[member] == least])]


def _one(_: Stage, running: Sequence[str], dice: random.Random) -> list[str]:
    return [dice.choice(running)]


def _half(stage: Stage, running: Sequence[str], dice: random.Random) -> list[str]:
    [leader] = _leader(stage, running, dice)
    others = [member for member in running if member != leader]
    return [leader, *dice.sample(others, max(0, len(running) // 2 - 1))]


def _all(_: Stage, running: Sequence[str], __: random.Random) -> list[str]:
    return list(running)


_Choice = Callable[[Stage, Sequence[str], random.Random], list[str]]
_MEMBERS: Mapping[str, _Choice] = {
    "leader": _leader,
    "follower": _follower,
    "one": _one,
    "half": _half,
    "all": _all,
}
