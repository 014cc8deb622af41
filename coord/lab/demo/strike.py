"""The three faults: whom they strike, when, and how long they are left in force.

Owns the script of each fault. Everything that can be healed is healed when its block is left,
whatever happens; nothing of it is announced to the workers.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from coord.clock import SYSTEM_CLOCK
from coord.lab.chaos.stage import BUSY, Stage, Unsteady, boundless
from coord.lab.chaos.stopping import stopped_outside_transactions
from coord.lab.work.modes import PROGRESS_TIMEOUT_S, Mode
from coord.model import ClaimKey

__all__ = ["strike"]

_LOOK_S = 0.7
"""How long a fault that the fleet has recovered from stays in force, to be looked at."""
_LEADER_S = 10.0


def strike(stage: Stage, mode: Mode, fault: str, dice: random.Random) -> None:
    """Strike one of the present leaders, wait until others act for it, and heal what can be healed.

    Where nobody leads: one of those who have messages in hand, and until others have acted on them.
    Recovery is waited for within a bound; if it does not come, the figures will tell. Who was
    killed stays dead: `Fleet.missing` tells. Raises Unsteady if nobody leads.
    """
    if not stage.until(lambda: bool(stage.scene.leaders()), _LEADER_S):
        raise Unsteady(f"nobody has led anything for {_LEADER_S:g} s", cure=BUSY)
    member = dice.choice(stage.scene.leaders())
    lost = dict(stage.scene.workers[member].leads)
    _SCRIPTS[fault](stage, mode, member, lost)


def _await_recovery(stage: Stage, lost: Mapping[ClaimKey, int]) -> None:
    bound_s = 3 * stage.ttl_s + PROGRESS_TIMEOUT_S + 5.0
    if not stage.until(lambda: stage.scene.taken_over(lost), bound_s):
        stage.screen.say(f"nobody took over within {bound_s:g} s", style="bold red")


def _kill(stage: Stage, mode: Mode, member: str, lost: Mapping[ClaimKey, int]) -> None:
    stage.screen.say(f"kill -9 {member}, which {_told(mode, lost)}", style="red")
    with stage.target(member) as target:
        stage.injector.kill(target)
    stage.fleet.reap(member)
    _await_recovery(stage, lost)
    stage.until(boundless, _LOOK_S)


def _pause(stage: Stage, mode: Mode, member: str, lost: Mapping[ClaimKey, int]) -> None:
    span_s = 2 * stage.ttl_s
    told = f"stop {member} for {span_s:g} s (SIGSTOP), which {_told(mode, lost)}"
    stage.screen.say(told, style="yellow")
    with stage.target(member) as target, stopped_outside_transactions(target):
        end = SYSTEM_CLOCK.now() + span_s
        with stage.injector.paused(target):
            _await_recovery(stage, lost)
            stage.until(boundless, end - SYSTEM_CLOCK.now())
    stage.screen.say(f"{member} goes on where it was stopped")


def _wedge(stage: Stage, mode: Mode, member: str, lost: Mapping[ClaimKey, int]) -> None:
    renewed = "leases are extended" if mode.queue else "heartbeat goes on"
    told = f"the work of {member} hangs, its {renewed}; it {_told(mode, lost)}"
    stage.screen.say(told, style="magenta")
    with stage.target(member) as target, stage.injector.wedged(target, stage.failpoint(member)):
        _await_recovery(stage, lost)
        stage.until(boundless, _LOOK_S)
    stage.screen.say(f"the work of {member} goes on where it hung")


_Script = Callable[[Stage, Mode, str, Mapping[ClaimKey, int]], None]
_SCRIPTS: Mapping[str, _Script] = {
    "kill": _kill,
    "pause": _pause,
    "wedge": _wedge,
}


def _told(mode: Mode, lost: Mapping[ClaimKey, int]) -> str:
    if mode.queue:
        return f"has {len(lost)} message{'' if len(lost) == 1 else 's'} in hand"
    if mode.shards > 1:
        return "leads shards " + " ".join(str(key.shard) for key in sorted(lost))
    if mode.seats > 1:
        return "leads in one of the seats"
    return "leads everything"
