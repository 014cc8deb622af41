"""The artifact, not the checkout: sdist and wheel, installed alone, used from an empty folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import coord
from tests.architecture.project import ROOT, backend_packages

pytestmark = [pytest.mark.wheel, pytest.mark.timeout(300), pytest.mark.xdist_group("wheel")]

_MAIN_JOB = """
from coord import Coordinator
with Coordinator("sqlite:///x.db", member="smoke", ttl_s=5) as fleet:
    with fleet.lead("reaper", timeout_s=30) as term:
        term.check()
        print(term.token)
"""


def _run(*command: object, cwd: Path) -> str:
    outcome = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert outcome.returncode == 0, f"{command}\n{outcome.stdout}\n{outcome.stderr}"
    return outcome.stdout


@dataclass(frozen=True)
class Installed:
    """A clean environment that holds the wheel and its run-time dependencies, nothing else."""

    sdist: Path
    bin: Path
    packages: Path
    cwd: Path

    def run(self, command: str, *arguments: str) -> str:
        return _run(self.bin / command, *arguments, cwd=self.cwd)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    base = tmp_path_factory.mktemp("wheel")
    dist, venv, cwd = base / "dist", base / "venv", base / "empty"
    cwd.mkdir()
    # The wheel is built from the sdist, which proves that the sdist is complete.
    _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, ROOT, cwd=base)
    _run(sys.executable, "-m", "venv", venv, cwd=base)
    (wheel,) = dist.glob("*.whl")
    constraints = ROOT / "requirements" / "run.txt"
    _run(venv / "bin" / "python", "-m", "pip", "install", "-q", "-c", constraints, wheel, cwd=base)
    (packages,) = (venv / "lib").glob("python*/site-packages")
    (sdist,) = dist.glob("*.tar.gz")
    return Installed(sdist, venv / "bin", packages, cwd)


def test_the_library_and_its_embedded_store_can_be_imported(installed: Installed) -> None:
    homes = installed.run(
        "python", "-c", "import coord, coord_sqlite; print(coord.__file__, coord_sqlite.__file__)"
    )
    assert [Path(home).parent.parent for home in homes.split()] == [installed.packages] * 2


def test_both_ways_to_the_command_line_know_the_version(installed: Installed) -> None:
    script = installed.run("coord", "--version")
    module = installed.run("python", "-m", "coord", "--version")
    assert script == module
    assert coord.__version__ in script


def test_the_main_job_runs_on_sqlite_and_its_status_is_json(installed: Installed) -> None:
    assert int(installed.run("python", "-c", _MAIN_JOB)) > 0
    status = json.loads(installed.run("coord", "status", "sqlite:///x.db", "--json"))
    assert isinstance(status, dict)


def test_only_packages_reach_site_packages(installed: Installed) -> None:
    found = {path.name for path in installed.packages.iterdir()}
    assert {"coord", *backend_packages()} <= found
    assert not {"backends", "deploy", "docs", "examples", "tests", "README.md"} & found
    for package in ("coord", *backend_packages()):
        assert (installed.packages / package / "py.typed").is_file(), package
        assert not list((installed.packages / package).rglob("*.md")), package


def test_the_wheel_carries_licence_and_entry_points(installed: Installed) -> None:
    (metadata,) = installed.packages.glob("coord-*.dist-info")
    assert "Apache License" in (metadata / "licenses" / "LICENSE").read_text()
    declared = (metadata / "entry_points.txt").read_text()
    assert "sqlite = coord_sqlite:SqliteStore" in declared


def test_the_wheel_has_what_the_report_page_is_made_of(installed: Installed) -> None:
    folder = installed.packages / "coord" / "lab" / "report"
    wanted = {"page.css", "figure.css", "page.js", "reading.html"}
    assert wanted <= {one.name for one in folder.iterdir()}


def test_the_sdist_can_be_checked_by_whoever_unpacks_it(installed: Installed) -> None:
    with tarfile.open(installed.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"Makefile", "README.md", "LICENSE", "CHANGELOG.md", "tests/conftest.py", ".ci/run"}
    assert wanted | {"backends/coord_sqlite/__init__.py", "requirements/dev.txt"} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith(".venv")]


def test_a_user_program_type_checks_against_the_installed_package(installed: Installed) -> None:
    """`py.typed` works from site-packages: a right program passes, and a wrong one is refused."""
    program = installed.cwd / "program.py"
    mypy = (
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--python-executable",
        installed.bin / "python",
    )
    shutil.copy(ROOT / "tests" / "typing" / "api.py", program)
    _run(*mypy, program, cwd=installed.cwd)
    program.write_text("from coord import Role\nRole('reaper', shards='many')\n")
    with pytest.raises(AssertionError, match="incompatible type"):
        _run(*mypy, program, cwd=installed.cwd)
