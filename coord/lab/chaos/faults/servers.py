"""Faults of the store's own servers: killed, asked to go, stopped.

Owns how each is done to servers that were started for the run, and how it is made up for. A server
that is started again needs seconds until it serves; meanwhile the stage goes on, and its fault is
not over before: what the fleet then needs to recover is counted from there.

Where the store has only one server, its leader is the whole store: nobody takes over, and until it
is back nothing can be renewed or claimed.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from coord.lab.chaos.faults.kind import SERVERS, Blow, FaultKind, Setting
from coord.lab.chaos.stage import Stage
from coord.testing.servers import ServerFailed, ServerMember, ServerMissing
from coord.testing.servers.etcd import etcd_version

__all__ = ["KINDS", "await_settled", "no_servers", "started"]

_SETTLE_S = 60.0  # ZooKeeper on a busy machine
_LOOK_S = 0.05
_JOIN_S = 10.0
_SAFE_PATCH = {(3, 4): 31, (3, 5): 13}
"""From which patch of these releases on an etcd leader that was revived revokes no leases."""


@contextmanager
def _kill(stage: Stage, blow: Blow) -> Iterator[None]:
    """All at once dead; started again in the end."""
    with stage.injector.struck("store-kill", _down(blow.servers)):
        yield
        started(stage, blow.servers)


@contextmanager
def _restart(stage: Stage, blow: Blow) -> Iterator[None]:
    """Asked to go; whoever takes longer than the fault's time is killed; started in the end."""
    with stage.injector.struck("store-restart", _down(blow.servers, ask=True)):
        yield
        for server in blow.servers:
            server.kill()
        started(stage, blow.servers)


@contextmanager
def _pause(stage: Stage, blow: Blow) -> Iterator[None]:
    """Over when they go on. Which of them leads may take them a moment more to find out."""
    with stage.injector.struck("store-pause", _stopped(blow.servers)):
        yield
    await_settled(stage, blow.servers)


@contextmanager
def _down(servers: Iterable[ServerMember], *, ask: bool = False) -> Iterator[None]:
    try:
        for server in servers:
            if ask:
                server.ask_to_go()
            else:
                server.kill()
        yield
    finally:
        for server in servers:
            server.start()


@contextmanager
def _stopped(servers: Iterable[ServerMember]) -> Iterator[None]:
    try:
        for server in servers:
            server.pause()
        yield
    finally:
        for server in servers:
            server.resume()


def started(stage: Stage, servers: Iterable[ServerMember]) -> None:
    """Start those of them that do not run; return once they serve. The stage goes on meanwhile."""
    for server in servers:
        server.start()
    await_settled(stage, servers)


def await_settled(stage: Stage, struck: Iterable[ServerMember]) -> None:
    """Let the stage go on until the servers are in step, unless others of them are still struck.

    Raises ServerFailed if one of the struck ends, or if they take a minute. They are asked by a
    thread of its own, because a server that elects answers late.
    """
    servers = stage.ground.servers
    if servers is None or any(not one.running or one.paused for one in servers.members):
        return
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            if servers.settled():
                over.set()
            over.wait(_LOOK_S)

    looking = threading.Thread(target=look, name="store-settles", daemon=True)
    looking.start()
    try:
        back = stage.until(lambda: over.is_set() or _ended(struck) is not None, _SETTLE_S)
        ended = _ended(struck)
        if ended is not None:
            raise ServerFailed(f"{ended.name} ended when it was started: {ended.last_lines()}")
        if not back:
            raise ServerFailed(f"{servers.kind} is not in step after {_SETTLE_S:g} s")
    finally:
        over.set()
        looking.join(_JOIN_S)


def _ended(servers: Iterable[ServerMember]) -> ServerMember | None:
    return next((server for server in servers if not server.running), None)


def no_servers(setting: Setting) -> str | None:
    """Why there are no servers to strike, if there are none."""
    if setting.mode == "queue":
        return "in mode queue nobody leads, and no store is used"
    if setting.store == "sqlite":
        return "a file has no server"
    if not setting.own:
        return (
            "only servers of our own are struck: give the kind of store instead of a URL,"
            " and some are started for the run"
        )
    return None


def _forgetful(setting: Setting) -> str | None:
    """And why none may end, if none may."""
    if setting.store == "memory":
        return "a store in memory is gone with its server"
    return no_servers(setting)


def _pause_breaks(setting: Setting) -> str | None:
    """Of the stores, only an older etcd with somebody to take over breaks a promise.

    ZooKeeper's leader cannot end a session without a majority of followers, who left it when it
    stood still; in DynamoDB and SQLite, and with a single server, nobody renews elsewhere.
    """
    if setting.store != "etcd" or setting.servers == 1:
        return None
    try:
        version = etcd_version()
    except ServerMissing:
        return None
    if not revokes_after_pause(version):
        return None
    return (
        f"etcd {version}: a leader that was stopped and goes on revokes leases"
        " that its successor keeps alive (mended in 3.4.31 and 3.5.13)"
    )


def revokes_after_pause(version: str) -> bool:
    """Whether this release of etcd breaks its promise when its leader is revived."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    if found is None:
        return False
    major, minor, patch = (int(number) for number in found.groups())
    if (major, minor) > max(_SAFE_PATCH):
        return False
    return patch < _SAFE_PATCH.get((major, minor), patch + 1)


KINDS = (
    FaultKind(
        name="store-kill",
        says="SIGKILL of servers of the store; started again when its time is over",
        targets=SERVERS,
        inject=_kill,
        unfit=_forgetful,
    ),
    FaultKind(
        name="store-restart",
        says="SIGTERM of servers of the store; started again when its time is over",
        targets=SERVERS,
        inject=_restart,
        unfit=_forgetful,
    ),
    FaultKind(
        name="store-pause",
        says="SIGSTOP of servers of the store, and SIGCONT when its time is over",
        targets=SERVERS,
        inject=_pause,
        unfit=no_servers,
        breaks=_pause_breaks,
    ),
)
