"""A daemon that claims to compare tokens and does not, and one that hangs or never leads.

Owns what a chaos test has to find out about it: run as a program, with COORD_* in its environment
and MANNER: "unfenced", "quiet" (it joins and serves nothing), "wedges" (its work takes part in
faults from inside) or "stranger" (it does not take part).
"""

from __future__ import annotations

import os
import sys
import time

from coord import Coordinator, Term
from coord.lab.chaos.agent import take_part
from coord.lab.work.failpoint import Failpoint


def main() -> None:
    """Serve the role "reaper" until SIGTERM."""
    member = os.environ["COORD_MEMBER"]
    manner = os.environ["MANNER"]
    gate = Failpoint(None) if manner == "stranger" else take_part(member)
    with Coordinator(
        os.environ["COORD_STORE"],
        member=member,
        ttl_s=float(os.environ["COORD_TTL"].removesuffix("s")),
        start_timeout_s=30,
    ) as fleet:

        def work(term: Term) -> None:
            while term.wait(0.02):
                with fleet.events.acting(term, "table", fenced=True):
                    time.sleep(0.2)  # whatever happens here, it is written as if nothing had
                    gate.pause_here()
                term.progress()

        if manner != "quiet":
            fleet.serve("reaper", work)
        sys.stdout.write("waits to be elected\n")
        sys.stdout.flush()
        fleet.run()


if __name__ == "__main__":
    main()
