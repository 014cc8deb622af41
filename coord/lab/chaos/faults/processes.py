"""Faults of the worker processes: killed, asked to go, stopped.

Owns how each is done to those that are struck, and how it is made up for. See
`coord.lab.chaos.process` for what is recorded and when.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from coord.lab.chaos.faults.kind import MEMBERS, Blow, FaultKind
from coord.lab.chaos.stage import Stage
from coord.lab.chaos.stopping import stopped_outside_transactions

__all__ = ["KINDS"]

_TERM_S = 30.0


@contextmanager
def _kill(stage: Stage, blow: Blow) -> Iterator[None]:
    """All at once dead; started again in the end."""
    for member in blow.members:
        with stage.target(member) as target:
            stage.injector.kill(target)
        stage.fleet.reap(member)
    try:
        yield
    finally:
        for member in blow.members:
            stage.fleet.start(member)


@contextmanager
def _sigterm(stage: Stage, blow: Blow) -> Iterator[None]:
    """One after the other, as a rolling stop does; started again in the end."""
    for member in blow.members:
        with stage.target(member) as target:
            gone = stage.injector.terminate(target, within_s=_TERM_S)
            if not gone:
                stage.injector.kill(target)
        stage.fleet.reap(member)
    try:
        yield
    finally:
        for member in blow.members:
            stage.fleet.start(member)


@contextmanager
def _pause(stage: Stage, blow: Blow) -> Iterator[None]:
    with ExitStack() as healing:
        targets = [healing.enter_context(stage.target(member)) for member in blow.members]
        for target in targets:
            healing.enter_context(stopped_outside_transactions(target))
        healing.enter_context(stage.injector.paused(*targets))
        yield


KINDS = (
    FaultKind(
        name="kill",
        says="SIGKILL; started again when its time is over",
        targets=MEMBERS,
        inject=_kill,
    ),
    FaultKind(
        name="sigterm",
        says="SIGTERM; started again when its time is over",
        targets=MEMBERS,
        inject=_sigterm,
    ),
    FaultKind(
        name="pause",
        says="SIGSTOP, and SIGCONT when its time is over",
        targets=MEMBERS,
        inject=_pause,
    ),
)
