"""Localized leaders in asyncio: twelve shards, each led by one member, shared by all of them.

    python examples/localized_asyncio.py    # in two or three terminals; then stop or kill one

The first process leads all twelve shards. A second one takes six over: only those six pause. When a
process dies, only its shards go without a leader for a moment. That is what sharding buys: a fault
reaches about 1/members of the work.

Both files are made in the current directory: `fleet.db` holds who leads, `app.db` is the resource.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3

from coord import AsyncCoordinator, Role, SqlFence
from coord.runtime import AsyncTerm

SHARDS = 12
COMPACTOR = Role("compactor", shards=SHARDS)


def say(text: str) -> None:
    """Print a line with the process id, at once."""
    print(f"[{os.getpid()}] {text}", flush=True)


def prepared(database: sqlite3.Connection) -> None:
    """The resource: one counter of compactions for each partition."""
    with database:
        database.execute(
            "CREATE TABLE IF NOT EXISTS partition (shard INTEGER PRIMARY KEY, compactions INTEGER)"
        )
        database.executemany(
            "INSERT OR IGNORE INTO partition VALUES (?, 0)", ((shard,) for shard in range(SHARDS))
        )


class Compactor:
    """The work of one member, whatever shards it leads."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self.leads: set[int] = set()

    async def compact(self, term: AsyncTerm) -> None:
        """Called once a term, so once for each shard that this member is given."""
        self.leads.add(term.shard)
        try:
            while await term.wait(0.5):
                self._count(term)
                term.progress()
        finally:
            self.leads.discard(term.shard)

    def _count(self, term: AsyncTerm) -> None:
        """Without an await inside, so the tasks of this loop may share one connection."""
        with SqlFence(term, self._database) as cursor:
            cursor.execute(
                "UPDATE partition SET compactions = compactions + 1 WHERE shard = ?", (term.shard,)
            )

    async def report(self) -> None:
        """Say which shards this member leads, when that has changed."""
        said = None
        while True:
            leads = sorted(self.leads)
            if leads != said:
                say(f"leads {len(leads)} of {SHARDS} shards: {leads}")
                said = leads
            await asyncio.sleep(0.5)


async def main() -> None:
    """Take a share of the work until SIGINT or SIGTERM."""
    with contextlib.closing(sqlite3.connect("app.db", timeout=10)) as database:
        prepared(database)
        compactor = Compactor(database)
        reporting = asyncio.create_task(compactor.report())
        async with AsyncCoordinator("sqlite:///fleet.db", ttl_s=3) as fleet:
            fleet.serve(COMPACTOR, compactor.compact)
            await fleet.run()
        reporting.cancel()
    say("stopped")


if __name__ == "__main__":
    asyncio.run(main())
