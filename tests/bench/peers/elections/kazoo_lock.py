"""kazoo's `Lock` with the state listener that its documentation highly recommends with locks.

SUSPENDED holds the work back, LOST ends the tenure. A lock that was lost is not used again: kazoo's
stays acquired. The token is that of `kazoo_election`.
"""

from __future__ import annotations

import threading

from kazoo.client import KazooClient, KazooState

from tests.bench.peers.elections.job import Job, Tenure

_LOOK_S = 0.05


class _Connection:
    """What the listener has heard."""

    def __init__(self) -> None:
        self.up = threading.Event()
        self.losses = 0

    def heard(self, state: str) -> None:
        if state == KazooState.LOST:
            self.losses += 1
        if state == KazooState.CONNECTED:
            self.up.set()
        else:
            self.up.clear()


def main() -> None:
    """Contend for ever."""
    job, connection = Job(), _Connection()
    client = KazooClient(hosts=job.hosts, timeout=job.ttl_s)
    client.add_listener(connection.heard)
    client.start()
    job.here()
    while True:
        before = connection.losses
        lock = client.Lock(f"/{job.name}", job.member)
        with lock:
            tenure = Tenure(int(lock.node[-10:]) + 1)

            def check(tenure: Tenure = tenure, before: int = before) -> bool:
                while connection.losses == before:
                    if connection.up.is_set():
                        return True
                    job.lost(tenure, "suspended")
                    connection.up.wait(_LOOK_S)
                return False

            job.work(tenure, check)


if __name__ == "__main__":
    main()
