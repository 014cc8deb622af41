"""Seconds that one session needs to claim all shards through the store, with no runtime around it.

In batches of the size that the store declares, one call after another, as the runtime does it.
"""

import json
import sys
import time

from coord.clock import SYSTEM_CLOCK
from coord.model import ClaimKey, MemberRecord, Note, RoleRecord, Shape
from coord.registry import open_store
from coord.spi import Claimed, ClaimRequest

TTL_S = 30
TIMEOUT_S = 3


def main(url: str, shards: int) -> None:
    store, group = open_store(url, clock=SYSTEM_CLOCK, timeout_s=TIMEOUT_S)
    member = MemberRecord(
        name="first", incarnation="0123456789abcdef", roles={"bench": Shape(shards, 1)}
    )
    session = store.open_session(group, member, TTL_S)
    role = store.put_role(group, RoleRecord(name="bench", shape=Shape(shards, 1)))
    note = Note(member="first")
    requests = [
        ClaimRequest(ClaimKey("bench", role.generation, shard, 0), 0, role.version, note)
        for shard in range(shards)
    ]
    batch = store.guarantees.batch_size
    began = time.monotonic()
    answers = []
    for start in range(0, shards, batch):
        answers += session.claim(requests[start : start + batch])
    claimed = time.monotonic() - began
    assert all(isinstance(answer, Claimed) for answer in answers)
    session.close()
    store.close()
    sys.stdout.write(json.dumps({"claimed": claimed, "batch": batch}))


main(sys.argv[1], int(sys.argv[2]))
