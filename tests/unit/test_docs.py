"""Documents say what is there: code that imports, links that lead somewhere, tests that exist."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from coord.config import Timing
from tests.documents import ROOT, Block, code_blocks, links, pages

_GUARANTEES = ROOT / "docs" / "guarantees.md"
_INDEX = ROOT / "docs" / "index.md"
_PYTHON = [block for page in pages() for block in code_blocks(page, "python")]
_PROVEN_BY = re.compile(r"\[`(\w+)`\]\(([\w./-]+\.py)\)")


def _place(value: Block | Path) -> str:
    if isinstance(value, Path):
        return str(value.relative_to(ROOT))
    return f"{value.page.relative_to(ROOT)}:{value.line}"


def _tree(block: Block) -> ast.Module:
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST
    tree = compile(block.text, _place(block), "exec", flags)
    assert isinstance(tree, ast.Module)
    return tree


def _functions(path: Path) -> set[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


@pytest.mark.parametrize("block", _PYTHON, ids=_place)
def test_a_block_of_python_compiles_and_all_that_it_imports_exists(block: Block) -> None:
    for node in ast.walk(_tree(block)):
        if isinstance(node, ast.Import):
            for name in node.names:
                importlib.import_module(name.name)
        elif isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module or "")
            missing = [name.name for name in node.names if not hasattr(module, name.name)]
            assert missing == []


def test_the_readme_opens_with_a_whole_program() -> None:
    """One that imports all it uses; `tests/integration/test_examples.py` runs it."""
    first = code_blocks(ROOT / "README.md", "python")[0]
    assert isinstance(_tree(first).body[0], ast.Import)
    assert ".run()" in first.text


@pytest.mark.parametrize("page", pages(), ids=_place)
def test_a_link_to_a_file_leads_somewhere(page: Path) -> None:
    local = {link.partition("#")[0] for link in links(page) if "://" not in link}
    assert {link for link in local if not (page.parent / link).exists()} == set()


def test_every_document_is_in_the_index() -> None:
    reached = {(_INDEX.parent / link).resolve() for link in links(_INDEX) if "://" not in link}
    documents = {path.resolve() for path in (ROOT / "docs").glob("*.md")} - {_INDEX.resolve()}
    assert documents - reached == set()


def test_the_example_of_testing_ones_own_work_runs_as_printed() -> None:
    (block,) = code_blocks(ROOT / "docs" / "concepts.md", "python")
    names: dict[str, Any] = {}
    exec(compile(block.text, _place(block), "exec"), names)  # noqa: S102 (our own page)
    tests = [name for name in names if name.startswith("test_")]
    assert len(tests) == 2
    for name in tests:
        names[name]()


def test_the_sum_in_the_concepts_is_that_of_the_defaults() -> None:
    ours = Timing.of(10)
    need = ours.heartbeat_s + ours.attempts * ours.rpc_timeout_s + ours.slack_s
    have = ours.ttl_s * (1 - ours.drift) - ours.stop_grace_s
    shown = (
        f"{ours.heartbeat_s} + {ours.attempts} × {ours.rpc_timeout_s} + {ours.slack_s} = {need}"
        f"   ≤   {ours.ttl_s} × {1 - ours.drift:g} − 0 − {ours.stop_grace_s} = {have:g}"
    )
    assert shown in (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")


def _promises() -> list[str]:
    """The rows of the tables of promises, without their headings."""
    rows = [
        line
        for line in _GUARANTEES.read_text(encoding="utf-8").splitlines()
        if line.startswith("|") and not line.startswith(("|---", "| Promise"))
    ]
    assert len(rows) > 20, "the tables of docs/guarantees.md were not found"
    return rows


@pytest.mark.parametrize("row", _promises(), ids=lambda row: row.split("|")[1].strip()[:60])
def test_a_promise_names_its_limits_its_place_and_tests_that_exist(row: str) -> None:
    _, _, limits, place, proofs, _ = re.split(r"(?<!\\)\|", row)
    assert limits.strip()
    kept = re.findall(r"`([\w./]+\.py)`", place)
    assert kept
    assert [path for path in kept if not (ROOT / path).is_file()] == []
    shown = _PROVEN_BY.findall(proofs)
    assert shown
    absent = [
        f"{path}::{name}"
        for name, path in shown
        if name not in _functions((_GUARANTEES.parent / path).resolve())
    ]
    assert absent == []


def test_every_command_that_the_documents_show_exists() -> None:
    commands = importlib.import_module("coord.cli.app").COMMANDS
    shown = {
        found
        for page in pages()
        for block in code_blocks(page, "sh")
        for found in re.findall(r"^(?:\.venv/bin/)?coord ([a-z]+)", block.text, re.MULTILINE)
    }
    assert shown
    assert shown - set(commands) == set()
