"""Views of a file that a backup is copied back into, and of rows that cannot be read."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from coord.model import ClaimKey, MemberRecord, Note, RoleRecord, Shape, View
from coord.spi import Claimed, ClaimRequest, Session, Tenure
from coord_sqlite import SqliteStore

KEY = ClaimKey("r", 1, 0, 0)


def _member(name: str) -> MemberRecord:
    return MemberRecord(name=name, incarnation="1")


def _copy(source: Path, target: Path) -> None:
    """SQLite's backup, as its shell's `.backup` and `.restore` make it: the file stays."""
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)


def _take_and_release(session: Session, store: SqliteStore) -> None:
    view = store.view("g")
    seen = view.claims[KEY].token if KEY in view.claims else 0
    (answer,) = session.claim([ClaimRequest(KEY, seen, view.roles["r"].version, Note(member="m"))])
    assert isinstance(answer, Claimed)
    session.release([Tenure(KEY, answer.token, Note(member="m"))])


def _fresh(path: Path) -> View:
    with closing(SqliteStore(path)) as fresh:
        return fresh.view("g")


def test_a_file_that_went_back_is_shown_as_a_fresh_reader_sees_it(
    path: Path, store: SqliteStore, tmp_path: Path
) -> None:
    """And under its lower revision, by which the core notices."""
    session = store.open_session("g", _member("m"), 60.0)
    _copy(path, tmp_path / "backup")
    later = store.open_session("g", _member("later"), 60.0)
    for _ in range(3):
        _take_and_release(session, store)
    before = store.view("g")
    assert before.claims[KEY].token == 3
    assert later.id in before.members

    _copy(tmp_path / "backup", path)
    after = store.view("g")
    assert after == _fresh(path)
    assert not after.claims
    assert list(after.members) == [session.id]
    assert after.revision < before.revision

    _take_and_release(session, store)
    assert store.view("g") == _fresh(path)


@pytest.mark.parametrize("extra", [0, 1, 5], ids=["as far as before", "farther", "much farther"])
def test_a_file_that_went_back_and_on_again_unseen_is_shown_as_it_is(
    path: Path, store: SqliteStore, tmp_path: Path, extra: int
) -> None:
    """The revision alone does not tell: others may have written before this reader looks again."""
    session = store.open_session("g", _member("m"), 60.0)
    _copy(path, tmp_path / "backup")
    _take_and_release(session, store)
    store.open_session("g", _member("forgotten"), 60.0)
    before = store.view("g")
    _copy(tmp_path / "backup", path)
    with closing(SqliteStore(path)) as other:
        for number in range(3 + extra):
            other.open_session("g", _member(f"n{number}"), 60.0)
        assert other.view("g").revision == before.revision + extra
    after = store.view("g")
    assert after == _fresh(path)
    assert "forgotten" not in {member.record.name for member in after.members.values()}


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "7", "null", '{"name": "x"}'])
def test_one_row_that_cannot_be_read_keeps_nobody_from_the_view(
    path: Path, store: SqliteStore, text: str
) -> None:
    """Such as a release may leave that is not written yet. What can be told by columns is."""
    session = store.open_session("g", _member("m"), 60.0)
    other = store.open_session("g", _member("other"), 60.0)
    version = store.view("g").roles["r"].version
    store.put_role("g", RoleRecord(name="sound", shape=Shape(1, 1)))
    session.claim([ClaimRequest(KEY, 0, version, Note(member="m"))])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE groups SET revision=revision+1")
        ((now,),) = connection.execute("SELECT revision FROM groups")
        connection.execute("UPDATE sessions SET record=?, rev=? WHERE name='m'", (text, now))
        connection.execute("UPDATE claims SET note=?, clean=0, rev=?", (text, now))
        connection.execute("UPDATE roles SET body=?, rev=? WHERE name='r'", (text, now))

    view = store.view("g")
    assert view == _fresh(path)
    assert view.members[session.id].record == _member("m")
    assert view.members[other.id].record == _member("other")
    assert set(view.roles) == {"sound"}
    claim = view.claims[KEY]
    assert (claim.token, claim.session, claim.note.clean) == (1, session.id, False)

    session.close()
    view = store.view("g")
    assert view.claims[KEY].session is None
    assert list(view.members) == [other.id]
