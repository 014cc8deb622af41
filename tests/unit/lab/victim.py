"""A process for the fault tests: works and beats, each in its own thread, and writes both to a
file.

usage: python -m tests.unit.lab.victim FILE MEMBER

"work" lines pass the failpoint, "beat" lines do not.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from coord.lab.chaos import Failpoint


def main(path: Path, member: str) -> None:
    failpoint = Failpoint.from_environment(member)
    with path.open("a", buffering=1) as out:

        def beat() -> None:
            while True:
                out.write("beat\n")
                time.sleep(0.005)

        threading.Thread(target=beat, daemon=True).start()
        while True:
            failpoint.pause_here()
            out.write("work\n")
            time.sleep(0.005)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
