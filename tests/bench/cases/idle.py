"""Store requests and CPU of one idle member that holds `shards` shards for some seconds."""

import json
import sys
import threading
import time

from coord import Coordinator, Role
from coord.runtime import HeldTerms, Hooks


class Counter(Hooks):
    """Counts store calls."""

    def __init__(self) -> None:
        self.calls = 0

    def called(
        self, operation: str, start_s: float, end_s: float, *, certainty: str | None
    ) -> None:
        self.calls += 1


def main(url: str, shards: int, seconds: float) -> None:
    counter = Counter()
    held = threading.Event()
    with Coordinator(url, member="bench", ttl_s=3, hooks=counter) as fleet:

        def loop() -> None:
            sets: HeldTerms
            for sets in fleet.held(Role("bench", shards=shards)):
                if len(sets) == shards:
                    held.set()
                while sets.wait(600):
                    pass

        thread = threading.Thread(target=loop)
        thread.start()
        assert held.wait(60), "the shards were not claimed"
        time.sleep(3)
        calls, cpu, began = counter.calls, time.process_time(), time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - began
        sys.stdout.write(
            json.dumps(
                {
                    "requests_per_s": (counter.calls - calls) / took,
                    "cpu_percent": (time.process_time() - cpu) / took * 100,
                }
            )
        )
        fleet.stop()
        thread.join()


main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
