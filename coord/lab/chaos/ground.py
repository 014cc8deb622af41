"""Where the lab plays: a store of its own for the time of it, or one that a URL names.

Owns the way from `--store` to a group in which the workers can be led, and everything that is
refused on that way: before anything was struck, with cause and cure. A store of its own is gone
afterwards; in one of the user's, no group is entered that others use or have used.

A store of its own may be linked: each member then reaches each server through a proxy of its own,
which faults of the network need.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from coord.clock import SYSTEM_CLOCK
from coord.config import Timing
from coord.errors import ConfigError
from coord.lab.chaos.disks import Disks
from coord.lab.chaos.kinds import kind_named
from coord.lab.chaos.links import Links
from coord.model import Beacon, LiveMember, MemberRecord, Shape, View
from coord.registry import known_schemes, open_store
from coord.spi import Initializable, Observed, OpenedStore
from coord.testing.servers import KINDS, Servers, servers_of

__all__ = ["FILE_DISK", "NO_STORE", "Ground", "environment", "ground", "groundless"]

FILE_DISK = "file"
"""The name of the disk of a store that is a file; those of servers have the servers' names."""
NO_STORE = "none"
"""The kind of store where none is used."""
_SERVER_DISK_BYTES = 256 << 20  # etcd takes half of it before it is asked anything
_FILE_DISK_BYTES = 16 << 20

_OWN_FILE = "sqlite"  # needs no server: a file will do
_OWN_MEMORY = "memory"  # its server comes with coord
_GROUP = "lab"
_REQUEST_S = 5.0
_FIRST_S = 15.0  # what a server that has just started may need for its first requests
_LATE_S = 2.0  # how much later than its ttl a dead session may leave the group
_DRIFT = 0.01
_LOOK_S = 0.1

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A group to play in.

    `ttl_s` is what the store grants; `own`: gone when the play is over. `servers` and `links` are
    there to be struck: None in a store of the user's, or in a file. `disks`: those of the store's
    data, by the names of its servers.
    """

    url: str
    kind: str
    group: str
    ttl_s: float
    own: bool
    servers: Servers | None = None
    links: Links | None = None
    disks: Disks | None = None

    def url_of(self, member: str) -> str:
        """What this member connects to."""
        return self.url if self.links is None else self.links.url(member)

    @property
    def words(self) -> str:
        """Where that is, in a line."""
        if self.kind == NO_STORE:
            return f"no store is used, and none is started or asked; ttl {self.ttl_s:g} s"
        return f"{self.kind}, group {self.group}, ttl {self.ttl_s:g} s"


def groundless(store: str, ttl_s: float | None) -> Ground:
    """What there is for those who elect nobody: a ttl, and no store. Starts and asks nothing.

    `store`: of which the ttl is the usual one if `ttl_s` is None.
    """
    return Ground(url="", kind=NO_STORE, group="", ttl_s=_asked_s(store, ttl_s), own=True)


def _asked_s(store: str, ttl_s: float | None) -> float:
    kind, is_url, _ = store.partition("://")
    manner = kind_named(kind)
    usual_s = manner.ttl_s if is_url else manner.own_ttl_s
    return usual_s if ttl_s is None else ttl_s


Shapes = Mapping[str, Shape]


@contextmanager
def ground(
    store: str,
    ttl_s: float | None,
    *,
    work: Path,
    say: Say,
    roles: Shapes,
    servers: int = 1,
    linked: bool = False,
    own_disks: bool = False,
) -> Iterator[Ground]:
    """A group for the workers at `store`: a URL, or a kind, of which one is made in `work`.

    `ttl_s` None: what is usual for that kind of store. `roles`: what may be found in a group that
    has been used. `servers`: how many of its own store, 1 or 3. `linked`: its members reach it by
    proxies; `own_disks`: its data lies on small disks, for which the caller has to be the main
    thread. Raises ConfigError for a store or a disk that cannot be used or a group that others
    use, ServerMissing and ServerFailed for a server of our own, and what the store raises.
    Whatever happens, no server is left behind.
    """
    kind, is_url, _ = store.partition("://")
    _refuse_unknown(kind)
    _refuse_unshared(store)
    asked_s = _asked_s(store, ttl_s)
    if is_url:
        yield _checked(store, kind, asked_s, own=False, say=say, roles=roles)
        return
    with ExitStack() as opened:
        disks = opened.enter_context(_disks(kind, work)) if own_disks else None
        own = opened.enter_context(_own_store(kind, work, say, servers, disks))
        checked = _checked(own.url(), kind, asked_s, own=True, say=say, roles=roles)
        links = None
        if linked and own.servers is not None:
            links = opened.enter_context(Links(own.servers, own.url))
        yield replace(checked, servers=own.servers, links=links, disks=disks)


def _disks(kind: str, work: Path) -> Disks:
    size_bytes = _FILE_DISK_BYTES if kind == _OWN_FILE else _SERVER_DISK_BYTES
    return Disks(work / "disks", size_bytes=size_bytes)


def _refuse_unknown(kind: str) -> None:
    if kind not in known_schemes():
        raise ConfigError(
            f"there is no store {kind!r}", cure=f"Known are: {', '.join(known_schemes())}."
        )


def _refuse_unshared(store: str) -> None:
    """A memory store with a port is served to several processes; one with a name is not."""
    kind, is_url, place = store.partition("://")
    if kind == _OWN_MEMORY and is_url and ":" not in place.partition("/")[0]:
        raise ConfigError(
            "a store in memory lives in one process, and the lab starts several",
            cure="Leave --store out, or give the URL of a store that processes can share.",
        )


@contextmanager
def _own_store(kind: str, work: Path, say: Say, number: int, disks: Disks | None) -> Iterator[_Own]:
    """A store that ends with this block."""
    if kind == _OWN_FILE:
        folder = work if disks is None else disks.place(FILE_DISK)
        file = quote(str(folder / "coord.db"))
        yield _Own(lambda _: f"{kind}:///{file}?group={_GROUP}", None)
        return
    if kind not in {*KINDS, _OWN_MEMORY}:
        raise ConfigError(
            f"--store {kind} does not say where that store is",
            cure=f"Give its URL, with a group of its own: --store {kind}://…",
        )
    planned = servers_of(kind, members=number)
    if disks is not None:
        planned.lie_on(disks.place)
    with planned as servers, environment(servers.environment):
        say(f"{servers.kind} on {servers.hosts}, started for this run alone")
        options = kind_named(kind).own_options
        own = _Own(lambda hosts: servers.url(_GROUP, hosts=hosts, **options), servers)
        found = open_store(own.url(), timeout_s=_FIRST_S)
        with closing(found.store):
            if isinstance(found.store, Initializable):
                found.store.init(found.group)
        yield own


@dataclass(frozen=True, slots=True)
class _Own:
    """A store of our own: the group's URL, through these hosts if any are given."""

    at: Callable[[str | None], str]
    servers: Servers | None

    def url(self, hosts: str | None = None) -> str:
        return self.at(hosts)


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Our environment, which the workers inherit, with these variables meanwhile."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _checked(url: str, kind: str, asked_s: float, *, own: bool, say: Say, roles: Shapes) -> Ground:
    """Be a member there for a moment, to be told here and now if workers could not.

    That comes first, because there may be nothing to read before the first member. In a group that
    is used it moves nothing: see the record of this member.
    """
    found = open_store(url, timeout_s=_FIRST_S if own else _REQUEST_S)
    with closing(found.store):
        ttl_s = _granted_s(found, asked_s)
        _refuse_others(found, found.store.view(found.group), roles)
        _await_nobody(found, say)
    if ttl_s != asked_s:
        say(f"the store grants a ttl of {ttl_s:g} s, where {asked_s:g} s was asked")
    return Ground(url=url, kind=kind, group=found.group, ttl_s=ttl_s, own=own)


def _refuse_others(found: OpenedStore, view: View, ours: Shapes) -> None:
    """A group with roles that are not ours is somebody's, though nobody may be there."""
    foreign = sorted(view.roles.keys() - ours)
    if foreign:
        raise ConfigError(
            f"group {found.group} is used for something else: it has the roles {_few(foreign)}",
            cure="Give the lab a group of its own in that store: another name in the URL.",
        )
    changed = sorted(
        name
        for name, role in view.roles.items()
        if role.paused or role.pending or role.shape != ours[name]
    )
    if changed:
        raise ConfigError(
            f"the roles {_few(changed)} of group {found.group} are paused or have another shape",
            cure="Undo that (`coord resume`, `coord reshape`), or give the lab another group.",
        )


def _await_nobody(found: OpenedStore, say: Say) -> None:
    """Wait until whoever is in the group is gone; raises ConfigError if one of them lives.

    The sessions of a run that was killed stay for their ttl, and in stores where only peers end
    sessions until somebody does. Alive is who sends another heartbeat.
    """
    began: dict[str, tuple[int, float]] = {}
    while members := found.store.view(found.group).members:
        names = _few(sorted(member.record.name for member in members.values()))
        if not began:
            say(f"group {found.group} has members; waiting to see whether {names} still live")
        seen = found.store.beacons(found.group)
        for session, member in members.items():
            seq = seen[session].seq if session in seen else member.seq
            first, since_s = began.setdefault(session, (seq, SYSTEM_CLOCK.now()))
            silent_s = SYSTEM_CLOCK.now() - since_s
            if seq != first or silent_s > _limit_s(member) + _LATE_S:
                raise ConfigError(
                    f"group {found.group} is in use: {names} are members of it",
                    cure="Give the lab a group of its own in that store: another name in the URL.",
                )
            if member.gone or silent_s > _limit_s(member):
                found.store.evict(found.group, Observed(session, seq))
        time.sleep(_LOOK_S)


def _limit_s(member: LiveMember) -> float:
    return member.ttl_s * (1 + _DRIFT)


def _granted_s(found: OpenedStore, asked_s: float) -> float:
    """The ttl that the store grants; raises ConfigError if no timings go with it."""
    record = MemberRecord(
        name=f"lab-{secrets.token_hex(4)}",
        incarnation=secrets.token_hex(8),
        weight=0.0,
        max_shards=0,
        draining=True,
        pid=os.getpid(),
    )
    with closing(found.store.open_session(found.group, record, asked_s)) as session:
        beaten = session.heartbeat(Beacon().to_bytes())
        ttl_s = session.ttl_s
        lag_s = max(session.opened.lag_s, beaten.lag_s)
    try:
        Timing.of(ttl_s).check_budget(ttl_s=ttl_s, lag_s=lag_s)
    except ConfigError as error:
        raise ConfigError(error.cause, cure="Give a longer --ttl.") from error
    return ttl_s


def _few(names: list[str]) -> str:
    """Some names, and how many more there are."""
    shown = names[:4]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
