"""`coord report`: what it answers, and what it refuses before it does any work."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from coord.cli import main
from coord.cli.exits import ExitCode
from coord.cli.report import check_place
from tests.lab.chaos_runs import FACTS, healthy, saved


def _report(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["report", *map(str, words)])
    printed = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, printed.out, printed.err


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    saved(folder, healthy())
    return folder


def test_it_writes_the_page_and_says_what_is_on_it(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "lab.html"
    code, told, err = _report(capsys, run, "--out", out)
    assert (code, err) == (0, "")
    assert told.startswith(f"{out}: 1 run, none with a broken rule, ")
    assert out.read_text().startswith("<!doctype html>")
    code, told, err = _report(capsys, run, "--out", out, "--json")
    answer = json.loads(told)
    assert (code, err, answer["schema"]) == (0, "", "coord.lab-report/1")
    assert (answer["page"], answer["bytes"]) == (str(out), out.stat().st_size)
    assert answer["runs"] == [
        {"directory": str(run), "title": FACTS.title, "kept": True, "damaged": []}
    ]
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_two_runs_make_the_same_page_twice(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    saved(other, healthy(), replace(FACTS, store="etcd", seed=2))
    pages = []
    for name in ("one.html", "two.html"):
        assert _report(capsys, run, other, "--out", tmp_path / name)[0] == 0
        pages.append((tmp_path / name).read_bytes())
    assert pages[0] == pages[1]


def test_a_file_that_is_no_page_is_never_replaced(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "thesis.txt"
    out.write_text("years of work")
    code, told, err = _report(capsys, run, "--out", out)
    assert (code, told) == (ExitCode.CONFIG, "")
    assert "is no HTML page" in err
    assert out.read_text() == "years of work"


def test_a_place_that_cannot_be_written_is_refused(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = _report(capsys, run, "--out", tmp_path / "nowhere" / "lab.html")
    assert code == ExitCode.CONFIG
    assert "cannot be written" in err


def test_a_run_that_is_given_twice_is_refused(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = _report(capsys, run, run / ".", "--out", tmp_path / "lab.html")
    assert code == ExitCode.CONFIG
    assert "is given twice" in err


def test_a_run_of_another_schema_version_is_refused_with_file_cause_and_cure(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**facts, "schema": "coord.chaos-run/9"}))
    out = tmp_path / "lab.html"
    code, told, err = _report(capsys, run, "--out", out)
    assert (code, told, out.exists()) == (ExitCode.CONFIG, "", False)
    said = " ".join(err.split())
    assert "run.json" in said
    assert "coord.chaos-run/9" in said
    assert "Judge it with the release that wrote it" in said


def test_what_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "lab.html"
    code, _, err = _report(capsys, tmp_path / "nothing", "--out", out)
    assert (code, out.exists()) == (ExitCode.CONFIG, False)
    assert "cannot be found" in err


@pytest.mark.skipif(not Path("/proc/version").is_file(), reason="needs /proc of Linux")
def test_a_directory_that_takes_no_files_is_refused_before_any_work(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, told, err = _report(capsys, "no-such-run", "--out", "/proc/lab.html")
    assert (code, told) == (ExitCode.CONFIG, "")
    said = " ".join(err.split())
    assert "/proc/lab.html cannot be written: /proc: " in said
    assert "directory that can be written" in said


def test_the_probe_of_the_place_leaves_nothing_and_keeps_a_page(tmp_path: Path) -> None:
    out = tmp_path / "lab.html"
    out.write_text("<!doctype html>old")
    check_place(out)
    assert [one.name for one in tmp_path.iterdir()] == ["lab.html"]
    assert out.read_text() == "<!doctype html>old"
