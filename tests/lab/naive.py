"""Clients of etcd that trust an acknowledged KeepAlive, as most do, and what came of their trust.

Owns leases of their own, one client to each server, and a reader that sees when their keys are
gone. They coordinate nothing: they are fooled beside a fleet, under the same faults.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import etcd3.etcdrpc as rpc
import grpc

from coord.clock import SYSTEM_CLOCK
from coord.testing.servers import ServerMember

__all__ = ["Naive", "naive_clients"]

_PREFIX = "/naive/"
_ASK_S = 1.0
_ANSWER_S = 20.0  # it waits for as long as the server stands still
_LOOK_S = 0.02
_JOIN_S = 30.0


@dataclass
class _Lease:
    """`believed_s`: until when its client thought that it held it; `gone_s`: when it was gone."""

    granted_s: float
    believed_s: float
    gone_s: float = float("inf")


@dataclass
class Naive:
    """All leases so far, by their numbers, and when a majority of the servers has answered."""

    leases: dict[int, _Lease] = field(default_factory=dict)
    answered_s: list[float] = field(default_factory=list)

    def unanswered(self, start_s: float, end_s: float) -> float:
        """The longest time without an answer of the store."""
        seen = [start_s, *(at for at in list(self.answered_s) if start_s < at < end_s), end_s]
        return max(after - before for before, after in pairwise(seen))

    def fooled(self, start_s: float, end_s: float) -> float:
        """For how long at most one of them believed in a lease that was gone, lost in that time."""
        return max(
            (
                lease.believed_s - lease.gone_s
                for lease in list(self.leases.values())
                if start_s <= lease.gone_s <= end_s
            ),
            default=0.0,
        )


@contextmanager
def naive_clients(servers: Sequence[ServerMember], ttl_s: int) -> Iterator[Naive]:
    """A client to each server, until the block ends."""
    naive, stop = Naive(), threading.Event()
    with ExitStack() as opened:
        channels = [
            opened.enter_context(grpc.insecure_channel(server.hostport)) for server in servers
        ]
        threads = [
            threading.Thread(target=_trust, args=(channel, ttl_s, naive, stop))
            for channel in channels
        ]
        threads.append(threading.Thread(target=_look, args=(channels, naive, stop)))
        for thread in threads:
            thread.start()
        try:
            yield naive
        finally:
            stop.set()
            for thread in threads:
                thread.join(_JOIN_S)


def _trust(channel: grpc.Channel, ttl_s: int, naive: Naive, stop: threading.Event) -> None:
    """Take a lease, renew it at each third of its ttl, believe each answer; lost, take another."""
    leases, kv = rpc.LeaseStub(channel), rpc.KVStub(channel)
    while not stop.wait(_LOOK_S):
        try:
            number = leases.LeaseGrant(rpc.LeaseGrantRequest(TTL=ttl_s), timeout=_ASK_S).ID
            key = f"{_PREFIX}{number}".encode()
            kv.Put(rpc.PutRequest(key=key, lease=number), timeout=_ASK_S)
        except grpc.RpcError:
            continue
        now_s = SYSTEM_CLOCK.now()
        lease = naive.leases[number] = _Lease(now_s, now_s + ttl_s)
        while not stop.wait(ttl_s / 3) and SYSTEM_CLOCK.now() < lease.believed_s:
            asked = iter([rpc.LeaseKeepAliveRequest(ID=number)])
            try:
                [answer] = leases.LeaseKeepAlive(asked, timeout=_ANSWER_S)
            except (grpc.RpcError, ValueError):
                continue
            if answer.TTL <= 0:
                break
            lease.believed_s = SYSTEM_CLOCK.now() + answer.TTL


def _look(channels: Sequence[grpc.Channel], naive: Naive, stop: threading.Event) -> None:
    """Note for each lease when a majority says that its key is gone."""
    while not stop.wait(_LOOK_S):
        asked_s = SYSTEM_CLOCK.now()
        known = list(naive.leases)
        found = _keys(channels)
        if found is None:
            continue
        naive.answered_s.append(SYSTEM_CLOCK.now())
        for number in known:
            lease = naive.leases[number]
            if number not in found and lease.gone_s == float("inf"):
                lease.gone_s = asked_s


def _keys(channels: Sequence[grpc.Channel]) -> set[int] | None:
    """Which leases have their key, by the first server that can say; None: none can."""
    start = _PREFIX.encode()
    request = rpc.RangeRequest(key=start, range_end=start[:-1] + b"0", keys_only=True)
    for channel in channels:
        try:
            answer = rpc.KVStub(channel).Range(request, timeout=_ASK_S / 4)
        except grpc.RpcError:
            continue
        return {int(kv.key.decode().removeprefix(_PREFIX)) for kv in answer.kvs}
    return None
