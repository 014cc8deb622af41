"""A full disk under the store: what cannot be written, who ends of it, and that nothing is left."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import grpc
import pytest

from coord.errors import UsageError
from coord.lab.chaos.capabilities import missing
from coord.lab.chaos.disks import Disks
from coord.lab.chaos.faults import CATALOGUE, SERVERS
from coord.lab.chaos.stage import Stage
from tests.documents import ROOT
from tests.integration.etcd.tools import Etcd
from tests.lab.store_rounds import play_rounds, setting, strike
from tests.servers import require
from tests.support import require_server

_KIB = 1024


@pytest.fixture(autouse=True)
def _able() -> None:
    for name in CATALOGUE["disk-full"].needs:
        lacking = missing(name)
        require_server(not lacking, name="a disk of its own", cure=lacking or "")


def _mounts() -> str:
    return Path("/proc/thread-self/mountinfo").read_text()


# --- the disks -------------------------------------------------------------------------------


def test_a_filled_disk_takes_no_byte_until_it_is_freed(tmp_path: Path) -> None:
    with Disks(tmp_path / "disks", size_bytes=256 * _KIB) as disks:
        one, other = disks.place("one"), disks.place("other")
        (one / "kept").write_bytes(b"x" * 100 * _KIB)
        with disks.filled(["one"]):
            with pytest.raises(OSError, match="No space left") as full:
                (one / "more").write_bytes(b"x")
            assert full.value.errno == errno.ENOSPC
            (other / "more").write_bytes(b"x" * 100 * _KIB)
        (one / "more").write_bytes(b"x" * 100 * _KIB)


def test_our_disks_are_seen_by_our_children_alone_and_are_gone_afterwards(tmp_path: Path) -> None:
    before, folder, inside = _mounts(), Path.cwd(), threading.Event()
    seen: list[list[str]] = []
    place = tmp_path / "disks" / "one"

    def look() -> None:
        inside.wait(30)
        seen.append(sorted(path.name for path in place.iterdir()))

    outside = threading.Thread(target=look)
    outside.start()
    with Disks(tmp_path / "disks", size_bytes=256 * _KIB) as disks:
        (disks.place("one") / "kept").touch()
        listed = subprocess.run(["ls", str(place)], capture_output=True, text=True, check=True)
        assert listed.stdout.split() == ["kept"]
        inside.set()
        outside.join(30)
    assert seen == [[]], "a thread that was there before sees the folder below"
    assert (_mounts(), Path.cwd()) == (before, folder)
    assert list(place.iterdir()) == []


def test_a_disk_that_is_placed_again_is_empty(tmp_path: Path) -> None:
    with Disks(tmp_path / "disks", size_bytes=256 * _KIB) as disks:
        (disks.place("one") / "a").touch()
        (disks.place("one") / "b").mkdir()
        assert list(disks.place("one").iterdir()) == []


def test_another_thread_than_the_main_one_is_refused(tmp_path: Path) -> None:
    said: list[str] = []

    def enter() -> None:
        try:
            with Disks(tmp_path / "disks", size_bytes=_KIB):
                pass
        except UsageError as error:
            said.append(str(error))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join(10)
    assert "main" in said[0]


_KILLED = """
import os, sys
from pathlib import Path
from coord.lab.chaos.disks import Disks
with Disks(Path(sys.argv[1]), size_bytes=1 << 20) as disks:
    disks.place("one")
    print("mounted", flush=True)
    sys.stdin.read()
"""


def test_one_that_is_killed_leaves_no_mount(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(tmp_path / "disks")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as lab:
        assert lab.stdout is not None
        assert lab.stdout.readline() == b"mounted\n"
        lab.kill()
        lab.wait(10)
    assert str(tmp_path) not in _mounts()
    shutil.rmtree(tmp_path / "disks")


def _anybody_sees(folder: Path) -> bool:
    """Whether any process of this machine has a mount below that folder."""
    for mounts in Path("/proc").glob("[0-9]*/mountinfo"):
        with suppress(OSError):  # it has just ended
            if str(folder) in mounts.read_text():
                return True
    return False


def _await(holds: Callable[[], bool], within_s: float) -> bool:
    end = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def _killed_while_its_disk_is_full(folder: Path, *command: str) -> None:
    """SIGKILL for one that says "disk-full: " when it has filled a disk below that folder."""
    said = folder / "said.txt"
    with said.open("wb") as out:
        lab = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(folder)},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        assert _await(lambda: "disk-full: " in said.read_text(), 90), said.read_text()
        assert _anybody_sees(folder), said.read_text()
    finally:
        lab.send_signal(signal.SIGKILL)
        lab.wait(10)
    assert _await(lambda: not _anybody_sees(folder), 20)
    assert str(folder) not in _mounts()


def test_a_coord_chaos_that_is_killed_while_a_disk_is_full_leaves_no_mount(tmp_path: Path) -> None:
    scenario = tmp_path / "full.toml"
    scenario.write_text('title = "full"\n[[fault]]\nkind = "disk-full"\nfor = "60s"\n')
    _killed_while_its_disk_is_full(tmp_path, "coord", "chaos", str(scenario))
    [work] = [path for path in tmp_path.glob("coord-chaos-*") if (path / "disks").exists()]
    shutil.rmtree(work)


_TESTS = """
import sys

def test_it(coord_lab):
    fleet = coord_lab.fleet(
        [sys.executable, "-m", "tests.lab.naive_daemon"],
        members=1, store="sqlite", ttl_s=2.0, environ={"MANNER": "unfenced"}, own_disks=True,
    )
    fleet.await_leader("reaper")
    with fleet.struck("disk-full"):
        print("disk-full: it is", flush=True)
        fleet.wait(60)
"""


def test_a_pytest_that_is_killed_while_a_disk_is_full_leaves_no_mount(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_full.py").write_text(_TESTS)
    words = ("--chaos", "-s", "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "base"))
    places = ("-c", str(tmp_path / "pytest.ini"), str(tmp_path / "test_full.py"))
    _killed_while_its_disk_is_full(tmp_path, "pytest", *words, *places)


# --- a machine that allows root no mounts of its own -----------------------------------------

_WITHOUT_UNSHARE = """
import ctypes, platform, struct, sys
number = {"x86_64": 272, "aarch64": 97}[platform.machine()]
rules = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x50001), (0x06, 0, 0, 0x7FFF0000)]
filters = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filters", ctypes.c_void_p)]
program = Program(len(rules), ctypes.addressof(filters))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(program)) == 0, ctypes.get_errno()
from pathlib import Path
"""
"""As in a container whose seccomp profile forbids it: `unshare` is not permitted from then on."""


def _without_unshare(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _WITHOUT_UNSHARE + program],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_where_no_mount_can_be_had_the_scenario_is_refused_with_its_line_and_the_cure(
    tmp_path: Path,
) -> None:
    (tmp_path / "x.toml").write_text('title = "full"\n[[fault]]\nkind = "disk-full"\n')
    program = 'from coord.cli import main; sys.argv = ["coord"]; main(["chaos", "x.toml"])'
    done = _without_unshare(tmp_path, program)
    assert (done.returncode, done.stdout) == (5, "")
    said = "x.toml:2: disk-full needs tmpfs: no disk of our own can be mounted: unshare: Operation"
    assert said in done.stderr
    assert "CAP_SYS_ADMIN" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["x.toml"], "nothing was started"


def test_disks_that_cannot_be_had_are_an_error_with_cause_and_cure(tmp_path: Path) -> None:
    program = """
from coord.errors import ConfigError
from coord.lab.chaos.disks import Disks
try:
    with Disks(Path("disks"), size_bytes=1 << 16):
        pass
except ConfigError as error:
    print(error)
"""
    told = _without_unshare(tmp_path, program).stdout
    assert "no disk of our own can be mounted: unshare: Operation not permitted" in told
    assert "CAP_SYS_ADMIN" in told


def test_only_disks_of_our_own_are_filled() -> None:
    kind = CATALOGUE["disk-full"]
    assert kind.targets == SERVERS
    assert "no disk" in (kind.unfit(setting("memory", servers=1)) or "")
    for store, servers in (("sqlite", 0), ("etcd", 3), ("zookeeper", 1), ("dynamodb", 1)):
        assert kind.unfit(setting(store, servers=servers)) is None
        assert "of our own" in (kind.unfit(setting(store, own=False)) or "")
        assert "no store is used" in (kind.unfit(setting(store, mode="queue")) or "")


# --- played ----------------------------------------------------------------------------------


def test_a_full_disk_under_the_file_stops_all_leading_until_there_is_room(tmp_path: Path) -> None:
    played = play_rounds(tmp_path, "sqlite", strike("disk-full", "store-all", lasts="4s"))
    played.check()
    assert played.gap_s > 1.0, "a heartbeat is a write"
    assert played.split_s == 0
    assert str(tmp_path) not in _mounts()


@pytest.mark.xdist_group("etcd-cluster")
def test_a_member_of_etcd_that_cannot_write_ends_and_is_started_again_once_it_can(
    tmp_path: Path,
) -> None:
    """A heartbeat writes nothing, so something else has to; the other two carry on."""
    require("etcd")
    ended: set[str] = set()

    def write(stage: Stage) -> None:
        servers, disks = stage.ground.servers, stage.ground.disks
        assert servers is not None
        assert disks is not None
        full = [one for one in servers.members if disks.is_full(one.name)]
        ended.update(one.name for one in full if not one.running)
        if full and not ended:
            [other, _] = [one for one in servers.members if one not in full]
            with Etcd.at(other.hostport) as etcd, suppress(grpc.RpcError):  # its leader may end
                etcd.put("/elsewhere", os.urandom(1000 * _KIB))

    plan = strike("disk-full", "store-leader", lasts="6s")
    played = play_rounds(tmp_path, "etcd", plan, servers=3, hook=write)
    played.check()
    assert len(ended) == 1
    assert f"ended for want of space: {ended.pop()}" in played.said
    assert played.split_s == 0


@pytest.mark.soak
@pytest.mark.xdist_group("zookeeper-cluster")
@pytest.mark.parametrize("kind", ["zookeeper", "dynamodb"])
def test_a_full_disk_under_other_servers_is_recovered_from(kind: str, tmp_path: Path) -> None:
    require(kind)
    servers = 3 if kind == "zookeeper" else 1
    plan = strike("disk-full", "store-leader", lasts="6s")
    played = play_rounds(tmp_path, kind, plan, servers=servers, rounds=3)
    played.check()
    assert played.split_s == 0
