"""Nanoseconds that one `term.check()` takes, by a term that is led for real."""

import json
import sys
import timeit

from coord import Coordinator

LOOPS = 200_000


def main(url: str) -> None:
    with (
        Coordinator(url, member="bench", ttl_s=10) as fleet,
        fleet.lead("bench", timeout_s=30) as term,
    ):
        check = term.check
        rounds = timeit.repeat(check, number=LOOPS, repeat=7)
    sys.stdout.write(json.dumps([seconds / LOOPS * 1e9 for seconds in rounds]))


main(sys.argv[1])
