"""docs/reliability.md names tests: every one exists, under that name and with those parameters."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache

import pytest

from tests.architecture.project import ROOT, parsed

_PAGE = ROOT / "docs" / "reliability.md"
_SECTION = "## Published failures, and the test for each"
_TEST = re.compile(r"`([\w./]+\.py)::(\w+)(\[[^\]`]+\])?`")
_COLLECTING_S = 100


@cache
def _text() -> str:
    return _PAGE.read_text(encoding="utf-8")


def _section() -> str:
    _, found, rest = _text().partition(_SECTION + "\n")
    assert found, f"{_PAGE.name} has no section {_SECTION!r}"
    return rest.partition("\n## ")[0]


def _cited() -> list[tuple[str, str, str]]:
    return sorted(set(_TEST.findall(_text())))


@cache
def _functions(path: str) -> frozenset[str]:
    """Those of the module itself: what is inside of a class has another name for pytest."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in parsed(file).body if isinstance(node, kinds))


def test_every_test_that_the_page_names_exists() -> None:
    cited = _cited()
    assert len(cited) > 100, "the tests that the page names were not found"
    absent = [f"{path}::{name}" for path, name, _ in cited if name not in _functions(path)]
    assert absent == []


@pytest.mark.timeout(_COLLECTING_S + 20)
def test_every_case_of_a_test_that_the_page_names_is_collected() -> None:
    """What stands in brackets is made while tests are collected, so pytest is asked."""
    cases = {f"{path}::{name}{case}" for path, name, case in _cited() if case}
    assert cases
    files = sorted({case.partition("::")[0] for case in cases})
    ask = [*("-m", "pytest", "--collect-only", "-q", "--soak", "-p", "no:cacheprovider"), *files]
    told = subprocess.run(
        [sys.executable, *ask],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_COLLECTING_S,
        check=False,
    )
    assert told.returncode == 0, told.stdout[-2000:] + told.stderr[-2000:]
    assert cases - set(told.stdout.splitlines()) == set()


def _failures() -> list[str]:
    """The rows of the tables of failures, without their headings."""
    rows = [line for line in _section().splitlines() if line.startswith("|")]
    return [row for row in rows if not row.startswith(("|---", "| What goes wrong"))]


@pytest.mark.parametrize("row", range(len(_failures())))
def test_a_failure_says_where_it_was_seen_what_defends_and_which_test_shows_it(row: int) -> None:
    _, what, seen, defence, shown, _ = (
        cell.strip() for cell in re.split(r"(?<!\\)\|", _failures()[row])
    )
    assert what
    assert seen
    assert defence
    assert _TEST.search(shown), f"{what}: no test"


def test_nothing_that_looks_like_a_test_is_written_otherwise() -> None:
    """Or a slip of the pen would keep a name from being checked."""
    loose = re.findall(r"[\w./]*\.py::[^\s`|,;)]*", _TEST.sub("", _text()))
    assert loose == []
