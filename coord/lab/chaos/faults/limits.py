"""Faults of what the kernel gives: no further descriptor, no further memory.

Owns the limits (`prlimit`, no privilege needed for processes of our own) and how a process is made
to run into them. Whether it gets by, fails or ends is up to it: one that ends of it is recorded as
`died` and started again when the fault's time is over, and later if it ends later.

* Without descriptors a process goes on with those that it has. So its connections are reset once
  the limit stands: it has to connect again, and cannot. A store in a file has none to reset, and
  its file stays open: members notice nothing, only work that opens files does.
* Without memory it goes on with what it has, and Python keeps free memory for itself. So a process
  that takes part (`coord.lab.work.agent`) fills that up; one that does not may never notice.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

from coord.lab.chaos.faults.kind import MEMBERS, Blow, FaultKind, Setting
from coord.lab.chaos.faults.network import no_links
from coord.lab.chaos.links import links_of
from coord.lab.chaos.stage import Stage
from coord.lab.work.agent import MEMORY

__all__ = ["KINDS"]

_NO_MORE_FDS = 3
"""Below whatever it has: even the number of a socket that was reset cannot be had again."""

_Strike = Callable[[Stage, str, int], AbstractContextManager[None]]


@contextmanager
def _limit(stage: Stage, blow: Blow, kind: str, strike: _Strike) -> Iterator[None]:
    """Strike each present process, and have whoever ended running again in the end."""
    healed = False
    with ExitStack() as healing:
        for member in blow.members:
            pid = stage.fleet.pid(member)

            def ended(pid: int, member: str = member) -> None:
                stage.injector.died(member, pid)
                if healed:
                    stage.fleet.start(member)

            stage.fleet.excuse(member, ended)
            fault = strike(stage, member, pid)
            healing.enter_context(stage.injector.struck(kind, fault, member=member, pid=pid))
        yield
    healed = True
    for member in blow.members:
        if member not in stage.fleet.running:
            stage.fleet.start(member)


@contextmanager
def _limited(pid: int, what: int, soft: int) -> Iterator[None]:
    """A lower soft limit while the block runs. The process may end meanwhile."""
    usual = resource.prlimit(pid, what)
    try:
        resource.prlimit(pid, what, (soft, usual[1]))
        yield
    finally:
        with suppress(ProcessLookupError, PermissionError):  # it has ended
            resource.prlimit(pid, what, usual)


# ---------------------------------------------------------------------------------- descriptors


def _fds(stage: Stage, blow: Blow) -> AbstractContextManager[None]:
    return _limit(stage, blow, "fds", _without_descriptors)


@contextmanager
def _without_descriptors(stage: Stage, member: str, pid: int) -> Iterator[None]:
    with _limited(pid, resource.RLIMIT_NOFILE, _NO_MORE_FDS):
        for proxy in links_of(stage.ground.links).of(member):
            proxy.reset()
        yield


# --------------------------------------------------------------------------------------- memory


def _memory(stage: Stage, blow: Blow) -> AbstractContextManager[None]:
    return _limit(stage, blow, "memory", _without_memory)


@contextmanager
def _without_memory(stage: Stage, member: str, pid: int) -> Iterator[None]:
    leak = stage.failpoint(member, MEMORY)
    with (
        _limited(pid, resource.RLIMIT_DATA, _written_bytes(pid)),
        leak.standing() if leak.announced else nullcontext(),
    ):
        yield


def _written_bytes(pid: int) -> int:
    """What it may write for itself by now.

    Of all of its addresses, every thread's heap has tens of megabytes in reserve: a limit on those
    would not be felt. The kernel applies only the one or the other to that reserve, so this alone.
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [kilobytes] = [line.split()[1] for line in lines if line.startswith("VmData:")]
    return int(kilobytes) << 10


def _fds_unfit(setting: Setting) -> str | None:
    """Why nothing would make it open anything, if so."""
    if no_links(setting) is None:
        return None
    return (
        "a process goes on with the files and connections that it has, and nothing here makes it"
        " open another: give a kind of store with servers, whose connections can be reset"
    )


KINDS = (
    FaultKind(
        name="fds",
        says="no file or socket can be opened; connections are reset, so that they have to be",
        targets=MEMBERS,
        inject=_fds,
        linked=True,
        unfit=_fds_unfit,
    ),
    FaultKind(
        name="memory",
        says="no more memory; a process that ends of it is started again",
        targets=MEMBERS,
        inject=_memory,
    ),
)
