"""A member of a fleet for tests of the command line: serves two roles until SIGTERM.

Run as `python -m tests.integration.cli_worker URL NAME`.
"""

from __future__ import annotations

import sys

from coord import Coordinator, Role, Term

TTL_S = 2.0


def work(term: Term) -> None:
    """Nothing, with progress."""
    while term.wait(0.1):
        term.progress()


def main() -> None:
    url, name = sys.argv[1:]
    with Coordinator(url, member=name, ttl_s=TTL_S) as fleet:
        fleet.serve("reaper", work)
        fleet.serve(Role("compactor", shards=6), work)
        fleet.run()


if __name__ == "__main__":
    main()
