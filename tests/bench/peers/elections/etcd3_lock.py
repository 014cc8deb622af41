"""python-etcd3's `lock`, as its documentation shows it: ask `is_acquired()`, `refresh()` within.

Of the three servers it knows one, as `etcd3.client` takes one. The check asks the store each time.
The token, for the event log alone, is the revision in which the lock's key was created: the class
keeps it to watch from.
"""

from __future__ import annotations

import time
from contextlib import suppress

import etcd3
import grpc

from tests.bench.peers.elections.job import Job, Tenure

_REST_S = 0.2
_FAILED = (etcd3.exceptions.Etcd3Exception, grpc.RpcError)


def main() -> None:
    """Contend for ever."""
    job = Job()
    host, _, port = job.hosts.split(",")[0].partition(":")
    client = etcd3.client(host=host, port=int(port))
    job.here()
    while True:
        try:
            lock = client.lock(job.name, ttl=round(job.ttl_s))
            if lock.acquire(timeout=None):
                _serve(job, lock)
        except _FAILED:
            time.sleep(_REST_S)


def _serve(job: Job, lock: etcd3.Lock) -> None:
    tenure = Tenure(lock.revision)
    refreshed_s = time.monotonic()

    def check() -> bool:
        nonlocal refreshed_s
        with job.asking(tenure):
            if time.monotonic() - refreshed_s > job.ttl_s / 3:
                lock.refresh()
                refreshed_s = time.monotonic()
            return bool(lock.is_acquired())

    try:
        job.work(tenure, check)
    except _FAILED:
        job.lost(tenure, "its check failed")
        raise
    finally:
        with suppress(*_FAILED):
            lock.release()


if __name__ == "__main__":
    main()
