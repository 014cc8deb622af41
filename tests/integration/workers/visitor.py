"""A member that comes, leads, goes in order, and then looks what it has left in its process.

Run as `python -m tests.integration.workers.visitor URL TTL_S VISITS`. After each visit it prints a
line of JSON: the names of threads beside the main one, the number of sockets and of open files.
gRPC closes its sockets and pollers on threads of its own, a moment after it was told to, and has
that moment.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from coord import Coordinator, Role

_SHARDS = 20
_MOMENT_S = 1.0


def visit(url: str, ttl_s: float) -> None:
    """Lead everything there is, act, and leave."""
    begun = threading.Barrier(_SHARDS + 1)
    with Coordinator(url, member="visitor", ttl_s=ttl_s) as fleet:
        fleet.serve(Role("reaper", shards=_SHARDS), lambda term: (begun.wait(30), term.wait(30)))
        begun.wait(30)


def left() -> dict[str, Any]:
    """What is still there."""
    targets = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            targets.append(os.readlink(link))  # noqa: PTH115 (a socket's name is no path)
        except FileNotFoundError:
            continue  # the folder that is being listed
    return {
        "threads": [t.name for t in threading.enumerate() if t is not threading.main_thread()],
        "sockets": sum(target.startswith("socket:") for target in targets),
        "files": len(targets),
    }


def left_in_the_end(files: int) -> dict[str, Any]:
    """What is still there when no more than so many files are and no socket, or after a moment."""
    end_s = time.monotonic() + _MOMENT_S
    while (found := left()) and time.monotonic() < end_s:
        if not found["sockets"] and found["files"] <= files:
            break
        time.sleep(0.01)
    return found


def main() -> None:
    url, ttl_s, visits = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    files = sys.maxsize
    for _ in range(visits):
        visit(url, ttl_s)
        found = left_in_the_end(files)
        files = min(files, found["files"])
        print(json.dumps(found), flush=True)  # noqa: T201 (to the test)


if __name__ == "__main__":
    main()
