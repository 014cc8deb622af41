"""Folders, entry points, extras and locks tell the same story."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path

from tests.architecture.project import ROOT, backend_packages, pyproject

_GROUPS = ("coord.stores", "coord.ledgers", "coord.queues")
_PYTEST = "pytest11"  # a module that pytest loads, and nothing to be called
_NO_CLIENT_LIBRARY = {"coord_sqlite"}


def _entry_points() -> dict[str, dict[str, str]]:
    declared: dict[str, dict[str, str]] = pyproject()["project"]["entry-points"]
    return declared


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w.-]", line)[0].lower().replace("_", "-") for line in requirements}


def _locked(name: str) -> list[str]:
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_every_backend_is_a_typed_package() -> None:
    assert "coord_sqlite" in backend_packages()
    for package in ["coord", *(f"backends/{name}" for name in backend_packages())]:
        assert (ROOT / package / "py.typed").is_file(), package


def test_folders_and_entry_points_agree() -> None:
    assert set(_entry_points()) <= {*_GROUPS, _PYTEST}
    targets = {
        value.split(":")[0].split(".")[0]
        for group in _entry_points().values()
        for value in group.values()
    }
    plugged = targets - {"coord"}
    assert plugged == set(backend_packages())


def test_folders_and_extras_agree() -> None:
    """A backend with a client library has an extra of its name, and no extra lacks its code."""
    extras = set(pyproject()["project"].get("optional-dependencies", {}))
    needed = {
        name.removeprefix("coord_") for name in backend_packages() if name not in _NO_CLIENT_LIBRARY
    }
    assert needed <= extras
    packages = {path.parent.name for path in (ROOT / "coord").glob("*/__init__.py")}
    assert extras <= needed | packages


def test_every_entry_point_loads() -> None:
    declared = {(group, name) for group in _GROUPS for name in _entry_points()[group]}
    installed = {
        (point.group, point.name): point for group in _GROUPS for point in entry_points(group=group)
    }
    assert declared <= set(installed), "the environment is older than pyproject.toml: make venv"
    for key in declared:
        assert callable(installed[key].load()), key


def test_the_locks_hold_exact_pins_of_everything_that_is_declared() -> None:
    for name in ("run.txt", "stores.txt", "dev.txt"):
        assert all(re.fullmatch(r"[\w.-]+==[\w.!+]+", line) for line in _locked(name)), name
    declared = _names(pyproject()["project"]["dependencies"])
    assert declared | {"hatchling"} <= _names(_locked("run.txt"))
    assert _names(pyproject()["dependency-groups"]["dev"]) <= _names(_locked("dev.txt"))
    extras = pyproject()["project"]["optional-dependencies"].values()
    assert {name for extra in extras for name in _names(extra)} <= _names(_locked("stores.txt"))
    assert set(_locked("run.txt")) <= set(_locked("stores.txt")), "make lock"
    assert set(_locked("stores.txt")) <= set(_locked("dev.txt")), "make lock"


def test_every_dependency_has_its_reason() -> None:
    reasons = (ROOT / "docs" / "decisions" / "dependencies.md").read_text().lower()
    declared = pyproject()["project"]["dependencies"] + pyproject()["dependency-groups"]["dev"]
    for extra in pyproject()["project"].get("optional-dependencies", {}).values():
        declared += extra
    missing = {name for name in _names(declared) if f"| {name} |" not in reasons}
    assert missing == set()


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text()
    pages: list[Path] = sorted(set(folder.glob("*.md")) - {folder / "README.md"})
    assert [page.name for page in pages if f"({page.name})" not in index] == []


def test_ci_runs_the_test_command_of_the_readme() -> None:
    last = (ROOT / ".ci" / "run").read_text().splitlines()[-1]
    command = last.removeprefix("exec ")
    assert command == "make test"
    assert command in (ROOT / "README.md").read_text()
