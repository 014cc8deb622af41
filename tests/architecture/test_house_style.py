"""The house style that ruff cannot keep: sizes, laws, and what no file may mention."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.architecture.project import ROOT, named, parsed, python_files, text_files

_FILE_LINES_MAX = 400
_FUNCTION_LINES_MAX = 60

# Spelled with one-letter classes, so that this file keeps its own rules.
_BANNED = {
    "an open end": r"\b(T[O]DO|F[I]XME|X[X]X)\b",
    "a second copy of a backend": r"\bbackends[.]coord_",
    "a folder of one machine": r"(?<![\w.}-])/(work|root|home/\w+|Users/\w+)/",
    "a registry host": r"(pypi|pythonhosted|registry[.]npmjs|proxy[.]golang)[.](org|io)",
}


def _functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(parsed(path)) if isinstance(node, kinds)]


def test_the_rules_see_the_project() -> None:
    seen = {named(path) for path in text_files()}
    assert {"Makefile", "coord/__init__.py", "tests/conftest.py", ".ci/run"} <= seen


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {named(path): path.read_text().count("\n") for path in python_files()}
    assert {name: lines for name, lines in lengths.items() if lines > _FILE_LINES_MAX} == {}


def test_no_function_is_longer_than_60_lines() -> None:
    long = [
        f"{named(path)}:{function.lineno} {function.name}: {lines} lines"
        for path in python_files()
        for function in _functions(path)
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > _FUNCTION_LINES_MAX
    ]
    assert long == []


def test_no_file_mentions_what_is_banned() -> None:
    found = [
        f"{named(path)}:{number}: {what}: {line.strip()[:60]}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for what, pattern in _BANNED.items()
        if re.search(pattern, line)
    ]
    assert found == []


def test_a_module_of_the_contract_and_the_core_opens_with_its_law() -> None:
    """It says what it owns and what it may not know, so that a review can quote it."""
    contract = [
        ROOT / "coord" / f"{name}.py" for name in ("clock", "config", "errors", "model", "spi")
    ]
    for path in [*contract, *python_files("coord/core")]:
        law = ast.get_docstring(parsed(path)) or ""
        assert re.search(r"\b[Oo]wns?\b", law), f"{named(path)} does not say what it owns"
        assert re.search(r"\b([Kk]nows?|[Nn]ever|no|not|nothing|cannot)\b", law), (
            f"{named(path)} does not say what it may not know"
        )
