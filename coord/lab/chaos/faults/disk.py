"""The disk under the store is full: under some of its servers, or under the file.

Owns what becomes of servers that could not bear it: they are started again once there is room. The
disks are the store's alone, made for the run; see `coord.lab.chaos.disks`. A server that has
nothing to write notices nothing: a heartbeat of etcd writes nothing, one of the others does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from coord.errors import UsageError
from coord.lab.chaos.faults.kind import SERVERS, Blow, FaultKind, Setting
from coord.lab.chaos.faults.servers import started
from coord.lab.chaos.ground import FILE_DISK
from coord.lab.chaos.stage import Stage

__all__ = ["KINDS"]


@contextmanager
def _fill(stage: Stage, blow: Blow) -> Iterator[None]:
    """Over when there is room again and the servers that had ended serve."""
    disks = stage.ground.disks
    if disks is None:
        raise UsageError(
            "the store's data does not lie on disks of its own",
            cure="Start a store for the run, with ground(kind, …, own_disks=True).",
        )
    names = [server.name for server in blow.servers] or [FILE_DISK]
    with stage.injector.struck("disk-full", disks.filled(names)):
        yield
        disks.free(names)
        ended = [server for server in blow.servers if not server.running]
        if ended:
            stage.screen.say(f"ended for want of space: {', '.join(one.name for one in ended)}")
        started(stage, ended)


def _unfit(setting: Setting) -> str | None:
    if setting.mode == "queue":
        return "in mode queue nobody leads, and no store is used"
    if setting.store == "memory":
        return "a store in memory has no disk"
    if not setting.own:
        return (
            "only a disk of our own is filled: give the kind of store instead of a URL,"
            " and one is started for the run"
        )
    return None


KINDS = (
    FaultKind(
        name="disk-full",
        says="no byte is free under servers of the store, or under the file of SQLite",
        targets=SERVERS,
        inject=_fill,
        needs=("root", "tmpfs"),
        own_disks=True,
        unfit=_unfit,
    ),
)
