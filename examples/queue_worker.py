"""A queue: no leader at all. Any number of workers resize pictures, each picture once.

    python examples/queue_worker.py      # in two terminals
    coord queue send sqlite:///queue.db resize --payload '{"bucket": "b", "key": "cat"}' --count 20

Kill a worker in the middle of a picture: after ten seconds another worker gets that message. The
ledger keeps it from resizing a picture that is done already.

For SQS, give the worker the queue's URL instead, as in
`QUEUE="sqs://housekeeping?region=eu-central-1" python examples/queue_worker.py`
(and a ledger that all hosts reach: DynamoDB, etcd or ZooKeeper).
"""

from __future__ import annotations

import os

from coord import Job, Worker, task

QUEUE = os.environ.get("QUEUE", "sqlite:///queue.db")
LEDGER = os.environ.get("LEDGER", "sqlite:///ledger.db")


def say(text: str) -> None:
    """Print a line with the process id, at once."""
    print(f"[{os.getpid()}] {text}", flush=True)


def _resize(bucket: str, key: str) -> str:
    say(f"resized {bucket}/{key}")
    return f"{bucket}/thumbnails/{key}"


@task("resize", timeout="1m")
def resize(job: Job, bucket: str, key: str) -> None:
    """Called for each message, with what it carries; it is deleted when this returns."""
    job.wait(0.2)  # a long piece of work: `wait` ends early, and `check` raises, when it must stop
    job.check()
    job.once(f"thumbnail/{job.unit.message}", _resize, bucket, key)


def main() -> None:
    """Work until SIGINT or SIGTERM; what has begun is finished, the rest is given back."""
    say(f"working on {QUEUE}")
    Worker(QUEUE, tasks=[resize], ledger=LEDGER, visibility_s=10, wait_s=1).run()
    say("stopped")


if __name__ == "__main__":
    main()
