"""What falls due in the demo: only what exists, whatever the database is busy with."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

from coord.lab.work import app
from coord.lab.work.feed import Feed
from coord.lab.work.modes import mode_named
from coord.telemetry import EventLog


def test_a_turn_that_finds_the_database_locked_announces_nothing_and_the_next_goes_on(
    tmp_path: Path,
) -> None:
    database, log = tmp_path / "app.db", tmp_path / "feed.jsonl"
    app.create(database)
    with (
        closing(EventLog(log, member="feed")) as events,
        closing(app.connect(database)) as stopped,
        Feed(database, mode_named("localized"), events) as feed,
    ):
        stopped.execute("BEGIN IMMEDIATE")  # as a process does that is stopped inside its act
        feed.turn()
        stopped.execute("ROLLBACK")
        assert feed.waiting() == 0
        feed.turn()
        waiting = feed.waiting()
    announced = [
        unit
        for line in log.read_text().splitlines()
        if (record := json.loads(line))["kind"] == "backlog"
        for unit in record["units"]
    ]
    assert waiting == len(announced) == app.PARTITIONS
