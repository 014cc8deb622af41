"""Many members in one process, each with a coordinator of its own, that hold what they are given.

Says "started" when all are live; then each line on stdin, a number of seconds, is answered by the
CPU that the process took in so long; the end of stdin is the end.

Many members that join at once share one interpreter here, which they would not elsewhere: so their
ttl may be long, while heartbeats come as often as asked.
"""

import json
import sys
import threading
import time

from coord import Coordinator, Role, Timing


def hold(fleet: Coordinator, role: Role) -> None:
    for terms in fleet.held(role):
        while terms.wait(600):
            pass


def started(url: str, name: str, role: Role, timing: Timing) -> Coordinator:
    fleet = Coordinator(url, member=name, timing=timing).start()
    threading.Thread(target=hold, args=(fleet, role), daemon=True).start()
    return fleet


def main(url: str, name: str, members: int, shards: int, timing: Timing) -> None:
    role = Role("bench", shards=shards)
    fleets = [started(url, f"{name}-{number}", role, timing) for number in range(members)]
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


TTL_S, HEARTBEAT_S = float(sys.argv[5]), float(sys.argv[6])
main(
    sys.argv[1],
    sys.argv[2],
    int(sys.argv[3]),
    int(sys.argv[4]),
    Timing.of(TTL_S, heartbeat_s=HEARTBEAT_S),
)
