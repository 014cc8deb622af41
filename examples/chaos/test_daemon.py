"""Three chaos tests of a daemon, as its users write them: `pytest --chaos examples/chaos`.

They need nothing installed beside coord (the last one: `pip install 'coord[sqs]'`). The store is
the one in memory, served to the processes over a socket; `store="etcd"` is all that it takes to
run them on three real etcd servers.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from coord.lab.fixture import Lab

pytestmark = pytest.mark.chaos

DAEMON = [sys.executable, str(Path(__file__).parent / "daemon.py")]


def rows(database: Path, query: str) -> list[tuple[object, ...]]:
    """What the daemons have left in their database."""
    with closing(sqlite3.connect(database, timeout=10)) as connection:
        return connection.execute(query).fetchall()


def test_a_leader_that_wakes_up_late_changes_nothing(coord_lab: Lab, tmp_path: Path) -> None:
    """Stopped for longer than its ttl, a leader is replaced, and does not know it when it wakes."""
    database = tmp_path / "app.db"
    fleet = coord_lab.fleet(DAEMON, roles=["sweeper"], environ={"DATABASE": str(database)})
    first = fleet.await_leader("sweeper")

    with fleet.struck("pause", "leader"):
        assert fleet.until(
            lambda: fleet.leaders("sweeper") not in ([], [first]), within_s=fleet.ttl_s + 5
        ), "nobody took over"
        fleet.wait(1)

    outcome = fleet.settle()
    assert outcome.kept, outcome
    assert outcome.acts > 0, "nothing was done, so nothing was shown"
    assert outcome.stale_acts.accepted == 0
    tokens = [token for (token,) in rows(database, "SELECT token FROM sweep ORDER BY rowid")]
    assert tokens == sorted(tokens), "a write of an older leader came after a newer one's"


def test_a_leader_whose_replies_are_lost_stops_in_time(coord_lab: Lab, tmp_path: Path) -> None:
    """Its heartbeats arrive and keep its lease alive; the answers do not. It must not act on."""
    database = tmp_path / "app.db"
    fleet = coord_lab.fleet(DAEMON, roles=["sweeper"], environ={"DATABASE": str(database)})
    fleet.await_leader("sweeper")

    fleet.strike("partition-replies", "leader", for_s=2 * fleet.ttl_s)

    outcome = fleet.settle()
    assert outcome.kept, outcome
    assert outcome.split_s == 0
    assert outcome.stale_acts.accepted == 0


def test_no_picture_is_lost_while_workers_come_and_go(coord_lab: Lab, tmp_path: Path) -> None:
    """The whole daemon against a fake of SQS: a worker is killed, then all are deployed anew."""
    database = tmp_path / "app.db"
    queue = coord_lab.sqs("pictures")
    fleet = coord_lab.fleet(
        DAEMON, members=2, roles=["sweeper"], environ={"DATABASE": str(database)}
    )
    fleet.await_leader("sweeper")
    pictures = {f"cat-{number}" for number in range(20)}
    for picture in sorted(pictures):
        queue.send("resize", picture=picture)

    fleet.kill("one", for_s=0.5)
    fleet.strike("rolling", for_s=6)

    assert fleet.until(lambda: queue.empty, within_s=30), queue.stats()
    done = sorted(picture for (picture,) in rows(database, "SELECT picture FROM thumbnail"))
    assert done == sorted(pictures), "each of them once"
    assert fleet.settle().kept
