"""The public surface: what can be imported, what it costs, and that it is documented."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import pytest

import coord
from tests.architecture.project import ROOT, backend_packages

# What `import coord` must leave alone: clients, the command line, the heavy standard library.
_LATE = [
    "asyncio",
    "boto3",
    "click",
    "etcd3",
    "grpc",
    "kazoo",
    "rich",
    "sqlite3",
    "structlog",
    "tenacity",
]


# Parts that users do not import from; the rest of `coord/` is public.
_INTERNAL = {"cli", "core", "effects", "lab", "registry", "sidecar", "telemetry"}


def _public_modules() -> list[str]:
    """The public modules and packages that stand directly in `coord/`, and the backends."""
    found = [
        path.stem if path.suffix else path.name
        for path in sorted((ROOT / "coord").iterdir())
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    ]
    public = [name for name in found if not name.startswith("_") and name not in _INTERNAL]
    return [f"coord.{name}" for name in public] + backend_packages()


@pytest.mark.parametrize("name", coord.__all__)
def test_a_public_name_can_be_imported(name: str) -> None:
    assert getattr(coord, name) is not None
    assert name in dir(coord)


def test_every_error_is_a_public_name() -> None:
    errors = importlib.import_module("coord.errors")
    assert set(errors.__all__) <= set(coord.__all__)


def test_an_unknown_name_is_refused_as_python_does() -> None:
    with pytest.raises(AttributeError, match="module 'coord' has no attribute 'is_leader'"):
        coord.is_leader  # type: ignore[attr-defined] # noqa: B018


@pytest.mark.parametrize("module", _public_modules())
def test_a_public_module_declares_what_it_exports(module: str) -> None:
    loaded = importlib.import_module(module)
    assert loaded.__all__, module
    for name in loaded.__all__:
        assert hasattr(loaded, name), f"{module}.{name}"


@pytest.mark.parametrize("name", [name for name in coord.__all__ if not name.startswith("_")])
def test_a_public_name_is_documented_with_its_public_methods(name: str) -> None:
    value = getattr(coord, name)
    bare = [] if inspect.getdoc(value) else [name]
    for attribute, member in vars(value).items():
        target = member.fget if isinstance(member, property) else member
        target = getattr(target, "__func__", target)
        if not attribute.startswith("_") and isinstance(target, FunctionType):
            bare += [] if inspect.getdoc(target) else [f"{name}.{attribute}"]
    assert bare == []


def test_importing_coord_loads_no_client_library(tmp_path: Path) -> None:
    program = f"import sys, coord; print([name for name in {_LATE} if name in sys.modules])"
    outcome = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert outcome.stdout.strip() == "[]"
