"""Seconds until one member holds all shards, until a second one holds half, and until all is free.

Settling is set to nothing: it is a wait that users choose, not work. What else is derived from
it keeps its usual value.
"""

import json
import sys
import threading
import time

from coord import Coordinator, Role, Timing

TIMING = Timing.of(10, settle_s=0.0, claim_timeout_s=1.0)


class Holder(threading.Thread):
    """Holds whatever one member is given, and knows how much that is."""

    def __init__(self, url: str, member: str, role: Role) -> None:
        super().__init__()
        self.fleet = Coordinator(url, member=member, timing=TIMING).start()
        self.role = role
        self.count = 0
        self.changed = threading.Condition()

    def run(self) -> None:
        for terms in self.fleet.held(self.role):
            with self.changed:
                self.count = len(terms)
                self.changed.notify_all()
            while terms.wait(600):
                pass

    def await_count(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.count == count, 60), self.count


def main(url: str, shards: int) -> None:
    role = Role("bench", shards=shards)
    first = Holder(url, "first", role)
    began = time.monotonic()
    first.start()
    first.await_count(shards)
    claimed = time.monotonic() - began
    second = Holder(url, "second", role)
    began = time.monotonic()
    second.start()
    second.await_count(shards // 2)
    first.await_count(shards - shards // 2)
    rebalanced = time.monotonic() - began
    began = time.monotonic()
    second.fleet.close()
    first.await_count(shards)
    handed_over = time.monotonic() - began
    first.fleet.close()
    for holder in (first, second):
        holder.join()
    sys.stdout.write(
        json.dumps({"claimed": claimed, "rebalanced": rebalanced, "handed_over": handed_over})
    )


main(sys.argv[1], int(sys.argv[2]))
