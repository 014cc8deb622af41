"""The three faults: whom they strike, when, and how long they are left in force.

Owns the script of each fault. Everything that can be healed is healed when its block is left,
whatever happens; nothing of it is announced to the workers.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from coord.clock import SYSTEM_CLOCK
from coord.lab.chaos import Target
from coord.lab.demo.modes import PROGRESS_TIMEOUT_S
from coord.lab.demo.stage import BUSY, DemoFailed, Stage, boundless
from coord.model import ClaimKey

__all__ = ["strike"]

_LOOK_S = 0.7
"""How long a fault that the fleet has recovered from stays in force, to be looked at."""
_LEADER_S = 10.0
_TRIES = 50
_STOP_S = 5.0
_POLL_S = 0.001
_BREATH_S = 0.02
"""How long it runs between two stops: on a busy machine, time enough to end its transaction."""
_LOCKS = Path("/proc/locks")


def strike(stage: Stage, fault: str, dice: random.Random) -> None:
    """Strike one of the present leaders, wait until others act for it, and heal what can be healed.

    Where nobody leads: one of those who have messages in hand, and until others have acted on them.
    Recovery is waited for within a bound; if it does not come, the figures will tell. Who was
    killed stays dead: `Fleet.missing` tells. Raises DemoFailed if nobody leads.
    """
    if not stage.until(lambda: bool(stage.scene.leaders()), _LEADER_S):
        raise DemoFailed(f"nobody has led anything for {_LEADER_S:g} s", cure=BUSY)
    member = dice.choice(stage.scene.leaders())
    lost = dict(stage.scene.workers[member].leads)
    _SCRIPTS[fault](stage, member, lost)


def _await_recovery(stage: Stage, lost: Mapping[ClaimKey, int]) -> None:
    bound_s = 3 * stage.ttl_s + PROGRESS_TIMEOUT_S + 5.0
    if not stage.until(lambda: stage.scene.taken_over(lost), bound_s):
        stage.screen.say(f"nobody took over within {bound_s:g} s", style="bold red")


def _kill(stage: Stage, member: str, lost: Mapping[ClaimKey, int]) -> None:
    stage.screen.say(f"kill -9 {member}, which {_told(stage, lost)}", style="red")
    with stage.target(member) as target:
        stage.injector.kill(target)
    stage.fleet.reap(member)
    _await_recovery(stage, lost)
    stage.until(boundless, _LOOK_S)


def _pause(stage: Stage, member: str, lost: Mapping[ClaimKey, int]) -> None:
    span_s = 2 * stage.ttl_s
    told = f"stop {member} for {span_s:g} s (SIGSTOP), which {_told(stage, lost)}"
    stage.screen.say(told, style="yellow")
    with stage.target(member) as target, _stopped_outside_transactions(target):
        end = SYSTEM_CLOCK.now() + span_s
        with stage.injector.paused(target):
            _await_recovery(stage, lost)
            stage.until(boundless, end - SYSTEM_CLOCK.now())
    stage.screen.say(f"{member} goes on where it was stopped")


def _wedge(stage: Stage, member: str, lost: Mapping[ClaimKey, int]) -> None:
    renewed = "leases are extended" if stage.mode.queue else "heartbeat goes on"
    told = f"the work of {member} hangs, its {renewed}; it {_told(stage, lost)}"
    stage.screen.say(told, style="magenta")
    with stage.target(member) as target, stage.injector.wedged(target, stage.failpoint(member)):
        _await_recovery(stage, lost)
        stage.until(boundless, _LOOK_S)
    stage.screen.say(f"the work of {member} goes on where it hung")


_SCRIPTS: Mapping[str, Callable[[Stage, str, Mapping[ClaimKey, int]], None]] = {
    "kill": _kill,
    "pause": _pause,
    "wedge": _wedge,
}


def _told(stage: Stage, lost: Mapping[ClaimKey, int]) -> str:
    if stage.mode.queue:
        return f"has {len(lost)} message{'' if len(lost) == 1 else 's'} in hand"
    if stage.mode.shards > 1:
        return "leads shards " + " ".join(str(key.shard) for key in sorted(lost))
    if stage.mode.seats > 1:
        return "leads in one of the seats"
    return "leads everything"


@contextmanager
def _stopped_outside_transactions(target: Target) -> Iterator[None]:
    """Stop the target at a moment when it is not inside a SQLite write transaction.

    Why: a process that is stopped in there holds the write lock of the whole file, and no election
    and no fence can help those who wait for it. That is a property of keeping rows in SQLite, and
    about one pause in fifty would show it instead of what the demo is about. The moment is random
    otherwise, and mostly in the middle of an act.
    """
    try:
        for _ in range(_TRIES):
            if not _stopped(target) or not _holds_a_write_lock(target.pid):
                break
            target.send(signal.SIGCONT)
            time.sleep(_BREATH_S)
        yield
    finally:
        with suppress(ProcessLookupError):
            target.send(signal.SIGCONT)


def _stopped(target: Target) -> bool:
    """Stop it and see that it is; False if it has ended, which the next beat will report."""
    with suppress(ProcessLookupError):
        target.send(signal.SIGSTOP)
    end = time.monotonic() + _STOP_S
    while not target.stopped and not target.dead and time.monotonic() < end:
        time.sleep(_POLL_S)
    return target.stopped


def _holds_a_write_lock(pid: int) -> bool:
    """Whether the kernel lists an exclusive lock of this process on any file."""
    try:
        locks = [line.split() for line in _LOCKS.read_text().splitlines()]
    except OSError:
        return False
    return any("WRITE" in lock and str(pid) in lock for lock in locks)
