"""A worker process: the daemon that the lab runs some of, and an example of how to write one.

Owns the job under a term: delete what has expired in the partitions of the shard that it gives.
Knows how to lead, and no more: not how many others there are, not who leads what, and nothing of
the faults that will strike it. What an act is, is `deed`'s; how it is done for messages of a queue,
`handler`'s.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from coord import CoordError, Coordinator, Term
from coord.clock import SYSTEM_CLOCK
from coord.lab.work import app
from coord.lab.work.agent import take_part
from coord.lab.work.clock import RealTimes, clock_of
from coord.lab.work.deed import Deed
from coord.lab.work.handler import handle_messages
from coord.lab.work.modes import BATCH, REST_S, mode_named
from coord.runtime.listening import default_hooks
from coord.telemetry import EVENTS_VARIABLE, EventLog

__all__ = ["Reaper", "main"]

_START_S = 20.0
"""Four of us load a client library at once; on two cores that alone can take longer than a ttl."""


class Reaper:
    """Deletes expired rows, one batch an act. `work` may run in many threads at once."""

    def __init__(self, database: Path, member: str, events: EventLog) -> None:
        self._database = database
        self._deed = Deed(member, events)

    def work(self, term: Term) -> None:
        """Serve one term: until it ends, or until an act finds out that it has."""
        with closing(app.connect(self._database)) as connection:
            while term.wait(REST_S):
                try:
                    self._act(term, connection)
                except sqlite3.OperationalError as error:
                    if not app.locked(error):
                        raise

    def _act(self, term: Term, connection: sqlite3.Connection) -> None:
        """Check, read, then do it."""
        start_s = SYSTEM_CLOCK.now()
        term.check()
        partitions = app.partitions_of(term.shard, term.role.shards)
        units = app.expired(connection, partitions, start_s, BATCH)
        if units:
            self._deed.do(term, connection, units, start_s)
            term.progress()


def main(arguments: Sequence[str] | None = None) -> None:
    """Join the group, serve the role, stay until SIGTERM. Exits with 1 and a line if it cannot."""
    parser = argparse.ArgumentParser(description="One worker of coord's lab.")
    parser.add_argument(
        "--store", required=True, help="URL of the store and group, or of the queue"
    )
    parser.add_argument("--member", required=True, help="name of this worker")
    parser.add_argument("--database", required=True, type=Path, help="the application's database")
    parser.add_argument("--mode", required=True, help="single, localized, co-leaders or queue")
    parser.add_argument("--shards", required=True, type=int)
    parser.add_argument("--seats", required=True, type=int)
    parser.add_argument("--ttl-s", required=True, type=float)
    options = parser.parse_args(arguments)
    take_part(options.member)
    try:
        if mode_named(options.mode).queue:
            handle_messages(options.store, options.member, options.database, ttl_s=options.ttl_s)
        else:
            _lead(options)
    except CoordError as error:
        sys.exit(f"{type(error).__name__}: {error}")


def _lead(options: argparse.Namespace) -> None:
    """Its clock is one that may be set wrong; the log, which all share, goes by the real one."""
    clock = clock_of(options.member, store=options.store)
    events = EventLog.from_environment(options.member)
    os.environ.pop(EVENTS_VARIABLE, None)  # a second log, of the coordinator, would go by its clock
    told = default_hooks(options.member, urlsplit(options.store).path.strip("/"), events)
    with Coordinator(
        options.store,
        member=options.member,
        ttl_s=options.ttl_s,
        start_timeout_s=_START_S,
        hooks=told if clock is None else RealTimes(told, clock),
        clock=SYSTEM_CLOCK if clock is None else clock,
    ) as fleet:
        reaper = Reaper(options.database, options.member, events)
        mode = mode_named(options.mode, shards=options.shards, seats=options.seats)
        fleet.serve(mode.role, reaper.work)
        fleet.run()


if __name__ == "__main__":
    main()
