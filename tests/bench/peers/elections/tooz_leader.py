"""tooz on ZooKeeper, as its example of leader election: propose, then run the watchers in a loop.

Its heart beats in a thread of its own. The event says when one is elected, and no event says when
one is not any more; `get_leader` would have to be asked, as the example does not. The token, for
the event log alone, is the number of the znode of the lock that tooz keeps inside.
"""

from __future__ import annotations

import time
from contextlib import suppress

from kazoo.exceptions import KazooException
from tooz import ToozError, coordination  # type: ignore[import-not-found]

from tests.bench.peers.elections.job import Job, Tenure

_LOOK_S = 0.1


def main() -> None:
    """Contend for ever."""
    job = Job()
    url = f"zookeeper://{job.hosts}?timeout={round(job.ttl_s)}"
    coordinator = coordination.get_coordinator(url, job.member.encode())
    coordinator.start(start_heart=True)
    group = job.name.encode()
    with suppress(coordination.GroupAlreadyExist):
        coordinator.create_group(group).get()
    coordinator.join_group(group).get()
    elected: list[object] = []
    coordinator.watch_elected_as_leader(group, elected.append)
    job.here()
    while not elected:
        _watch(coordinator)
        time.sleep(_LOOK_S)
    lock = coordinator._leader_locks[group]

    def check() -> bool:
        _watch(coordinator)
        return bool(elected)

    job.work(Tenure(int(lock.node[-10:]) + 1), check)


def _watch(coordinator: object) -> None:
    """What cannot be asked now is asked the next time, as its own heart does."""
    with suppress(ToozError, KazooException):
        coordinator.run_watchers()  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
