"""A process that receives from an embedded queue.

usage: python -m tests.integration.sqlite.queue_child FILE hold|drain VISIBILITY

hold: receives one message, says its id, and sleeps on it. drain: receives and deletes until nothing
is left to do, and says each id that it has received and deleted ("had 3", "done 3").
"""

from __future__ import annotations

import sys
import time
from contextlib import closing

from coord_sqlite.queue import SqliteQueue


def _hold(queue: SqliteQueue, visibility_s: float) -> None:
    (found,) = queue.receive(1, wait_s=5.0, visibility_s=visibility_s)
    print("had", found.id, flush=True)  # noqa: T201
    time.sleep(600)


def _drain(queue: SqliteQueue, visibility_s: float) -> None:
    print("ready", flush=True)  # noqa: T201
    while queue.depth().undone:
        found = queue.receive(3, wait_s=0.2, visibility_s=visibility_s)
        for one in found:
            print("had", one.id, flush=True)  # noqa: T201
        answers = queue.delete([one.receipt for one in found])
        for one, error in zip(found, answers, strict=True):
            print("done" if error is None else "lost", one.id, flush=True)  # noqa: T201


if __name__ == "__main__":
    path, verb, visibility = sys.argv[1:]
    with closing(SqliteQueue(path, timeout_s=20.0)) as opened:
        {"hold": _hold, "drain": _drain}[verb](opened, float(visibility))
