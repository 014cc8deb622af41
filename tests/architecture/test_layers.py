"""The import contracts of pyproject.toml: kept, complete, and able to break."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.project import ROOT, backend_packages, pyproject

_CONTRACTS = {
    contract["id"]: contract for contract in pyproject()["tool"]["importlinter"]["contracts"]
}

# contract -> a file, and a line in it that the contract must refuse
_VIOLATIONS = {
    "layers": ("coord/model.py", "import coord.clock"),
    "layers-new-module": ("coord/stray.py", "import coord.errors"),
    "no-backend": ("coord/clock.py", "import coord_sqlite"),
    "pure": ("coord/errors.py", "import threading"),
    "pure-by-detour": ("coord/core/stray.py", "import coord.clock"),
    "schedule": ("coord/tasks/schedule/tick.py", "import time"),
    "schedule-by-detour": ("coord/tasks/schedule/stray.py", "import coord.clock"),
    "backends": ("backends/coord_sqlite/stray.py", "import coord.core"),
    "no-test-tools": ("coord/clock.py", "import pytest"),
}


def _lint(root: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the sources below `root`, as `lint-imports` does."""
    program = (
        "import sys; from importlinter.cli import lint_imports;"
        " sys.path[:0] = ['.', 'backends']; sys.exit(lint_imports(no_cache=True))"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_contracts_are_kept() -> None:
    outcome = _lint(ROOT)
    assert outcome.returncode == 0, outcome.stdout


@pytest.mark.parametrize("violation", _VIOLATIONS)
def test_a_contract_breaks_when_it_is_violated(violation: str, tmp_path: Path) -> None:
    for tree in ("coord", "backends"):
        shutil.copytree(ROOT / tree, tmp_path / tree, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    file, line = _VIOLATIONS[violation]
    with (tmp_path / file).open("a") as source:
        source.write(f"\n{line}\n")

    outcome = _lint(tmp_path)

    contract = next(name for name in _CONTRACTS if violation.startswith(name))
    assert outcome.returncode == 1, outcome.stdout
    assert f"{_CONTRACTS[contract]['name']} BROKEN" in " ".join(outcome.stdout.split())


def test_every_backend_stands_under_the_contracts() -> None:
    backends = backend_packages()
    linter = pyproject()["tool"]["importlinter"]
    assert sorted(linter["root_packages"]) == ["coord", *backends]
    assert _CONTRACTS["no-backend"]["forbidden_modules"] == backends
    assert _CONTRACTS["backends"]["source_modules"] == backends
    assert _CONTRACTS["no-test-tools"]["source_modules"] == ["coord", *backends]
