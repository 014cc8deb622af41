"""A member that says all it can: every logger at its finest, its status, its notes and its errors.

Run as `python -m tests.integration.workers.talker URL TTL_S`. boto3's own debug log is the only one
that stays off: it prints the headers of requests, session token included, whoever uses it.
"""

from __future__ import annotations

import logging
import sys

from coord import CoordError, Coordinator
from coord.registry import open_store


def talk(url: str, ttl_s: float) -> None:
    """Lead, look around, and go."""
    with Coordinator(url, member="talker", ttl_s=ttl_s) as fleet:
        print(repr(fleet), vars(fleet), repr(fleet.engine().machine))  # noqa: T201 (to the test)
        with fleet.lead("reaper", timeout_s=20) as term:
            print(repr(term), fleet.status())  # noqa: T201
            term.wait(ttl_s / 2)
    opened = open_store(url, timeout_s=5.0)
    print(repr(opened), opened.store.guarantees, opened.store.probe(opened.group))  # noqa: T201
    print(vars(opened.store), opened.store.view(opened.group))  # noqa: T201
    opened.store.close()


def main() -> None:
    logging.basicConfig(level=1)
    for name in ("botocore", "boto3", "urllib3"):
        logging.getLogger(name).setLevel(logging.INFO)
    try:
        talk(sys.argv[1], float(sys.argv[2]))
    except CoordError:
        logging.getLogger("talker").exception("it could not be done")


if __name__ == "__main__":
    main()
