"""What the tests of the etcd store are written with: stores, members, and etcd's own calls.

The calls go over a channel of their own: what a naive client would see, and an operator.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import etcd3.etcdrpc as rpc
import grpc
import pytest

from coord.clock import SYSTEM_CLOCK
from coord.model import ClaimKey, MemberRecord, Note, RoleRecord, Shape
from coord.spi import Claimed, ClaimRequest, Session, Store
from coord.testing.servers import EtcdServers
from coord_etcd import EtcdStore
from tests.support import require_server

__all__ = ["Etcd", "group_name", "opened", "record", "started", "take", "turn_to", "wait_until"]

TIMEOUT_S = 4.0
"""Of a request. More than 2 s passed on a slow machine between connecting and the first answer."""


class Etcd:
    """etcd's own calls to one endpoint."""

    def __init__(self, endpoint: str, credentials: object = None, token: str = "") -> None:
        self._channel = (
            grpc.insecure_channel(endpoint)
            if credentials is None
            else grpc.secure_channel(endpoint, credentials)
        )
        self._metadata = (("token", token),) if token else ()
        self._lease = rpc.LeaseStub(self._channel)
        self._kv = rpc.KVStub(self._channel)
        self.auth = rpc.AuthStub(self._channel)

    def keep_alive(self, lease: int, *, timeout_s: float = 10.0) -> int:
        """The ttl that the server says it has renewed the lease for."""
        [answer] = self._lease.LeaseKeepAlive(
            iter([rpc.LeaseKeepAliveRequest(ID=lease)]), timeout=timeout_s
        )
        return int(answer.TTL)

    def leases(self) -> set[int]:
        """All leases. The stubs are older than the call: its answer is laid out as this other."""
        call = self._channel.unary_unary("/etcdserverpb.Lease/LeaseLeases")
        answer = rpc.MemberListResponse.FromString(call(b"", timeout=5.0, metadata=self._metadata))
        return {member.ID for member in answer.members}

    def keys(self, prefix: str) -> list[str]:
        """All keys under a prefix."""
        start = prefix.encode()
        request = rpc.RangeRequest(key=start, range_end=start[:-1] + b"0", keys_only=True)
        found = self._kv.Range(request, timeout=5.0, metadata=self._metadata)
        return [kv.key.decode() for kv in found.kvs]

    def put(self, key: str, value: bytes) -> None:
        """Write a key, as somebody else's program would."""
        request = rpc.PutRequest(key=key.encode(), value=value)
        self._kv.Put(request, timeout=5.0, metadata=self._metadata)

    def delete(self, key: str) -> None:
        """Delete a key, as an operator would."""
        self._kv.DeleteRange(rpc.DeleteRangeRequest(key=key.encode()), timeout=5.0)

    def fill(self) -> None:
        """Write until the server refuses to; it looks at its size now and then only."""
        with pytest.raises(grpc.RpcError, match="space exceeded"):
            self._write_much()

    def _write_much(self) -> None:
        for number in range(10_000):
            self.put(f"/filler/{number}", b"x" * 10_000)

    def revision(self) -> int:
        """The store's revision."""
        found = self._kv.Range(rpc.RangeRequest(key=b"-"), timeout=5.0, metadata=self._metadata)
        return int(found.header.revision)

    def compact(self) -> None:
        """Forget all history up to now."""
        self._kv.Compact(rpc.CompactionRequest(revision=self.revision()), timeout=5.0)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    @classmethod
    @contextmanager
    def at(cls, endpoint: str) -> Iterator[Etcd]:
        """One without TLS or users."""
        etcd = cls(endpoint)
        try:
            yield etcd
        finally:
            etcd.close()


@contextmanager
def started(servers: Callable[[], EtcdServers] = EtcdServers) -> Iterator[EtcdServers]:
    """Servers, or the reason why there are none."""
    require_server(shutil.which("etcd"), name="etcd", cure="apt install etcd-server")
    with servers() as running:
        yield running


@contextmanager
def opened(url: str, *, timeout_s: float = TIMEOUT_S) -> Iterator[EtcdStore]:
    """A store."""
    store, _ = EtcdStore.from_url(url, clock=SYSTEM_CLOCK, timeout_s=timeout_s)
    assert isinstance(store, EtcdStore)
    try:
        yield store
    finally:
        store.close()


def group_name() -> str:
    """A group of a test's own."""
    return f"test-{secrets.token_hex(6)}"


def record(name: str = "a") -> MemberRecord:
    """A member of a new incarnation."""
    return MemberRecord(name=name, incarnation=secrets.token_hex(8))


def role_of(store: Store, group: str, *, name: str = "r", shards: int = 1) -> Sequence[ClaimKey]:
    """A new role's claim keys."""
    return store.put_role(group, RoleRecord(name=name, shape=Shape(shards, 1))).claim_keys()


def take(store: Store, group: str, session: Session, keys: Sequence[ClaimKey]) -> list[int]:
    """Claim all of these free keys; their tokens."""
    view = store.view(group)
    size = store.guarantees.batch_size
    tokens = []
    for start in range(0, len(keys), size):
        requests = [
            ClaimRequest(
                key,
                view.claims[key].token if key in view.claims else 0,
                view.roles[key.role].version,
                Note(),
            )
            for key in keys[start : start + size]
        ]
        for answer in session.claim(requests):
            assert isinstance(answer, Claimed)
            tokens.append(answer.token)
    return tokens


def turn_to(store: EtcdStore, endpoint: str) -> None:
    """Let a store's calls, but heartbeats, use this endpoint next."""
    lane = store._lane
    lane._turn = [target.endpoint for target in lane._targets].index(endpoint)


def wait_until(happened: Callable[[], bool], *, within_s: float) -> bool:
    """Whether it happened in time."""
    until_s = SYSTEM_CLOCK.now() + within_s
    while not happened():
        if SYSTEM_CLOCK.now() >= until_s:
            return False
        time.sleep(0.02)
    return True
