"""A lease record over compare-and-swap, renewed and taken over as client-go does it.

A port of the published algorithm, after `tools/leaderelection/leaderelection.go` of
kubernetes/client-go (`acquire`, `renew`, `tryAcquireOrRenew`) and `resourcelock/interface.go` (the
record), with etcd's key and its revision where Kubernetes has an object and its resource version.
As there: the record's own times are never compared, only that it has changed, by the local clock;
a leader whose renewal is refused goes on trying until its renew deadline, and is not told before.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import etcd3.etcdrpc as rpc
import grpc

__all__ = ["Elector", "EtcdRecord", "Times"]

JITTER_FACTOR = 1.2

Record = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Times:
    """LeaseDuration, RenewDeadline, RetryPeriod: 15, 10 and 2 s by default."""

    lease_s: float
    renew_s: float
    retry_s: float

    @classmethod
    def scaled(cls, ttl_s: float) -> Times:
        """The default proportions for this lease."""
        return cls(ttl_s, ttl_s * 10 / 15, ttl_s * 2 / 15)


class EtcdRecord:
    """The lock: one key with the record, changed only from the revision that was seen last."""

    def __init__(self, hosts: str, key: str) -> None:
        self._kv = rpc.KVStub(grpc.insecure_channel(f"ipv4:{hosts}"))
        self._key = key.encode()
        self._revision = 0

    def get(self, timeout_s: float) -> Record | None:
        """The record as it is; None: there is none. Raises grpc.RpcError."""
        answer = self._kv.Range(rpc.RangeRequest(key=self._key), timeout=timeout_s)
        if not answer.kvs:
            self._revision = 0
            return None
        self._revision = answer.kvs[0].mod_revision
        found: Record = json.loads(answer.kvs[0].value)
        return found

    def put(self, record: Record, timeout_s: float) -> bool:
        """Create or update it; False: it has been changed. Raises grpc.RpcError."""
        unchanged = rpc.Compare(key=self._key, result=rpc.Compare.EQUAL, target=rpc.Compare.MOD)
        unchanged.mod_revision = self._revision
        write = rpc.RequestOp(
            request_put=rpc.PutRequest(key=self._key, value=json.dumps(record).encode())
        )
        answer = self._kv.Txn(
            rpc.TxnRequest(compare=[unchanged], success=[write]), timeout=timeout_s
        )
        if answer.succeeded:
            self._revision = answer.header.revision
        return bool(answer.succeeded)


class Elector:
    """One contender. One thread."""

    def __init__(self, lock: EtcdRecord, identity: str, times: Times) -> None:
        self._lock = lock
        self._identity = identity
        self._times = times
        self._observed: Record = {}
        self._observed_s = float("-inf")

    @property
    def is_leader(self) -> bool:
        """By the record that was seen last; no clock is looked at."""
        return self._observed.get("holderIdentity") == self._identity

    @property
    def transitions(self) -> int:
        """How often the lease has changed hands, by the record that was seen last."""
        return int(str(self._observed.get("leaderTransitions", 0)))

    def run(self, on_started: Callable[[], None], on_stopped: Callable[[], None]) -> None:
        """Contend, lead, and come back when it is over."""
        try:
            self._acquire()
            on_started()
            self._renew()
        finally:
            on_stopped()

    def _acquire(self) -> None:
        while not self._try(self._times.renew_s):
            time.sleep(self._times.retry_s * (1 + JITTER_FACTOR * random.random()))

    def _renew(self) -> None:
        """Renew after each retry period; give up after a renew deadline without success."""
        while True:
            deadline_s = time.monotonic() + self._times.renew_s
            while not self._try(deadline_s - time.monotonic()):
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    return
                time.sleep(min(self._times.retry_s, left_s))
                if time.monotonic() >= deadline_s:
                    return
            time.sleep(self._times.retry_s)

    def _try(self, timeout_s: float) -> bool:
        try:
            return self._acquire_or_renew(max(timeout_s, 0.001))
        except grpc.RpcError:
            return False

    def _acquire_or_renew(self, timeout_s: float) -> bool:
        end_s = time.monotonic() + timeout_s
        now = datetime.now(UTC).isoformat()
        ours: dict[str, object] = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self._times.lease_s,
            "acquireTime": now,
            "renewTime": now,
            "leaderTransitions": 0,
        }
        if self.is_leader and self._valid():
            kept = ("acquireTime", "leaderTransitions")
            ours |= {name: self._observed[name] for name in kept}
            if self._put(ours, end_s):
                return True
        found = self._lock.get(max(end_s - time.monotonic(), 0.001))
        if found is None:
            return self._put(ours | {"leaderTransitions": 0}, end_s)
        if found != self._observed:
            self._observed, self._observed_s = found, time.monotonic()
        if found["holderIdentity"] and self._valid() and not self.is_leader:
            return False
        if self.is_leader:
            ours["acquireTime"] = found["acquireTime"]
            ours["leaderTransitions"] = self.transitions
        else:
            ours["leaderTransitions"] = self.transitions + 1
        return self._put(ours, end_s)

    def _valid(self) -> bool:
        return time.monotonic() < self._observed_s + self._times.lease_s

    def _put(self, record: Record, end_s: float) -> bool:
        if not self._lock.put(record, max(end_s - time.monotonic(), 0.001)):
            return False
        self._observed, self._observed_s = record, time.monotonic()
        return True
