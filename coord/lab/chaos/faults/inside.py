"""Faults inside the processes, which the work itself plays: it hangs, is slow, holds the lock.

Owns which files tell the work to do so (`coord.lab.work.failpoint`). Coord's own code is told
nothing of it. A process that looks at no such file is not struck but refused, with the cure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from coord.errors import UsageError
from coord.lab.chaos.faults.kind import MEMBERS, Blow, FaultKind, Option
from coord.lab.chaos.stage import Stage
from coord.lab.work.agent import INTERPRETER
from coord.lab.work.failpoint import Failpoint

__all__ = ["KINDS", "taking_part"]

_WORK = "work"


def taking_part(stage: Stage, member: str, name: str) -> Failpoint:
    """The failpoint of a member whose process looks at it; raises UsageError for others."""
    failpoint = stage.failpoint(member, name)
    if not failpoint.announced:
        raise UsageError(
            f"{member} cannot be struck from inside: its process does not look at the failpoint"
            f" {name!r}",
            cure=(
                "Call coord.lab.chaos.agent.take_part(member) when the daemon starts, and"
                " pause_here() on what that returns in its work."
            ),
        )
    return failpoint


@contextmanager
def _at(
    stage: Stage,
    blow: Blow,
    kind: FaultKind,
    strike: Callable[[Failpoint], AbstractContextManager[None]],
) -> Iterator[None]:
    """The same at one failpoint of each struck member, recorded for its present process."""
    at = kind.failpoint
    failpoints = {member: taking_part(stage, member, at) for member in blow.members}
    with ExitStack() as healing:
        for member, failpoint in failpoints.items():
            pid = stage.fleet.pid(member)
            fault = stage.injector.struck(kind.name, strike(failpoint), member=member, pid=pid)
            healing.enter_context(fault)
        yield


def _wedge(stage: Stage, blow: Blow) -> AbstractContextManager[None]:
    return _at(stage, blow, _WEDGE, Failpoint.standing)


def _slow(stage: Stage, blow: Blow) -> AbstractContextManager[None]:
    by_s = blow.options["seconds"]
    return _at(stage, blow, _SLOW, lambda failpoint: failpoint.slowing(by_s))


def _gil(stage: Stage, blow: Blow) -> AbstractContextManager[None]:
    """In force within a few hundredths of a second, when the process next looks."""
    return _at(stage, blow, _GIL, Failpoint.standing)


_WEDGE = FaultKind(
    name="wedge",
    says="the work hangs, as on a dependency that does not answer; all else goes on",
    targets=MEMBERS,
    inject=_wedge,
    failpoint=_WORK,
)
_SLOW = FaultKind(
    name="slow",
    says="the work takes longer, as on a slow dependency",
    targets=MEMBERS,
    inject=_slow,
    options=(Option(name="seconds", says="more for each act", kind="seconds", default=0.5),),
    failpoint=_WORK,
)
_GIL = FaultKind(
    name="gil",
    says="the interpreter lock is held, as by a C extension: no thread of it gets on",
    targets=MEMBERS,
    inject=_gil,
    failpoint=INTERPRETER,
)
KINDS = (_WEDGE, _SLOW, _GIL)
