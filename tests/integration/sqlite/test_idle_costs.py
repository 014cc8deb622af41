"""What an idle member costs does not depend on how much it holds: counted, not timed."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from coord.model import ClaimKey, MemberRecord, Note, RoleRecord, Shape
from coord.spi import Claimed, ClaimRequest, Tenure
from coord_sqlite import SqliteStore
from coord_sqlite.link import Link

FEW, MANY = 1, 10_000


class Cost:
    """What connections did: statements, and steps of SQLite's virtual machine."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.steps = 0

    def _statement(self, text: str) -> None:
        if not text.startswith("--"):  # SQLite's mark of what a statement runs within itself
            self.statements.append(text)

    def _step(self) -> int:
        self.steps += 1
        return 0

    @contextmanager
    def of(self, *links: Link) -> Iterator[None]:
        """Count while the block runs."""
        connections: list[sqlite3.Connection] = [link._connection for link in links]
        for connection in connections:
            connection.set_trace_callback(self._statement)
            connection.set_progress_handler(self._step, 1)
        yield
        for connection in connections:
            connection.set_trace_callback(None)
            connection.set_progress_handler(None, 1)


class Holder:
    """A member of a file of its own that holds `count` claims, and what it does when idle."""

    def __init__(self, path: Path, count: int) -> None:
        self.store = SqliteStore(path, timeout_s=10.0)
        self.role = self.store.put_role("g", RoleRecord(name="r", shape=Shape(MANY, 1)))
        member = MemberRecord(name="m", incarnation="1")
        self.session = self.store.open_session("g", member, 60.0)
        self.tokens: dict[int, int] = {}
        for first in range(0, count, 1000):
            self.take(range(first, min(first + 1000, count)))
        self.store.view("g")

    def take(self, shards: Sequence[int]) -> None:
        keys = [ClaimKey("r", 1, shard, 0) for shard in shards]
        requests = [ClaimRequest(key, 0, self.role.version, Note(member="m")) for key in keys]
        for answer in self.session.claim(requests):
            assert isinstance(answer, Claimed)
            self.tokens[answer.key.shard] = answer.token


@pytest.fixture
def holders(tmp_path: Path) -> Iterator[tuple[Holder, Holder]]:
    few, many = Holder(tmp_path / "few.db", FEW), Holder(tmp_path / "many.db", MANY)
    yield few, many
    few.store.close()
    many.store.close()


def test_a_heartbeat_is_one_statement_whatever_is_held(holders: tuple[Holder, Holder]) -> None:
    costs = []
    for holder in holders:
        cost = Cost()
        with cost.of(holder.session._pulse):
            for _ in range(10):
                holder.session.heartbeat(b"x" * 100)
        assert len(cost.statements) == 10
        assert all(text.startswith("UPDATE sessions") for text in cost.statements)
        costs.append(cost.steps)
    assert costs[0] == costs[1] > 0


def test_an_idle_view_is_one_statement_and_shares_the_claims(
    holders: tuple[Holder, Holder],
) -> None:
    costs = []
    for holder in holders:
        before = holder.store.view("g")
        held = before.by_session
        link = holder.store._access.reader()
        cost = Cost()
        for _ in range(10):
            holder.session.heartbeat(b"")
            with cost.of(link):
                view = holder.store.view("g")
            assert view.members[holder.session.id].seq == before.members[holder.session.id].seq + 1
            assert view.claims is before.claims
            assert view.by_session is held
            before = view
        with cost.of(link):
            assert holder.store.view("g") is before
        assert len(cost.statements) == 11
        costs.append(cost.steps)
    assert costs[0] == costs[1] > 0


def test_a_view_after_one_change_reads_one_row(holders: tuple[Holder, Holder]) -> None:
    costs = []
    for holder in holders:
        key = ClaimKey("r", 1, 0, 0)
        before = holder.store.view("g")
        holder.session.amend([Tenure(key, holder.tokens[0], Note(member="m", lock_delay_s=1.0))])
        cost = Cost()
        with cost.of(holder.store._access.reader()):
            after = holder.store.view("g")
        assert after.claims[key].note.lock_delay_s == 1.0
        assert {**after.claims, key: before.claims[key]} == before.claims
        costs.append(cost.steps)
    assert costs[0] == costs[1] > 0


def test_watching_reads_one_number_and_is_not_woken_by_heartbeats(
    holders: tuple[Holder, Holder],
) -> None:
    for holder in holders:
        woken: list[float] = []
        watch = holder.store.watch("g", lambda: woken.append(time.monotonic()))  # noqa: B023
        time.sleep(0.3)
        woken.clear()
        link = holder.store._watcher._link
        assert link is not None
        cost = Cost()
        with cost.of(link):
            for _ in range(10):
                holder.session.heartbeat(b"")
                time.sleep(0.03)
        watch.close()
        assert woken == []
        assert set(cost.statements) == {
            "PRAGMA data_version",
            "SELECT name, revision FROM groups",
        }
        assert cost.steps < 50 * len(cost.statements)


def test_a_dead_members_claims_are_freed_by_one_statement(holders: tuple[Holder, Holder]) -> None:
    counts = []
    for holder in holders:
        cost = Cost()
        with cost.of(holder.store._access.writer()):
            holder.session.close()
        counts.append(len(cost.statements))
        claims = holder.store.view("g").claims.values()
        assert [claim for claim in claims if claim.session is not None or claim.note.clean] == []
    assert counts[0] == counts[1]


def test_the_log_of_a_file_that_sees_nothing_but_heartbeats_does_not_grow_for_ever(
    path: Path, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coord_sqlite.watch.CHECKPOINT_EVERY_S", 0.0)
    monkeypatch.setattr("coord_sqlite.watch.CHECKPOINT_ABOVE_BYTES", 100_000)
    session = store.open_session("g", MemberRecord(name="m", incarnation="1"), 60.0)
    watch = store.watch("g", lambda: None)
    log = Path(f"{path}-wal")
    for _ in range(40):
        for _ in range(20):
            session.heartbeat(b"x" * 1000)
        time.sleep(0.03)
    watch.close()
    assert log.stat().st_size < 800 * 4096 / 2
