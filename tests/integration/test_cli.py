"""The command line as its users run it: real processes, a real SQLite store, real signals."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from coord import __version__

ROOT = Path(__file__).resolve().parents[2]
COORD = str(Path(sys.executable).with_name("coord"))
PATIENCE_S = 30.0


def _environment(**more: str) -> dict[str, str]:
    """Ours, without what would change how output looks."""
    unwanted = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"}
    return {name: value for name, value in os.environ.items() if name not in unwanted} | more


class Fleet:
    """Members on one file, as processes, and the command line beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = "sqlite:///x.db"
        self._processes: list[subprocess.Popen[str]] = []
        self.members: dict[str, subprocess.Popen[str]] = {}

    def start(self, *names: str) -> None:
        """Start members."""
        for name in names:
            command = [sys.executable, "-m", "tests.integration.cli_worker", self.url, name]
            env = _environment(PYTHONPATH=f"{ROOT}:{ROOT / 'backends'}")
            self.members[name] = self._begin(command, stderr=subprocess.DEVNULL, env=env)

    def coord(self, *words: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        outcome = subprocess.run(
            [COORD, *words],
            cwd=self.folder,
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in outcome.stderr
        assert code is None or outcome.returncode == code, outcome.stdout + outcome.stderr
        return outcome

    def answer(self, *words: str, code: int | None = 0) -> dict[str, Any]:
        """What a command prints with --json."""
        value: dict[str, Any] = json.loads(self.coord(*words, "--json", code=code).stdout)
        return value

    def begin(self, *words: str, **options: Any) -> subprocess.Popen[str]:  # noqa: ANN401
        """Start a command and let it run."""
        return self._begin([COORD, *words], **options)

    def _begin(self, command: list[str], **options: Any) -> subprocess.Popen[str]:  # noqa: ANN401
        usual = {"cwd": self.folder, "env": _environment(), "stdout": subprocess.PIPE}
        process = subprocess.Popen(command, text=True, **{**usual, **options})
        self._processes.append(process)
        return process

    def leaders(self, role: str) -> list[str | None]:
        """Who leads each seat of a role."""
        told = self.answer("status", self.url)
        return [c["leader"] for r in told["roles"] if r["name"] == role for c in r["claims"]]

    def stop(self) -> None:
        """Leave no process behind."""
        for process in self._processes:
            process.kill()
            process.communicate(timeout=10)


def _until(reached: Callable[[], bool]) -> None:
    """Ask until it is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < deadline, "not reached in time"
        time.sleep(0.1)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """A fleet without members; its file does not exist yet."""
    made = Fleet(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def pair(fleet: Fleet) -> Fleet:
    """Two members that lead everything between them."""
    fleet.start("one", "two")
    db = fleet.folder / "x.db"
    _until(db.exists)
    _until(lambda: fleet.coord("status", fleet.url, "--check", code=None).returncode == 0)
    _until(lambda: set(fleet.leaders("compactor")) == {"one", "two"})
    return fleet


def test_the_commands_of_the_readme_work_as_written(pair: Fleet) -> None:
    told = pair.answer("status", "sqlite:///x.db")
    assert told["schema"] == "coord.status/1"
    assert [member["name"] for member in told["members"]] == ["one", "two"]
    assert {role["name"]: role["led"] for role in told["roles"]} == {"compactor": 6, "reaper": 1}
    module = [sys.executable, "-m", "coord", "--version"]
    version = subprocess.run(module, capture_output=True, text=True, timeout=60, check=True)
    assert version.stdout == f"coord {__version__}\n"


def test_reading_a_file_that_does_not_exist_makes_none(fleet: Fleet) -> None:
    outcome = fleet.coord("status", fleet.url, "--json", code=4)
    told = json.loads(outcome.stderr)
    assert told["cause"] == f"there is no file {fleet.folder / 'x.db'}"
    assert "the first member that starts on it makes the file" in told["cure"]
    fleet.coord("watch", fleet.url, code=4)
    fleet.coord("pause", fleet.url, "reaper", code=4)
    fleet.coord("doctor", fleet.url, code=1)
    assert list(fleet.folder.iterdir()) == []


def test_a_file_that_is_not_ours_is_left_alone(fleet: Fleet) -> None:
    path = fleet.folder / "x.db"
    path.write_bytes(b"a letter to somebody" * 100)
    for command in (["status"], ["why", "r"], ["pause", "r"], ["doctor"], ["watch"]):
        outcome = fleet.coord(command[0], fleet.url, *command[1:], code=4)
        assert outcome.stderr.startswith("error: ")
        assert "\ncure: " in outcome.stderr
    assert path.read_bytes() == b"a letter to somebody" * 100
    assert list(fleet.folder.iterdir()) == [path]


def test_pause_stops_real_leaders_and_resume_brings_them_back(pair: Fleet) -> None:
    told = pair.answer("pause", pair.url, "compactor")
    assert (told["done"], told["held"]) == (True, {})
    assert pair.leaders("compactor") == [None] * 6
    assert pair.leaders("reaper") != [None], "another role goes on"
    why = pair.answer("why", pair.url, "compactor", "0")
    assert "paused" in {reason["code"] for reason in why["reasons"]}
    pair.coord("resume", pair.url, "compactor")
    _until(lambda: None not in pair.leaders("compactor"))


def test_depose_moves_the_shard_to_the_other_member(pair: Fleet) -> None:
    before = pair.answer("why", pair.url, "compactor", "3")["seats"][0]
    told = pair.answer("depose", pair.url, "compactor", "3", "--bar", "1h")
    assert (told["member"], told["token"]) == (before["leader"], before["token"])
    other = {"one": "two", "two": "one"}[before["leader"]]
    _until(lambda: pair.leaders("compactor")[3] == other)
    after = pair.answer("why", pair.url, "compactor", "3")["seats"][0]
    assert after["token"] > before["token"]


def test_reshape_drains_real_leaders_and_names_who_must_be_restarted(pair: Fleet) -> None:
    told = pair.answer("reshape", pair.url, "compactor", "--shards", "4", "--wait", "30s")
    assert (told["done"], told["role"]["generation"], told["held"]) == (True, 2, {})
    assert set(told["declared_otherwise"]) == {"one", "two"}
    why = pair.coord("why", pair.url, "compactor").stdout
    assert "one declares 6 shards and two declares 6 shards, where the group has 4 shards" in why
    pair.coord("reshape", pair.url, "compactor", "--shards", "6")
    _until(lambda: None not in pair.leaders("compactor"))
    assert pair.answer("status", pair.url)["roles"][0]["generation"] == 3


def test_raised_tokens_reach_the_next_holders(pair: Fleet) -> None:
    pair.coord("tokens", "raise", pair.url, "--all", "--to", "5000")
    pair.coord("pause", pair.url, "reaper")
    pair.coord("resume", pair.url, "reaper")
    _until(lambda: pair.leaders("reaper") != [None])
    assert pair.answer("why", pair.url, "reaper")["seats"][0]["token"] > 5000


def test_doctor_finds_a_healthy_store_and_leaves_nothing_behind(pair: Fleet) -> None:
    before = pair.answer("status", pair.url)
    told = pair.answer("doctor", pair.url, "--ttl", "10s", code=None)
    problems = [f for f in told["findings"] if not f["ok"]]
    assert {f["name"] for f in problems} <= {"timing"}, "this machine may be busy, nothing else"
    assert told["session"]["granted_ttl_s"] == 10.0
    assert told["noticed_ms"] < 2000
    after = pair.answer("status", pair.url)
    assert [m["session"] for m in after["members"]] == [m["session"] for m in before["members"]]
    assert after["roles"] == before["roles"]


def _lines(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        yield json.loads(line)


def test_watch_tells_a_takeover_as_it_happens_and_ends_with_ctrl_c(pair: Fleet) -> None:
    watching = pair.begin("watch", pair.url, "--json")
    lines = _lines(watching)
    first = next(lines)
    assert first["schema"] == "coord.status/1"
    dying = first["roles"][1]["claims"][0]["leader"]
    pair.members[dying].kill()
    seen = []
    for change in lines:
        assert change["schema"] == "coord.change/1"
        seen.append(change)
        if change["kind"] == "led" and change["role"] == "reaper":
            break
    assert "member-left" in {change["kind"] for change in seen}
    assert (seen[-1]["from"] or dying, seen[-1]["to"]) == (dying, {"one": "two"}.get(dying, "one"))
    watching.send_signal(signal.SIGINT)
    assert watching.wait(timeout=10) == 0


def test_watch_ends_in_order_with_sigterm(pair: Fleet) -> None:
    watching = pair.begin("watch", pair.url, "--json")
    next(_lines(watching))
    watching.terminate()
    assert watching.wait(timeout=10) == 0


def _read_until(descriptor: int, text: bytes) -> bytes:
    seen = b""
    deadline = time.monotonic() + PATIENCE_S
    while text not in seen:
        left = deadline - time.monotonic()
        assert left > 0, seen
        if select.select([descriptor], [], [], left)[0]:
            seen += os.read(descriptor, 65536)
    return seen


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_watch_leaves_the_terminal_as_it_was(pair: Fleet, end: signal.Signals) -> None:
    ours, theirs = pty.openpty()
    env = _environment(TERM="xterm-256color", COLUMNS="100", LINES="40")
    watching = pair.begin("watch", pair.url, stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    shown = _read_until(ours, b"Ctrl-C ends this.")
    assert b"\x1b[?1049h" in shown, "the alternate screen"
    assert b"all led" in shown
    watching.send_signal(end)
    rest = _read_until(ours, b"\x1b[?1049l")
    assert b"\x1b[?25h" in shown + rest + _read_until(ours, b"all led"), "the cursor is back"
    assert watching.wait(timeout=10) == 0
    os.close(ours)


def test_a_command_that_waits_ends_with_ctrl_c(pair: Fleet) -> None:
    """Its leader is stopped by the system, so it cannot let go: the wait would be long."""
    leader = pair.leaders("reaper")[0]
    assert leader is not None
    pair.members[leader].send_signal(signal.SIGSTOP)
    other = {"one": "two", "two": "one"}[leader]
    pair.members[other].send_signal(signal.SIGSTOP)
    pausing = pair.begin("pause", pair.url, "reaper", "--wait", "1h", stderr=subprocess.PIPE)
    _until(lambda: pair.answer("status", pair.url)["roles"][1]["paused"])
    time.sleep(0.3)
    pausing.send_signal(signal.SIGINT)
    out, err = pausing.communicate(timeout=10)
    assert pausing.returncode == 130
    assert out == ""
    assert err.strip() == ""
    for process in pair.members.values():
        process.send_signal(signal.SIGCONT)
    _until(lambda: pair.leaders("reaper") == [None])


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_waiting_shows_for_whom_and_gives_the_cursor_back(pair: Fleet, end: signal.Signals) -> None:
    for process in pair.members.values():
        process.send_signal(signal.SIGSTOP)
    ours, theirs = pty.openpty()
    env = _environment(TERM="xterm-256color", COLUMNS="100", LINES="40")
    words = ("pause", pair.url, "reaper", "--wait", "1h")
    pausing = pair.begin(*words, stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    shown = _read_until(ours, b"waiting: still held: 1 by ")
    assert b"\x1b[?25l" in shown, "the cursor is hidden"
    pausing.send_signal(end)
    _read_until(ours, b"\x1b[?25h")
    assert pausing.wait(timeout=10) == 130
    os.close(ours)


def test_a_store_that_does_not_answer_ends_in_its_own_exit_code(pair: Fleet) -> None:
    with closing(sqlite3.connect(pair.folder / "x.db", isolation_level=None)) as rival:
        rival.execute("BEGIN IMMEDIATE")
        outcome = pair.coord("pause", pair.url, "reaper", "--timeout", "300ms", "--json", code=3)
    told = json.loads(outcome.stderr)
    assert told["kind"] == "StoreUnavailable"
    assert told["cure"]


def test_a_reader_that_goes_away_is_no_error(pair: Fleet) -> None:
    watching = pair.begin("watch", pair.url, "--json", stderr=subprocess.PIPE)
    assert watching.stdout is not None
    watching.stdout.readline()
    watching.stdout.close()
    pair.members["one"].kill()
    assert watching.stderr is not None
    assert watching.stderr.read() == ""
    assert watching.wait(timeout=PATIENCE_S) == 141


def test_output_that_cannot_be_written_is_an_error(pair: Fleet) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        status = pair.begin("status", pair.url, stdout=full, stderr=subprocess.PIPE)
        assert status.stderr is not None
        assert "could not be written: No space left on device" in status.stderr.read()
    assert status.wait(timeout=10) == 74
