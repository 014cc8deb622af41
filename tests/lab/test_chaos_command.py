"""What whoever types `coord chaos` meets: refusals, signals, full disks, narrow screens."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

import pytest
from rich.console import Console

from coord.cli import chaos as command
from coord.cli import main, performing
from coord.cli.chaos_words import Lines, print_faults, print_verdict, say_line
from coord.cli.playing import Interrupted
from coord.errors import ConfigError, CoordError, StoreUnavailable
from coord.lab.chaos import run
from coord.lab.chaos.faults import CATALOGUE
from coord.lab.chaos.ground import ground
from coord.lab.chaos.preflight import check
from coord.lab.chaos.reading import Overrides, parse
from coord.lab.chaos.run import contestant_of, perform
from coord.lab.chaos.saved import note, refuse_full
from coord.telemetry import EventLog
from tests.lab.chaos_runs import healthy, saved

KILL = 'title = "x"\n[[fault]]\nkind = "kill"\n'


def _ended(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["chaos", *words])
    printed = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, printed.out, printed.err


@pytest.mark.parametrize("first", [True, False])
def test_json_may_be_asked_for_before_the_name_of_a_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], first: bool
) -> None:
    saved(tmp_path, healthy())
    for words in (["list"], ["check", str(tmp_path)]):
        code, out, err = _ended(capsys, *(["--json", *words] if first else [*words, "--json"]))
        assert (code, err) == (0, "")
        assert json.loads(out)["schema"].startswith("coord.")
    code, _, err = _ended(capsys, "--json")
    assert (code, "missing argument" in json.loads(err)["cause"]) == (2, True)


@pytest.mark.parametrize("words", [[""], ["x.toml", "--events", ""], ["check", ""]])
def test_an_empty_word_is_no_path(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """As of a variable that is not set: it would mean the present directory."""
    code, out, err = _ended(capsys, *words)
    assert (code, out) == (2, "")
    assert "it is empty" in err


# --- what is refused, and where that stands ---------------------------------------------------


def test_a_program_that_is_not_there_is_refused_with_its_line_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain").touch()
    fleet = '[fleet]\nmembers = 2\ncommand = ["{}"]\n'
    for program in ("no-such-program", "./none", "./plain"):
        (tmp_path / "x.toml").write_text(KILL + fleet.format(program))
        code, out, err = _ended(capsys, "x.toml", "--store", "etcd", "--json", "--events", "run")
        told = json.loads(err)
        assert (code, out) == (5, "")
        assert told["cause"].startswith("x.toml:6: ") or "\nx.toml:6: " in told["cause"]
        assert f"there is no program {program!r}" in told["cause"]
        assert not (tmp_path / "run").exists()
    check(parse(KILL + fleet.format("daemon-of-{member}"), "x.toml"), "x.toml", lacks=lambda _: "")


@pytest.mark.parametrize("by_option", [True, False])
def test_a_store_that_cannot_be_reached_is_told_with_the_place_that_names_it(
    tmp_path: Path, by_option: bool
) -> None:
    url = "etcd://127.0.0.1:9/lab"
    text = KILL if by_option else f'{KILL}[store]\nurl = "{url}"\n'
    scenario = parse(text, "x.toml", Overrides(store=url if by_option else None))
    (events := tmp_path / "events").mkdir()
    with pytest.raises(StoreUnavailable) as refused:
        perform(
            scenario,
            work=tmp_path,
            events=events,
            screen=Lines(_screen(80)),
            interrupted=lambda: None,
        )
    assert refused.value.cause.startswith("--store: " if by_option else "x.toml:5: ")


@pytest.mark.parametrize(
    ("text", "store", "place"),
    [
        (KILL, "etcd", "--store"),
        (f'{KILL}[store]\nservers = 3\nkind = "etcd"\n', None, "x.toml:6"),
    ],
)
def test_a_server_that_is_missing_is_told_with_the_place_that_asks_for_it(
    text: str, store: str | None, place: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        check(parse(text, "x.toml", Overrides(store=store)), "x.toml", lacks=lambda _: "it is away")
    assert refused.value.cause.startswith(f"{place}: there is no store etcd here")
    assert refused.value.cure.startswith("Install what is missing, or ")


# --- the directory of a run -------------------------------------------------------------------


def _raising(error: BaseException, *, begun: bool) -> Callable[..., NoReturn]:
    def play(plan: Any, *, events: Path, **_: object) -> NoReturn:  # noqa: ANN401
        note(events, plan)
        if begun:
            (events / "injector.jsonl").touch()
        raise error

    return play


@pytest.mark.parametrize("made", [True, False])
def test_a_directory_is_as_it_was_if_nothing_came_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], made: bool
) -> None:
    """So that the same command can be given again when the cause is mended."""
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    if not made:
        run.mkdir()
    (tmp_path / "x.toml").write_text(KILL)
    monkeypatch.setattr(performing, "perform", _raising(StoreUnavailable("away"), begun=False))
    for _ in range(2):
        assert _ended(capsys, "x.toml", "--events", "run")[0] == 3
        assert run.exists() != made
    assert made or list(run.iterdir()) == []


@pytest.mark.parametrize(("error", "code"), [(CoordError("no"), 1), (Interrupted(15), 143)])
def test_what_was_begun_stays_where_it_was_asked_for_and_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.toml").write_text(KILL)
    monkeypatch.setattr(performing, "perform", _raising(error, begun=True))
    found, out, err = _ended(capsys, "x.toml", "--events", "run")
    assert (found, out) == (code, "")
    assert "events until then: run" in err
    assert (tmp_path / "run" / "injector.jsonl").exists()


def test_the_fleet_is_told_the_whole_path_of_its_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A daemon that changes its directory would write them elsewhere otherwise."""
    seen: list[Path] = []

    def play(*_: object, events: Path, **__: object) -> NoReturn:
        seen.append(events)
        raise StoreUnavailable("away")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(performing, "perform", play)
    (tmp_path / "x.toml").write_text(KILL)
    _ended(capsys, "x.toml", "--events", "run")
    assert seen == [tmp_path / "run"]


def test_a_run_on_a_full_disk_has_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_full(tmp_path)
    assert list(tmp_path.iterdir()) == []

    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    for told in (refuse_full, lambda place: note(place, parse(KILL, "x.toml"))):
        with pytest.raises(ConfigError, match="No space left on device"):
            told(tmp_path)


@pytest.mark.parametrize("error", [CoordError("not at rest"), sqlite3.OperationalError("odd")])
def test_what_goes_wrong_on_a_full_disk_is_told_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def play(*_: object, **__: object) -> NoReturn:
        monkeypatch.setattr(Path, "write_bytes", full)
        raise error

    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run, "play", play)
    for name in ("work", "events"):
        (tmp_path / name).mkdir()
    with pytest.raises(ConfigError, match="events cannot be written: No space left on device"):
        perform(
            parse(KILL.replace("title", 'fleet = { command = ["sleep", "60"] }\ntitle'), "x.toml"),
            work=tmp_path / "work",
            events=tmp_path / "events",
            screen=Lines(_screen(80)),
            interrupted=lambda: None,
        )


@pytest.mark.parametrize(
    ("words", "code"),
    [(["check", "{}"], 5), (["{}.toml"], 5), (["k.toml", "--events", "{}"], 5), (["{}"], 2)],
)
def test_a_path_that_cannot_even_be_looked_at_is_refused_and_no_failed_output(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
) -> None:
    """Longer than a name may be; a folder that one may not enter is told by the same error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "k.toml").write_text(KILL)
    found, _, err = _ended(capsys, *(word.format("x" * 300) for word in words))
    assert (found, "output" in err, "cure: " in err) == (code, False, True), err


# --- signals ----------------------------------------------------------------------------------


def test_a_signal_while_the_machine_is_asked_ends_it_with_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def asked(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise ConfigError("mount was ended by a signal")

    monkeypatch.setattr(command, "preflight", asked)
    monkeypatch.setattr(command, "faults_json", asked)
    (tmp_path / "x.toml").write_text(KILL)
    for words in ([str(tmp_path / "x.toml")], ["list"]):
        code, out, err = _ended(capsys, *words)
        assert (code, out) == (143, "")
        assert "interrupted" in err
        assert "mount" not in err


@pytest.mark.timeout(60)
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_are_no_fault(tmp_path: Path, closed: str) -> None:
    saved(tmp_path, healthy())
    line = f'exec "{sys.executable}" -m coord chaos check "{tmp_path}" {closed}'
    done = subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert ("all rules kept" in done.stdout) == (">&-" not in closed.replace("2>&-", ""))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("mode", ["single", "queue"])
def test_a_folder_may_have_any_name(tmp_path: Path, mode: str) -> None:
    """Its path is part of a URL."""
    (odd := tmp_path / "a b%20c?d#e&f [g]").mkdir()
    scenario = parse(KILL, "x.toml", Overrides(mode=mode))
    with ExitStack() as opened:
        here = opened.enter_context(ground("sqlite", None, work=odd, say=lambda _: None, roles={}))
        assert (odd / "coord.db").exists()
        (odd / "work").mkdir()
        entered = opened.enter_context(
            contestant_of(scenario.fleet).enter(odd / "work", EventLog(None, member="x"))
        )
        entered.turn()
    assert here.own


# --- what one sees ----------------------------------------------------------------------------


def _screen(width: int, *, terminal: bool = True) -> Console:
    return Console(
        file=io.StringIO(), width=width, force_terminal=terminal, no_color=True, highlight=False
    )


def _shown(out: Console) -> list[str]:
    assert isinstance(out.file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;]*m", "", out.file.getvalue()).splitlines()


@pytest.mark.parametrize("width", [40, 80])
def test_a_line_is_broken_between_words_on_a_terminal(width: int) -> None:
    out = _screen(width)
    print_faults(out)
    lines = _shown(out)
    assert max(map(len, lines)) <= width
    words = {word for kind in CATALOGUE.values() for word in kind.says.split()}
    assert words <= {word for line in lines for word in line.split()}


def test_a_line_is_whole_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    out = _screen(40, terminal=False)
    say_line(out, "word " * 40, indent=2)
    assert _shown(out) == ["  " + "word " * 40]


@pytest.mark.parametrize("text", ["x" * 50, "a " + "y" * 50 + " b", "", "short"])
def test_a_word_without_room_is_broken_and_nothing_is_lost(text: str) -> None:
    out = _screen(20)
    say_line(out, text, indent=2, hang=4)
    lines = _shown(out)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(len(line) <= 22 for line in lines)


@pytest.mark.parametrize("width", [30, 40, 71, 72, 120])
def test_the_figures_and_the_fault_are_whole_on_any_screen(tmp_path: Path, width: int) -> None:
    verdict = saved(tmp_path, healthy())
    out = _screen(width)
    print_verdict(out, verdict, tmp_path)
    lines = _shown(out)[:-1]
    text = " ".join(" ".join(lines).split())
    assert "…" not in text
    assert all(word in text for word in ("kill+pause", "2/0/1", "failover", "stale acts"))
    assert max(map(len, lines)) <= width
