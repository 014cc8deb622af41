"""The project as files: where things are, and how the rules read them. Knows no rule."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "backend_packages", "named", "parsed", "pyproject", "python_files", "text_files"]

ROOT = Path(__file__).resolve().parents[2]
_TREES = (".ci", "backends", "coord", "deploy", "docs", "examples", "requirements", "tests")
_MADE = {".git", "__pycache__", "_build", "node_modules"}
_BINARY = (".db", ".gif", ".gz", ".ico", ".jpg", ".png", ".pyc", ".woff2")


def text_files() -> Iterator[Path]:
    """Every text file that belongs to the project, with no help from git."""
    candidates = [*ROOT.iterdir(), *(path for tree in _TREES for path in (ROOT / tree).rglob("*"))]
    for path in sorted(candidates):
        binary = path.suffix.startswith(_BINARY)
        if path.is_file() and not binary and not _MADE & set(path.parts):
            yield path


def python_files(*trees: str) -> list[Path]:
    """The Python files of the trees named, or of the whole project."""
    wanted = [ROOT / tree for tree in trees] or [ROOT]
    return [
        path
        for path in text_files()
        if path.suffix == ".py" and any(path.is_relative_to(tree) for tree in wanted)
    ]


def named(path: Path) -> str:
    """The path as it reads in a message."""
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def backend_packages() -> list[str]:
    """The folders of `backends/` that are packages, by name."""
    return sorted(path.parent.name for path in (ROOT / "backends").glob("*/__init__.py"))
