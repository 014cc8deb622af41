"""`AsyncCoordinator` on each store: the same core, told once more from a loop."""

from __future__ import annotations

import asyncio

from coord import AsyncCoordinator, Role
from coord.registry import open_store
from coord.runtime import AsyncTerm
from tests.integration.stores.kinds import Kind

SHARDS = 5


def test_an_asynchronous_member_leads_every_shard_and_hands_all_back(url: str, kind: Kind) -> None:
    led: dict[int, int] = {}

    async def main() -> None:
        everywhere = asyncio.Event()

        async def work(term: AsyncTerm) -> None:
            term.check()
            led[term.shard] = term.token
            term.progress()
            if len(led) == SHARDS:
                everywhere.set()
            while await term.wait(30):
                pass

        async with AsyncCoordinator(url, member="a", ttl_s=kind.ttl_s) as fleet:
            fleet.serve(Role("compactor", shards=SHARDS), work)
            await asyncio.wait_for(everywhere.wait(), 30)

    asyncio.run(main())
    opened = open_store(url, timeout_s=5.0)
    try:
        view = opened.store.view(opened.group)
    finally:
        opened.store.close()
    assert {key.shard: claim.token for key, claim in view.claims.items()} == led
    assert all(claim.session is None and claim.note.clean for claim in view.claims.values())
    assert view.members == {}
