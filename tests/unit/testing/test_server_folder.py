"""Folders of servers: private, removed, and those of the dead swept by the next."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from coord.testing.servers import folder as module
from coord.testing.servers.folder import Folder

_Make = Callable[[int], Folder]

_NOTHING = 0
_TOO_MUCH = 1 << 62


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Make]:
    """Makes folders in a memory and on a disk of the test's own, and closes them."""
    for name in ("memory", "disk"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(module, "_MEMORY", tmp_path / "memory")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "disk"))
    with ExitStack() as stack:
        yield lambda room_bytes: stack.enter_context(closing(Folder(room_bytes=room_bytes)))


def test_a_folder_lies_in_memory_only_where_there_is_room(tmp_path: Path, make: _Make) -> None:
    assert make(_NOTHING).path.parent == tmp_path / "memory"
    assert make(_TOO_MUCH).path.parent == tmp_path / "disk"


def test_without_a_place_in_memory_the_temporary_folder_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: _Make
) -> None:
    monkeypatch.setattr(module, "_MEMORY", tmp_path / "none")
    assert make(_NOTHING).path.parent == tmp_path / "disk"


def test_a_closed_folder_is_gone_with_what_is_in_it(make: _Make) -> None:
    folder = make(_NOTHING)
    (folder.path / "data").mkdir()
    (folder.path / "data" / "file").write_text("x")
    (folder.path / "log").write_text("x")
    assert folder.path.stat().st_mode & 0o077 == 0
    folder.close()
    folder.close()
    assert not folder.path.exists()


def test_the_folder_of_the_dead_is_swept_and_that_of_the_living_is_not(make: _Make) -> None:
    dead, living = make(_NOTHING), make(_NOTHING)
    dead._lock.close()  # the kernel does this when a process ends
    third = make(_NOTHING)
    assert not dead.path.exists()
    assert living.path.exists()
    assert third.path.exists()


def test_what_is_not_ours_is_left_alone(tmp_path: Path, make: _Make) -> None:
    stranger = tmp_path / "memory" / "coord-servers-being-made"
    stranger.mkdir()
    make(_NOTHING)
    assert stranger.exists()
