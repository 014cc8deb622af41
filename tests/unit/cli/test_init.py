"""`coord init`: what is made, what is said of it, and how it ends."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coord.cli import init as command
from coord.cli.init import INIT
from tests.unit.cli.commands import Group, answer, run

_METADATA = "Metadata-Version: 2.1\nName: coord-crate\nVersion: 1\n"
_CRATE = '''
"""A store that has to be made first: a file stands for the table."""

import time
from pathlib import Path
from urllib.parse import urlsplit

from coord.errors import StoreRefused, StoreUnavailable
from coord.spi import OpenedStore, Probe
from coord.testing.memory import MemoryServer, MemoryStore


class Crate(MemoryStore):
    @classmethod
    def from_url(cls, url, *, clock, timeout_s):
        store = cls(MemoryServer(clock), clock=clock)
        store.kind, store.file = urlsplit(url).netloc, Path(urlsplit(url).path)
        return OpenedStore(store, "g")

    def init(self, group):
        if self.kind == "slow":
            self.file.with_suffix(".begun").touch()
            time.sleep(60)
        if self.kind == "down":
            raise StoreUnavailable("no answer from the crate", cure="Start it.")
        if self.kind == "odd":
            return [Probe(name="crate", ok=False, value="too small", cure="Get a larger one.")]
        there = self.file.exists()
        self.file.touch()
        value = f"{self.file} " + ("was there" if there else "was made")
        return [Probe(name="crate", ok=True, value=value)]

    def view(self, group):
        if not self.file.exists():
            raise StoreRefused("there is no crate", cure="Make it: coord init URL")
        return super().view(group)
'''


@pytest.fixture
def guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of the test's own; stores at crate://KIND/FOLDER/x are installed meanwhile."""
    info = tmp_path / "packages" / "coord_crate-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(_METADATA)
    (info / "entry_points.txt").write_text("[coord.stores]\ncrate = crate:Crate\n")
    (info.parent / "crate.py").write_text(_CRATE)
    monkeypatch.syspath_prepend(info.parent)
    yield tmp_path
    sys.modules.pop("crate", None)


def test_what_is_missing_is_made_once_and_the_group_read(guest: Path) -> None:
    url = f"crate://usual{guest}/x"
    first, again = answer("init", url), answer("init", url)
    for told, what in ((first, "was made"), (again, "was there")):
        assert (told["schema"], told["store"], told["group"]) == (INIT, "memory", "g")
        assert (told["ok"], told["needed"]) == (True, True)
        assert told["findings"][0]["value"].endswith(what)
    assert first["findings"][-1]["value"] == "group g can be read: 0 members, 0 roles"


def test_it_says_in_words_what_it_made(guest: Path) -> None:
    result = run("init", f"crate://usual{guest}/x")
    assert result.exit_code == 0
    assert f"ok  crate  {guest}/x was made" in result.stdout
    assert result.stderr == ""


def test_a_store_that_needs_nothing_says_so_and_how_it_is(group: Group) -> None:
    told = answer("init", group.url, code=1)  # memory cannot be reached from elsewhere
    assert told["needed"] is False
    assert told["findings"][0]["value"] == "nothing is needed before the first member of a group"
    assert [f["name"] for f in told["findings"] if not f["ok"]] == ["reach"]
    assert told["ok"] is False


def test_it_makes_no_file_where_the_first_member_does(tmp_path: Path) -> None:
    told = answer("init", f"sqlite:///{tmp_path / 'x.db'}")
    assert (told["ok"], told["needed"]) == (True, False)
    assert "made by the first member" in told["findings"][1]["value"]
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_serve_is_a_problem_with_its_cure(guest: Path) -> None:
    (guest / "x").touch()
    result = run("init", f"crate://odd{guest}/x")
    assert result.exit_code == 1
    assert "problem  crate  too small" in result.stdout
    assert "Get a larger one." in result.stdout


def test_a_store_that_cannot_be_reached_ends_in_its_own_exit_code(guest: Path) -> None:
    result = run("init", f"crate://down{guest}/x")
    assert result.exit_code == 3
    assert result.stderr == "error: no answer from the crate\ncure: Start it.\n"


def test_help_shows_an_example() -> None:
    assert 'coord init "dynamodb://' in run("init", "--help").stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["init"], "missing argument 'URL'"),
        (["init", "memory://", "--wait", "1s"], "coord init has no option --wait"),
        (["init", "memory://", "more"], "got unexpected extra argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_line_says_what_is_wrong(words: list[str], says: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert says in result.stderr


def test_without_a_terminal_a_slow_store_is_told_of_every_few_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "_TELL_S", 0.01)
    told = ""
    with command._lines("preparing it", quiet=False):
        end = time.monotonic() + 20
        while not told and time.monotonic() < end:
            told = capsys.readouterr().err
    assert told.startswith("preparing it, since 0s")


@contextmanager
def _slow(guest: Path, *options: str, stream: int) -> Iterator[subprocess.Popen[bytes]]:
    """A command in the middle of something that takes a minute."""
    words = ["init", f"crate://slow{guest}/x", *options]
    unwanted = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"}
    env = {name: value for name, value in os.environ.items() if name not in unwanted}
    env |= {"PYTHONPATH": str(guest / "packages"), "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "coord", *words]
    with subprocess.Popen(command, env=env, stdout=stream, stderr=stream) as running:
        try:
            end = time.monotonic() + 30
            while not (guest / "x.begun").exists():
                assert time.monotonic() < end
                time.sleep(0.02)
            yield running
        finally:
            running.kill()


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
def test_ctrl_c_ends_a_slow_store_at_once_and_says_what_that_leaves(
    guest: Path, options: list[str]
) -> None:
    with _slow(guest, *options, stream=subprocess.PIPE) as running:
        begun = time.monotonic()
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    assert time.monotonic() - begun < 10
    assert running.returncode == 130
    assert out == b""
    said = b"interrupted: what was begun may still be made. Ask again.\n"
    assert err.strip() == (b"" if options else said.strip())


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_on_a_terminal_it_shows_what_it_waits_for_and_gives_the_cursor_back(
    guest: Path, end: signal.Signals
) -> None:
    ours, theirs = pty.openpty()
    with _slow(guest, stream=theirs) as running:
        os.close(theirs)
        shown = _read_until(ours, b"0:00:01")
        assert b"preparing memory for group g" in shown
        running.send_signal(end)
        assert b"\x1b[?25h" in _read_until(ours, b"Ask again.")
        assert running.wait(timeout=30) == 130
    os.close(ours)


def _read_until(descriptor: int, text: bytes) -> bytes:
    seen, end = b"", time.monotonic() + 30
    while text not in seen:
        left = end - time.monotonic()
        assert left > 0, seen
        if select.select([descriptor], [], [], left)[0]:
            seen += os.read(descriptor, 65536)
    return seen
