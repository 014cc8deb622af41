"""How changes are noticed: told by the system where it can, asked for where it cannot."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from coord.model import MemberRecord
from coord_sqlite import SqliteStore
from coord_sqlite.bell import Bell
from tests.integration.sqlite.conftest import Start

MEMBER = MemberRecord(name="m", incarnation="1")


class Wakes:
    """Counts wakes, and waits for one."""

    def __init__(self) -> None:
        self.count = 0
        self._event = threading.Event()

    def __call__(self) -> None:
        self.count += 1
        self._event.set()

    def settle(self) -> None:
        """Until the wakes for what has been before are over."""
        while self._event.wait(0.4):
            self._event.clear()

    def one(self) -> bool:
        """Wait for a wake after the last one that was settled."""
        return self._event.wait(5.0)


@contextmanager
def _watched(store: SqliteStore) -> Iterator[Wakes]:
    wakes = Wakes()
    watch = store.watch("g", wakes)
    wakes.settle()
    yield wakes
    watch.close()


def test_a_change_by_another_process_wakes_and_its_heartbeat_does_not(
    path: Path, store: SqliteStore, start: Start
) -> None:
    child = start(path, "peer")
    with _watched(store) as wakes:
        before = wakes.count
        assert child.ask("heartbeat") == child.session
        time.sleep(0.4)
        assert wakes.count == before
        assert child.ask("claim", 3) == [1]
        assert wakes.one()


def test_without_notices_of_writes_it_asks_instead(
    path: Path, store: SqliteStore, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coord_sqlite.bell._inotify", lambda _path: -1)
    child = start(path, "peer")
    with _watched(store) as wakes:
        assert child.ask("claim", 3) == [1]
        assert wakes.one()


def test_a_write_that_no_notice_tells_of_is_found_all_the_same(
    path: Path, store: SqliteStore, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when it is made through another mount of an overlay."""
    (path.parent / "deaf").touch()
    listen = Bell.listen

    def deaf(bell: Bell, _log: str) -> None:
        listen(bell, str(path.parent / "deaf"))

    monkeypatch.setattr(Bell, "listen", deaf)
    child = start(path, "peer")
    with _watched(store) as wakes:
        assert child.ask("claim", 3) == [1]
        assert wakes.one()


def test_a_watch_may_be_there_before_the_file(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "x.db")) as store, _watched(store) as wakes:
        assert wakes.count == 0
        assert list(tmp_path.iterdir()) == []
        with closing(SqliteStore(tmp_path / "x.db")) as other:
            other.open_session("g", MEMBER, 60.0)
        assert wakes.one()


def test_an_exit_wakes_although_nothing_was_written(
    path: Path, store: SqliteStore, start: Start
) -> None:
    child = start(path, "peer")
    with _watched(store) as wakes:
        assert not store.view("g").members[child.session].gone
        child.kill()
        assert wakes.one()
        assert store.view("g").members[child.session].gone


def test_an_error_in_one_wake_leaves_the_others_awake(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: shown.append(args.exc_value))
    error = ValueError("a bug of the caller's")

    def broken() -> None:
        raise error

    watch = store.watch("g", broken)
    with _watched(store) as wakes:
        store.open_session("g", MEMBER, 60.0)
        assert wakes.one()
    watch.close()
    assert error in shown


def test_a_watch_may_be_closed_by_its_own_wake(store: SqliteStore) -> None:
    known, closed = threading.Event(), threading.Event()

    def once() -> None:
        assert known.wait(5.0)
        watch.close()
        closed.set()

    watch = store.watch("g", once)
    known.set()
    store.open_session("g", MEMBER, 60.0)
    assert closed.wait(5.0)


def test_other_groups_changes_do_not_wake(store: SqliteStore) -> None:
    with _watched(store) as wakes:
        before = wakes.count
        store.open_session("another", MEMBER, 60.0)
        time.sleep(0.4)
        assert wakes.count == before
