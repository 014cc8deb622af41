"""Seconds until one member holds all shards, until a second one holds half, and until all is free.

Each member has a process of its own. Settling is set to nothing: it is a wait that users choose,
not work. What else is derived from it keeps its usual value.
"""

import json
import subprocess
import sys
import threading
import time

from coord import Coordinator, Role, Timing

TIMING = Timing.of(10, settle_s=0.0, claim_timeout_s=1.0)
PATIENCE_S = 90


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

    def await_live(self) -> None:
        """Wait until it has seen itself in the group."""
        while self.fleet.name not in self.fleet.status().members:
            time.sleep(0.01)

    def await_count(self, count: int) -> float:
        """The moment at which it holds so many."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.count == count, PATIENCE_S), self.count
        return time.monotonic()

    def finish(self) -> None:
        self.fleet.close()
        self.join()


class Second:
    """The second member, in a process of its own; its monotonic clock is ours."""

    def __init__(self, url: str, shards: int) -> None:
        command = [sys.executable, "-m", __spec__.name, url, str(shards), "second"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def hear(self) -> float:
        """The moment of which it tells next."""
        assert self._process.stdout is not None
        return float(self._process.stdout.readline())

    def leave(self) -> None:
        """Have it stop in order."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def finish(self) -> None:
        assert self._process.wait(PATIENCE_S) == 0


def tell(moment: float) -> None:
    sys.stdout.write(f"{moment}\n")
    sys.stdout.flush()


def second(url: str, role: Role) -> None:
    """Join, tell when half of the shards are here, and stop when there is nothing more to read."""
    holder = Holder(url, "second", role)
    tell(time.monotonic())
    holder.start()
    tell(holder.await_count(role.shards // 2))
    sys.stdin.read()
    tell(time.monotonic())
    holder.finish()


def main(url: str, role: Role) -> None:
    first = Holder(url, "first", role)
    first.await_live()  # the bare client is connected and has its lease, too
    began = time.monotonic()
    first.start()
    claimed = first.await_count(role.shards) - began
    other = Second(url, role.shards)
    joined = other.hear()
    first.await_count(role.shards - role.shards // 2)
    rebalanced = max(time.monotonic(), other.hear()) - joined
    other.leave()
    left = other.hear()
    handed_over = first.await_count(role.shards) - left
    other.finish()
    first.finish()
    found = {"claimed": claimed, "rebalanced": rebalanced, "handed_over": handed_over}
    sys.stdout.write(json.dumps(found))


(second if sys.argv[3:] else main)(sys.argv[1], Role("bench", shards=int(sys.argv[2])))
