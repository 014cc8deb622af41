"""kazoo's `Election`, as its recipe shows it: run a function whenever this process has won.

What the function can ask is `election.lock.is_acquired`. The token, for the event log alone, is the
number that ZooKeeper gave the contender's znode, which stands in its name.
"""

from __future__ import annotations

from kazoo.client import KazooClient

from tests.bench.peers.elections.job import Job, Tenure


def main() -> None:
    """Contend for ever."""
    job = Job()
    client = KazooClient(hosts=job.hosts, timeout=job.ttl_s)
    client.start()
    job.here()
    while True:
        election = client.Election(f"/{job.name}", job.member)

        def lead(election: object = election) -> None:
            lock = election.lock  # type: ignore[attr-defined]
            job.work(Tenure(int(lock.node[-10:]) + 1), lambda: lock.is_acquired)

        election.run(lead)


if __name__ == "__main__":
    main()
