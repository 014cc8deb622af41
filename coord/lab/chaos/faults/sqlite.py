"""A member of a SQLite store that is stopped while it writes, and so stops everybody's writing.

Owns how one is caught in a transaction, which takes it a moment and may take us some of its
heartbeats. SQLite has one write lock for the whole file, and the kernel keeps it for a process that
stands still. No lease and no fence helps: nobody can renew, nobody can take over, and the fleet
recovers once the process goes on or dies, not before. `coord doctor` names it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import unquote

from coord.clock import SYSTEM_CLOCK
from coord.lab.chaos import hunter
from coord.lab.chaos.faults.kind import Blow, FaultKind, Setting
from coord.lab.chaos.process import Target
from coord.lab.chaos.stage import BUSY, Stage, Unsteady, boundless
from coord.lab.chaos.stopping import going_on

__all__ = ["KINDS", "store_file"]

_CATCH_S = 30.0
_LATE_S = 2.0
_SCHEME = "sqlite:///"


def store_file(url: str) -> Path:
    """The file of a SQLite store."""
    return Path(unquote(url.removeprefix(_SCHEME).partition("?")[0]))


@contextmanager
def _writer_stop(stage: Stage, blow: Blow) -> Iterator[None]:
    """Its time counts from the moment at which it was caught. Everybody is struck by it."""
    [member] = blow.members
    with ExitStack() as healing:
        target = healing.enter_context(stage.target(member))
        healing.enter_context(going_on(target))
        _catch(stage, target)
        until_s = SYSTEM_CLOCK.now() + blow.for_s
        healing.enter_context(stage.injector.paused(target))
        healing.enter_context(stage.injector.struck("writer-stop", ExitStack()))
        yield
        stage.until(boundless, until_s - SYSTEM_CLOCK.now())


def _catch(stage: Stage, target: Target) -> None:
    """Return once it is stopped inside a transaction. Raises Unsteady if it was not caught."""
    shm = f"{store_file(stage.ground.url)}-shm"
    command = [sys.executable, "-I", "-S", hunter.__file__, str(target.pid), shm, str(_CATCH_S)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as hunting:
        try:
            stage.until(lambda: hunting.poll() is not None, _CATCH_S + _LATE_S)
        finally:
            hunting.kill()
    if hunting.returncode != hunter.CAUGHT:
        raise Unsteady(
            f"{target.member} was not caught in a write transaction within {_CATCH_S:g} s",
            cure=BUSY,
        )


def _unfit(setting: Setting) -> str | None:
    if setting.mode == "queue":
        return "in mode queue nobody leads, and no store is used"
    if setting.store == "sqlite":
        return None
    return f"a client of {setting.store} holds no lock that others wait for"


KINDS = (
    FaultKind(
        name="writer-stop",
        says="SIGSTOP of a member inside a write transaction of the store's file, and SIGCONT",
        targets=("leader", "follower", "one"),
        inject=_writer_stop,
        unfit=_unfit,
    ),
)
