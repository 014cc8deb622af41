"""What is refused, with cause and cure, and left exactly as it was found."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.errors import Certainty, StoreRefused
from coord.model import MemberRecord, RoleRecord, Shape
from coord.spi import Observed
from coord_sqlite import SqliteStore, handshake
from coord_sqlite.handshake import check_path
from coord_sqlite.place import Place, place_of
from coord_sqlite.schema import APPLICATION_ID
from tests.integration.sqlite.conftest import ROOT, Start

MEMBER = MemberRecord(name="m", incarnation="1")
Picture = dict[str, tuple[int, bytes]]


def _picture(folder: Path) -> Picture:
    """Every file with its modification time and content."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file): (file.stat().st_mtime_ns, file.read_bytes()) for file in files}


def _refused(path: Path) -> StoreRefused:
    """The refusal of the file, by every way to use it."""
    with pytest.raises(StoreRefused) as caught, closing(SqliteStore(path)) as store:
        store.open_session("g", MEMBER, 1.0)
    assert caught.value.cause
    assert caught.value.cure
    return caught.value


def _not_a_database(path: Path) -> None:
    path.write_text("a text that is long enough to be taken for a database header " * 20)


def _an_applications(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("PRAGMA journal_mode=WAL; CREATE TABLE users (name TEXT);")


def _one_in_use(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA journal_mode=WAL; CREATE TABLE users (name TEXT);")
    _in_use.append(connection)


_in_use: list[sqlite3.Connection] = []


def _of_a_later_release(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        store.put_role("g", RoleRecord(name="r", shape=Shape(1, 1)))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version=2")


def _damaged(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + os.urandom(8192))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_not_a_database, "not a SQLite database"),
        (_an_applications, "another program"),
        (_one_in_use, "another program"),
        (_of_a_later_release, "schema 2"),
        (_damaged, "damaged"),
        (Path.mkdir, "not a regular file"),
        (os.mkfifo, "not a regular file"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_what_is_not_ours_is_refused_and_left_alone(
    make: Callable[[Path], None], says: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.db"
    make(path)
    before = _picture(tmp_path)
    assert says in _refused(path).cause
    assert _picture(tmp_path) == before
    while _in_use:
        _in_use.pop().close()


def test_a_file_in_the_middle_of_a_checkpoint_is_not_called_damaged(tmp_path: Path) -> None:
    """Its first page tells of pages that only the log has: a kill, or a full disk, cut it off."""
    whole, cut = tmp_path / "whole.db", tmp_path / "x.db"
    with closing(SqliteStore(whole)) as store:
        for number in range(400):
            store.put_role("g", RoleRecord(name=f"role-{number}", shape=Shape(1, 1)))
        content, log = whole.read_bytes(), whole.with_name("whole.db-wal").read_bytes()
        with closing(sqlite3.connect(whole)) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        first = whole.read_bytes()[:4096]
    assert int.from_bytes(first[28:32], "big") * 4096 > len(content), "pages that it does not have"
    cut.write_bytes(first + content[4096:])
    cut.with_name("x.db-wal").write_bytes(log)
    with closing(SqliteStore(cut)) as store:
        assert len(store.view("g").roles) == 400


def test_reading_a_missing_file_is_refused_and_does_not_make_it(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "x.db")) as store:
        for read in (lambda: store.view("g"), lambda: store.beacons("g")):
            with pytest.raises(StoreRefused, match="there is no file") as caught:
                read()
            assert "first member" in caught.value.cure
        assert all(probe.ok for probe in store.probe("g"))
        assert list(tmp_path.iterdir()) == []
        store.open_session("g", MEMBER, 1.0)
        assert list(store.view("g").members)


def test_an_empty_file_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "x.db").touch()
    with closing(SqliteStore(tmp_path / "x.db")) as store:
        store.open_session("g", MEMBER, 1.0)
        assert len(store.view("g").members) == 1


@pytest.mark.parametrize("path", ["nowhere/x.db", "file/x.db"])
def test_a_missing_directory_is_not_made(path: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    before = _picture(tmp_path)
    assert "directory" in _refused(tmp_path / path).cause
    assert _picture(tmp_path) == before


def test_a_second_name_is_refused(path: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    os.link(path, tmp_path / "elsewhere" / "same.db")
    assert "2 names" in _refused(path).cause
    assert "2 names" in _refused(tmp_path / "elsewhere" / "same.db").cause


def test_a_symbolic_link_leads_to_the_same_store(path: Path, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(path)
    with closing(SqliteStore(tmp_path / "link.db")) as one, closing(SqliteStore(path)) as other:
        session = one.open_session("g", MEMBER, 1.0)
        assert list(other.view("g").members) == [session.id]


# ------------------------------------------------------------------------------------- rights

_AS_NOBODY = """
import os, sys
from coord.errors import Certainty, StoreRefused
from coord.model import MemberRecord
from coord_sqlite import SqliteStore
os.setgid(65534), os.setuid(65534)
try:
    SqliteStore(sys.argv[1]).open_session("g", MemberRecord(name="m", incarnation="1"), 1.0)
except StoreRefused as error:
    print(error.cause, "|", error.cure)
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can reach, unlike those that pytest makes."""
    folder = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    folder.chmod(0o755)
    yield folder
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def _as_nobody(path: Path) -> str:
    if os.geteuid():
        pytest.skip("only root can become another user to test missing rights: run as root")
    command = [sys.executable, "-c", _AS_NOBODY, str(path)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_a_read_only_directory_is_refused(open_folder: Path) -> None:
    assert "is not writable" in _as_nobody(open_folder / "x.db")
    assert list(open_folder.iterdir()) == []


def test_a_read_only_file_is_refused(open_folder: Path) -> None:
    path = open_folder / "x.db"
    with closing(SqliteStore(path)) as store:
        store.put_role("g", RoleRecord(name="r", shape=Shape(1, 1)))
    path.chmod(0o644)
    open_folder.chmod(0o777)
    before = _picture(open_folder)
    assert "read-only for this process" in _as_nobody(path)
    assert _picture(open_folder) == before


# -------------------------------------------------------------------------------------- mounts


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Mount something, as root; unmounted afterwards."""
    points: list[Path] = []

    def make(point: Path, *arguments: str) -> None:
        command = ["mount", *arguments, str(point)]
        if os.geteuid():
            pytest.skip("mounting takes root: run as root")
        outcome = subprocess.run(command, capture_output=True, text=True, check=False)
        if outcome.returncode:
            pytest.skip(f"mounting is not allowed here ({outcome.stderr.strip()})")
        points.append(point)

    yield make
    for point in reversed(points):
        # Lazily: a test that failed may still have it open, and nothing may stay behind.
        subprocess.run(["umount", "--lazy", str(point)], check=True)


def test_a_mount_of_the_file_alone_is_refused(
    path: Path, tmp_path: Path, mount: Callable[..., None]
) -> None:
    point = tmp_path / "container" / "x.db"
    point.parent.mkdir()
    point.touch()
    mount(point, "--bind", str(path))
    before = _picture(point.parent)
    error = _refused(point)
    assert "mount of a single file" in error.cause
    assert "whole directory" in error.cure
    assert _picture(point.parent) == before


def test_another_index_beside_the_same_file_is_noticed_without_the_mount_table(
    path: Path,
    tmp_path: Path,
    mount: Callable[..., None],
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kernel's locks alone tell: somebody has the file open, but nobody our -shm."""
    point = tmp_path / "container" / "x.db"
    point.parent.mkdir()
    point.touch()
    child = start(path, "outside")
    mount(point, "--bind", str(path))
    monkeypatch.setattr("coord_sqlite.access.mount_table", str)

    with closing(SqliteStore(point, timeout_s=0.2)) as store:
        with pytest.raises(StoreRefused, match="not the log and index beside it"):
            store.open_session("g", MEMBER, 1.0)
        with pytest.raises(StoreRefused, match="not the log and index beside it"):
            store.view("g")

    assert child.ask("heartbeat") == child.session
    with closing(SqliteStore(path)) as beside:  # the same directory: nothing wrong
        assert list(beside.view("g").members) == [child.session]


def test_a_mount_of_the_directory_is_one_store(
    path: Path, tmp_path: Path, mount: Callable[..., None], start: Start
) -> None:
    point = tmp_path / "container"
    point.mkdir()
    (tmp_path / "data").mkdir()
    moved = path.rename(tmp_path / "data" / "x.db")
    mount(point, "--bind", str(moved.parent))
    child = start(moved, "outside")
    with closing(SqliteStore(point / "x.db")) as inside:
        assert list(inside.view("g").members) == [child.session]


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "9p", "fuse.sshfs", "virtiofs", "ceph"])
def test_a_network_filesystem_is_refused(kind: str, tmp_path: Path) -> None:
    table = f"1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:9 / {tmp_path} rw shared:1 - {kind} a:/b rw\n"
    with pytest.raises(StoreRefused) as caught:
        check_path(str(tmp_path / "x.db"), table)
    assert kind in caught.value.cause
    assert "local disk" in caught.value.cure


def test_the_mount_table_of_this_machine_is_read(tmp_path: Path) -> None:
    assert " / " in handshake.mount_table()
    check_path(str(tmp_path / "x.db"), handshake.mount_table())


# --------------------------------------------------------------------------------- full disk


@pytest.fixture
def small_disk(tmp_path: Path, mount: Callable[..., None]) -> Path:
    """A filesystem of 1 MiB."""
    point = tmp_path / "disk"
    point.mkdir()
    mount(point, "-t", "tmpfs", "-o", "size=1m", "none")
    return point


def _fill(folder: Path) -> Path:
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 512)
    return filler


def _until_refused(request: Callable[[], object]) -> None:
    for _ in range(1000):  # what room there was in the log runs out
        request()


def test_a_full_disk_is_refused_and_nothing_is_half_made(small_disk: Path) -> None:
    filler = _fill(small_disk)
    path = small_disk / "x.db"
    error = _refused(path)
    assert "full" in error.cause
    assert "Free some space" in error.cure
    assert list(small_disk.iterdir()) == [filler]

    filler.unlink()
    with closing(SqliteStore(path)) as store:
        store.open_session("g", MEMBER, 1.0)


def test_a_disk_that_fills_up_costs_no_token_and_heals(small_disk: Path) -> None:
    with closing(SqliteStore(small_disk / "x.db")) as store:
        session = store.open_session("g", MEMBER, 60.0)
        filler = _fill(small_disk)
        with pytest.raises(StoreRefused, match="full"):
            _until_refused(lambda: session.heartbeat(b"x" * 1024))
        with pytest.raises(StoreRefused, match="full") as caught:
            store.put_role("g", RoleRecord(name="r", shape=Shape(1, 1)))
        assert caught.value.certainty is Certainty.UNKNOWN, "it failed at COMMIT"
        assert list(store.view("g").members) == [session.id]
        assert not store.view("g").roles

        filler.unlink()
        session.heartbeat(b"")
        assert store.put_role("g", RoleRecord(name="r", shape=Shape(1, 1))).version == 1


# -------------------------------------------------------------------------- machines and files


def _on(machine: str, boot: str = "another boot") -> Place:
    return Place(machine, boot, "its clock")


def test_a_file_with_sessions_of_another_machine_is_refused(path: Path) -> None:
    with closing(SqliteStore(path, place=_on("elsewhere"))) as other:
        other.open_session("g", MEMBER, 60.0)
    here = place_of(SYSTEM_CLOCK, machine="here")
    with closing(SqliteStore(path, place=here)) as store:
        with pytest.raises(StoreRefused, match="another machine") as caught:
            store.view("g")
        assert "?machine=elsewhere" in caught.value.cure
        with pytest.raises(StoreRefused, match="another machine"):
            store.open_session("g", MEMBER, 1.0)

    successor = SqliteStore.from_url(f"sqlite:///{path}?machine=elsewhere&group=g", timeout_s=1.0)
    with closing(successor.store):
        (member,) = successor.store.view("g").members.values()
        assert (member.gone, member.expires_at_s) == (False, None), "another boot: to be watched"
        assert successor.store.evict("g", Observed(member.session, member.seq))


def test_a_deleted_file_ends_what_rests_on_it(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        session = store.open_session("g", MEMBER, 60.0)
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink()
        for use in (lambda: session.heartbeat(b""), lambda: store.view("g"), session.close):
            with pytest.raises(StoreRefused, match="removed or replaced"):
                use()
        with closing(SqliteStore(path)) as fresh:
            fresh.open_session("g", MEMBER, 60.0)
            with pytest.raises(StoreRefused, match="removed or replaced"):
                session.heartbeat(b"")


def test_the_file_says_whose_it_is(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
