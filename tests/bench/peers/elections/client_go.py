"""A daemon on a lease as client-go keeps it, in the shape of client-go's own example.

The work is given what the example gives it, a context, and looks at nothing else; when the lease is
lost the process ends, and whoever watches over it starts it again. The token is that of the record:
how often the lease has changed hands (and one, as tokens begin with it).
"""

from __future__ import annotations

import os
import threading
import uuid

from tests.bench.peers.elections.job import Job, Tenure
from tests.bench.peers.elections.lease_lock import Elector, EtcdRecord, Times


def main() -> None:
    """Contend; lead; end."""
    job = Job(fenced=True)
    lock = EtcdRecord(job.hosts, job.name)
    elector = Elector(lock, f"{job.member}_{uuid.uuid4()}", Times.scaled(job.ttl_s))
    done = threading.Event()
    held: list[Tenure] = []

    def on_started() -> None:
        held.append(Tenure(elector.transitions + 1))
        job.leads(held[0])
        work = threading.Thread(target=job.work, args=(held[0], lambda: not done.is_set()))
        work.daemon = True
        work.start()

    def on_stopped() -> None:
        done.set()
        for tenure in held:
            job.lost(tenure, "leader lost")
        job.leaves()
        os._exit(0)

    job.here()
    elector.run(on_started, on_stopped)


if __name__ == "__main__":
    main()
