"""A ledger: invoices that are sent once each, however often somebody asks.

    python examples/ledger.py            # any number of times, in any number of terminals

Each run asks for the same twenty invoices. The ledger lets one process send each of them and gives
the others what it returned. A process that dies in between leaves its invoice "in progress"; who
asks next is told when to ask again, and takes it over once it has not moved for a lease.

The sending itself happens at least once: a process can die after sending and before writing that
down. Where effect and record share a transaction, it is exactly once: see docs/ledger.md.
"""

from __future__ import annotations

import os
import random
import time

from coord import InProgress
from coord.tasks import Ledger


def say(text: str) -> None:
    """Print a line with the process id, at once."""
    print(f"[{os.getpid()}] {text}", flush=True)


def send(number: int) -> str:
    """What must not happen twice if it can be helped."""
    time.sleep(random.uniform(0.0, 0.1))
    say(f"sent invoice {number}")
    return f"mail-{number}-by-{os.getpid()}"


def ask(ledger: Ledger, number: int) -> str:
    """What sending returned, to whomever it was: us now, or somebody before."""
    while True:
        try:
            return str(ledger.once(f"invoice/{number}", send, number, payload=number))
        except InProgress as error:
            time.sleep(min(error.retry_after_s, 0.2))


def main() -> None:
    """Ask for all of them."""
    with Ledger.open("sqlite:///ledger.db", lease_s=3) as ledger:
        for number in range(20):
            say(f"invoice {number}: {ask(ledger, number)}")
    say("all invoices are sent")


if __name__ == "__main__":
    main()
