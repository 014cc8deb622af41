"""What whoever types `coord redundancy` is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import pytest

from coord.cli import redundancy as command
from tests.documents import ROOT
from tests.unit.cli.commands import run

_WORDS = ("redundancy", "--p", "0.01", "--target", "1e-6")
_QUICK = ("--draws", "2000")


def _told(*words: str) -> dict[str, Any]:
    result = run(*_WORDS, *_QUICK, *words, "--json")
    assert result.exit_code == 0, result.stderr
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def test_the_command_of_the_page_answers_as_the_page_says() -> None:
    told = _told("--beta", "0.05")
    assert told["schema"] == "coord.redundancy/1"
    assert told["needed"] == {"independent": 3, "correlated": None}
    assert (told["unreachable"], told["floor"]) == ("beta", 5e-4)
    assert told["beta_limit"] == pytest.approx(1e-4)
    assert [row["members"] for row in told["rows"]] == [1, 2, 3, 4]
    for row in told["rows"]:
        for name in ("independent", "correlated"):
            found = row[name]["simulated"]
            assert found["low"] < found["chance"] < found["high"]
            assert found["draws"] == 2000


def test_what_cannot_be_reached_is_said_plainly_with_what_helps_instead() -> None:
    text = run(*_WORDS, *_QUICK, "--beta", "0.05").stdout
    assert "3 co-leaders are enough for 1e-06" in text
    assert "no number of co-leaders reaches it: 0.0005 stays" in text
    assert "beta below 0.0001" in text
    assert "Not more members" in text


def test_without_anything_shared_both_answers_are_the_same() -> None:
    told = _told("--beta", "0")
    assert told["needed"] == {"independent": 3, "correlated": 3}
    assert told["unreachable"] is None


def test_zones_that_fail_together_too_often_are_named_as_the_reason() -> None:
    words = ("--beta", "0", "--zones", "2", "--zone-p", "0.01")
    assert _told(*words)["unreachable"] == "zones"
    assert "more zones" in run(*_WORDS, *_QUICK, *words).stdout


def test_more_than_anybody_would_run_is_no_answer() -> None:
    words = ("redundancy", "--p", "0.9", "--target", "1e-6", "--beta", "0", *_QUICK)
    assert json.loads(run(*words, "--json").stdout)["unreachable"] == "too-many"
    assert "more than 100" in run(*words).stdout


def test_the_row_that_is_needed_is_in_the_table_however_long_that_is() -> None:
    words = ("redundancy", "--p", "0.5", "--target", "1e-9", "--beta", "0", *_QUICK, "--json")
    rows = json.loads(run(*words).stdout)["rows"]
    assert [row["members"] for row in rows] == [*range(1, 21), 30]


def test_the_same_seed_gives_the_same_answer() -> None:
    assert _told("--seed", "5") == _told("--seed", "5") != _told("--seed", "6")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("redundancy",), 2, "missing option '--p'"),
        (("redundancy", "--p", "0.01"), 2, "missing option '--target'"),
        (("redundancy", "--p", "often", "--target", "1e-6"), 2, "'often' is not a number"),
        (("redundancy", "--p", "nan", "--target", "1e-6"), 2, "'nan' is not a number"),
        (("redundancy", "--p", "inf", "--target", "1e-6"), 2, "'inf' is not a number"),
        (("redundancy", "--p", "1.5", "--target", "1e-6"), 5, "p is 1.5"),
        (("redundancy", "--p", "1e-400", "--target", "1e-6"), 5, "p is 0"),
        (("redundancy", "--p", "0.01", "--target", "0"), 5, "target is 0"),
        ((*_WORDS, "--beta", "1.1"), 5, "beta is 1.1"),
        ((*_WORDS, "--zones", "3"), 2, "--zones and --zone-p are given together"),
        ((*_WORDS, "--zone-p", "0.1"), 2, "--zones and --zone-p are given together"),
        ((*_WORDS, "--zones", "0", "--zone-p", "0.1"), 2, "0 is not in the range"),
        ((*_WORDS, "--draws", "10"), 2, "10 is not in the range"),
        ((*_WORDS, "--up-to", "99"), 2, "99 is not in the range"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_words_are_refused(words: tuple[str, ...], code: int, says: str) -> None:
    result = run(*words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert says in result.stderr
    assert json.loads(run(*words, "--json").stderr)["exit_code"] == code


def _names(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*(_names(inner) for inner in value.values()))
    return set().union(*(_names(inner) for inner in value)) if isinstance(value, list) else set()


def test_every_field_is_documented() -> None:
    page: Path = ROOT / "docs" / "redundancy.md"
    text = page.read_text(encoding="utf-8")
    assert {name for name in _names(_told()) if f"`{name}`" not in text} == set()


def test_an_interrupt_ends_it_without_half_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "estimate", interrupt)
    result = run(*_WORDS, "--json")
    assert (result.exit_code, result.stdout) == (130, "")
