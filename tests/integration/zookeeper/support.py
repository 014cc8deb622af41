"""What these tests share: handles, groups of their own, and ZooKeeper asked past coord."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kazoo.client import KazooClient

from coord.clock import SYSTEM_CLOCK
from coord.model import MemberRecord, Note, RoleRecord, Shape
from coord.spi import Claimed, ClaimRequest, Session, Store
from coord.testing.servers import Servers, four_letters
from coord_zookeeper import ZooKeeperStore
from coord_zookeeper.session import ZooKeeperSession
from coord_zookeeper.url import target_of

__all__ = [
    "bare",
    "group_name",
    "live_sessions",
    "number_of",
    "opened",
    "record_of",
    "role_of",
    "taken",
    "until",
]

TIMEOUT_S = 10.0  # of a busy machine


@contextmanager
def opened(
    hosts: str, *, timeout_s: float = TIMEOUT_S, place: str = "unused", options: str = ""
) -> Iterator[ZooKeeperStore]:
    """A handle, as another process would have it."""
    target = target_of(f"zookeeper://{hosts}/{place}{options}")
    with ZooKeeperStore(target, clock=SYSTEM_CLOCK, timeout_s=timeout_s) as store:
        yield store


@contextmanager
def bare(hosts: str, **options: object) -> Iterator[KazooClient]:
    """Kazoo itself, to look at nodes and to do what coord never would."""
    client = KazooClient(hosts=hosts, timeout=30.0, **options)
    client.start(timeout=15)
    try:
        yield client
    finally:
        client.stop()
        client.close()


def group_name() -> str:
    """A group of the test's own."""
    return f"test-{secrets.token_hex(5)}"


def record_of(name: str = "a") -> MemberRecord:
    """A member with an incarnation of its own."""
    return MemberRecord(name=name, incarnation=secrets.token_hex(8))


def role_of(store: Store, group: str, *, shards: int = 1) -> RoleRecord:
    """A new role of the group."""
    return store.put_role(group, RoleRecord(name="r", shape=Shape(shards, 1)))


def taken(session: Session, store: Store, group: str, *, note: Note | None = None) -> list[Claimed]:
    """All free keys of the role `r`, claimed."""
    view = store.view(group)
    role = view.roles["r"]
    requests = []
    for key in role.claim_keys():
        claim = view.claims.get(key)
        token = claim.token if claim is not None else 0
        requests.append(ClaimRequest(key, token, role.version, note or Note()))
    out: list[Claimed] = []
    for start in range(0, len(requests), store.guarantees.batch_size):
        for answer in session.claim(requests[start : start + store.guarantees.batch_size]):
            assert isinstance(answer, Claimed)
            out.append(answer)
    return out


def live_sessions(servers: Servers) -> set[int]:
    """ZooKeeper's own numbers of the sessions that it keeps."""
    text = "".join(four_letters(member.port, "dump") for member in servers.members)
    return {int(found, 16) for found in re.findall(r"^\t0x([0-9a-f]+)$", text, re.MULTILINE)}


def number_of(session: ZooKeeperSession) -> int:
    """ZooKeeper's own number of a session of ours."""
    return int(session.id.split("-")[0], 16)


def until(happened: Callable[[], bool], *, within_s: float = 10.0) -> bool:
    """Whether it happened in time."""
    end_s = time.monotonic() + within_s
    while not happened():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.01)
    return True
