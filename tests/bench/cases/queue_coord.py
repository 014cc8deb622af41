"""Our worker with a handler that does nothing, at its defaults, until it is killed."""

import sys

from coord import Job, Worker, task
from tests.bench.cases.calls import note_calls
from tests.bench.peers.setting import began


@task("noop")
def noop(job: Job, number: int) -> None:
    began(number)


note_calls()
Worker(sys.argv[1], tasks=[noop]).run()
