"""Changes of the fleet that are no failures: it grows, shrinks, is restarted one by one.

Owns who comes and who goes. All leave in order (SIGTERM), and each of them is recorded as asked to
go and seen gone; the change itself is recorded as a fault of everybody, since claims move for all.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager

from coord.clock import SYSTEM_CLOCK
from coord.config import Timing
from coord.lab.chaos.faults.kind import Blow, FaultKind, Option
from coord.lab.chaos.scene import State
from coord.lab.chaos.stage import Stage

__all__ = ["KINDS"]

_TERM_S = 30.0
_COME_S = 20.0


@contextmanager
def _grow(stage: Stage, blow: Blow) -> Iterator[None]:
    """In force once they have joined; the stage goes on meanwhile."""
    new = _new_names(stage, int(blow.options["count"]))
    with stage.injector.struck("grow", _more(stage, new)):
        yield


@contextmanager
def _more(stage: Stage, members: Sequence[str]) -> Iterator[None]:
    try:
        for member in members:
            stage.scene.join(member)
            stage.fleet.start(member)
        stage.until(lambda: all(_up(stage, member) for member in members), _COME_S)
        yield
    finally:
        _leave(stage, members)


def _up(stage: Stage, member: str) -> bool:
    return stage.scene.workers[member].state is State.UP


@contextmanager
def _shrink(stage: Stage, blow: Blow) -> Iterator[None]:
    count = min(int(blow.options["count"]), len(blow.members) - 1)
    with stage.injector.struck("shrink", _fewer(stage, blow.dice.sample(blow.members, count))):
        yield


@contextmanager
def _fewer(stage: Stage, members: Sequence[str]) -> Iterator[None]:
    try:
        _leave(stage, members)
        yield
    finally:
        for member in members:
            stage.scene.join(member)
            if member not in stage.fleet.running:
                stage.fleet.start(member)


@contextmanager
def _rolling(stage: Stage, blow: Blow) -> Iterator[None]:
    """Each has its part of the fault's time, and the next its turn earlier if all is well."""
    with stage.injector.struck("rolling", _restarts(stage, blow.members, blow.for_s)):
        yield


@contextmanager
def _restarts(stage: Stage, members: Sequence[str], for_s: float) -> Iterator[None]:
    going: set[str] = set()
    try:
        with stage.meanwhile(_one_by_one(stage, members, for_s / len(members), going)):
            yield
    finally:
        left = set(going)
        _await_gone(stage, going)
        for member in left:
            stage.fleet.start(member)


def _one_by_one(
    stage: Stage, members: Sequence[str], each_s: float, going: set[str]
) -> Generator[None, None, None]:
    """A step at every beat of the stage."""
    begin_s = SYSTEM_CLOCK.now()
    for turn, member in enumerate(members, 1):
        if member not in stage.fleet.running:  # it is down by another fault, which starts it
            continue
        _ask(stage, member, going)
        while going:
            yield
        stage.fleet.start(member)
        began_s = SYSTEM_CLOCK.now()
        while SYSTEM_CLOCK.now() < begin_s + turn * each_s and not _back(stage, member, began_s):
            yield


def _back(stage: Stage, member: str, since_s: float) -> bool:
    """Whether it has come since then, and the fleet is at rest."""
    worker = stage.scene.workers[member]
    came = worker.who.pid == stage.fleet.pid(member) and worker.trusted_until_s > since_s
    return came and stage.scene.steady(SYSTEM_CLOCK.now(), quiet_s=Timing.of(stage.ttl_s).settle_s)


def _leave(stage: Stage, members: Iterable[str]) -> None:
    """All of them leave in order, and belong to the fleet no more. The stage goes on meanwhile."""
    going: set[str] = set()
    for member in members:
        if member in stage.fleet.running:
            _ask(stage, member, going)
    _await_gone(stage, going)
    for member in members:
        stage.fleet.dismiss(member)
        stage.scene.leave(member)


def _ask(stage: Stage, member: str, going: set[str]) -> None:
    """Ask it to go; once it has, that is recorded, and it is not among `going` any more."""
    target = stage.target(member)

    def gone(_: int) -> None:
        stage.injector.gone(mark, target)
        target.close()
        going.discard(member)

    going.add(member)
    stage.fleet.excuse(member, gone)
    mark = stage.injector.ask(target)


def _await_gone(stage: Stage, going: set[str]) -> None:
    """Those who take too long are killed."""
    if stage.until(lambda: not going, _TERM_S):
        return
    for member in sorted(going):
        with stage.target(member) as target:
            stage.injector.kill(target)
    stage.until(lambda: not going, _TERM_S)


def _new_names(stage: Stage, count: int) -> list[str]:
    taken = set(stage.fleet.members)
    names = (f"more-{number}" for number in itertools.count(1))
    return list(itertools.islice((name for name in names if name not in taken), count))


KINDS = (
    FaultKind(
        name="grow",
        says="new members join, and leave in order when its time is over",
        targets=("all",),
        inject=_grow,
        options=(Option(name="count", says="how many", kind="count", default=2.0),),
    ),
    FaultKind(
        name="shrink",
        says="members leave in order, and come back when its time is over",
        targets=("all",),
        inject=_shrink,
        options=(
            Option(name="count", says="how many; one at least stays", kind="count", default=1.0),
        ),
    ),
    FaultKind(
        name="rolling",
        says="one member after the other is restarted, within its time",
        targets=("all",),
        inject=_rolling,
    ),
)
