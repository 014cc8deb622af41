"""Many members in one process, each with a coordinator of its own, that hold what they are given.

Says "started" when all are live; then each line on stdin, a number of seconds, is answered by the
CPU that the process took in so long; the end of stdin is the end.
"""

import json
import sys
import threading
import time

from coord import Coordinator, Role


def hold(fleet: Coordinator, role: Role) -> None:
    for terms in fleet.held(role):
        while terms.wait(600):
            pass


def started(url: str, name: str, role: Role, ttl_s: float) -> Coordinator:
    fleet = Coordinator(url, member=name, ttl_s=ttl_s).start()
    threading.Thread(target=hold, args=(fleet, role), daemon=True).start()
    return fleet


def main(url: str, name: str, members: int, shards: int, ttl_s: float) -> None:
    role = Role("bench", shards=shards)
    fleets = [started(url, f"{name}-{number}", role, ttl_s) for number in range(members)]
    sys.stdout.write("started\n")
    sys.stdout.flush()
    for line in sys.stdin:
        cpu, began = time.process_time(), time.monotonic()
        time.sleep(float(line))
        cpu, took = time.process_time() - cpu, time.monotonic() - began
        sys.stdout.write(json.dumps({"cpu_percent": cpu / took * 100}) + "\n")
        sys.stdout.flush()
    for fleet in fleets:
        fleet.stop()
    for fleet in fleets:
        fleet.close()


main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
