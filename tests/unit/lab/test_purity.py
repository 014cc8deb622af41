"""Measuring is pure: the same log gives the same figures, whoever computes them, wherever."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import coord.lab.measure

FOLDER = Path(coord.lab.measure.__file__).parent
IMPURE = {"os", "pathlib", "time", "random", "threading", "subprocess", "socket", "logging", "io"}
PURE = sorted(path.name for path in FOLDER.glob("*.py") if path.name != "load.py")


@pytest.mark.parametrize("name", PURE)
def test_nothing_but_load_touches_the_world(name: str) -> None:
    tree = ast.parse((FOLDER / name).read_text())
    imported = {
        alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {
        (node.module or "").partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not imported & IMPURE
    assert "open" not in called
