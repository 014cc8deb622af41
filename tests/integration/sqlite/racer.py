"""A process that takes and gives random shards until it is killed, and writes down what it did.

One line an event, written before the next step: `took SHARD TOKEN TIME` after the answer,
`gives SHARD TOKEN TIME` before the request, times on the boot clock. So a tenure's true span lies
around what is written, and two written spans that overlap are two holders at once. Run as
`python -m tests.integration.sqlite.racer FILE NAME SHARDS LOG`.
"""

from __future__ import annotations

import os
import random
import sys
import time

from coord.clock import SYSTEM_CLOCK
from coord.errors import StoreUnavailable
from coord.model import ClaimKey, MemberRecord, Note, View
from coord.spi import Claimed, ClaimRequest, Observed, Session, Tenure
from coord_sqlite import SqliteStore

TTL_S = 30.0  # so that only proof of death, never time, ends a session here
HELD_AT_ONCE = 40


def main() -> None:
    path, name, shards, log_path = sys.argv[1:]
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(event: str, shard: int, token: int) -> None:
        os.write(log, f"{event} {shard} {token} {SYSTEM_CLOCK.now():.9f}\n".encode())

    store = SqliteStore(path, timeout_s=10.0)
    session = store.open_session("g", MemberRecord(name=name, incarnation=name), TTL_S)
    held: dict[int, int] = {}
    while True:
        view = store.view("g")
        _bury(store, view)
        for answer in session.claim(_wanted(view, held, int(shards))):
            if isinstance(answer, Claimed):
                held[answer.key.shard] = answer.token
                write("took", answer.key.shard, answer.token)
        session.heartbeat(b"")
        time.sleep(random.uniform(0.0, 0.01))
        given = random.sample(sorted(held), k=len(held) // 2)
        for shard in given:
            write("gives", shard, held[shard])
        _give(session, {shard: held.pop(shard) for shard in given})


def _bury(store: SqliteStore, view: View) -> None:
    for member in view.members.values():
        if member.gone:
            store.evict("g", Observed(member.session, member.seq))


def _wanted(view: View, held: dict[int, int], shards: int) -> list[ClaimRequest]:
    """Claims on free shards, and on some that are not: those must lose."""
    requests = []
    for shard in random.sample(range(shards), k=HELD_AT_ONCE - len(held)):
        key = ClaimKey("r", 1, shard, 0)
        seen = view.claims[key].token if key in view.claims else 0
        if shard not in held:
            requests.append(ClaimRequest(key, seen, view.roles["r"].version, Note(member="x")))
    return requests


def _give(session: Session, tenures: dict[int, int]) -> None:
    batch = [Tenure(ClaimKey("r", 1, s, 0), t, Note(member="x")) for s, t in tenures.items()]
    while True:
        try:
            return session.release(batch)
        except StoreUnavailable:
            continue


if __name__ == "__main__":
    main()
