"""Store calls, requests on the wire and CPU of one idle member that holds `shards` shards."""

import json
import sys
import threading
import time

from coord import Coordinator, Role
from coord.runtime import HeldTerms, Hooks
from tests.bench.cases.wire import requests_so_far

TTL_S = 3
PATIENCE_S = 240


class Counter(Hooks):
    """Counts store calls."""

    def __init__(self) -> None:
        self.calls = 0

    def called(
        self, operation: str, start_s: float, end_s: float, *, certainty: str | None
    ) -> None:
        self.calls += 1


def measured(url: str, counter: Counter, seconds: float) -> dict[str, float]:
    asked, calls = requests_so_far(url), counter.calls
    cpu, began = time.process_time(), time.monotonic()
    time.sleep(seconds)
    cpu, took = time.process_time() - cpu, time.monotonic() - began
    calls, asked = counter.calls - calls, requests_so_far(url) - asked
    return {
        "calls_per_s": calls / took,
        "cpu_percent": cpu / took * 100,
        "requests_per_s": asked / took,
    }


def main(url: str, shards: int, seconds: float) -> None:
    counter = Counter()
    held = threading.Event()
    with Coordinator(url, member="bench", ttl_s=TTL_S, hooks=counter) as fleet:

        def loop() -> None:
            sets: HeldTerms
            for sets in fleet.held(Role("bench", shards=shards)):
                if len(sets) == shards:
                    held.set()
                while sets.wait(600):
                    pass

        thread = threading.Thread(target=loop)
        thread.start()
        assert held.wait(PATIENCE_S), "the shards were not claimed"
        time.sleep(2 * TTL_S)
        sys.stdout.write(json.dumps(measured(url, counter, seconds)))
        fleet.stop()
        thread.join()


main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
