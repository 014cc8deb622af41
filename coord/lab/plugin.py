"""The pytest plugin: `--chaos`, the marker `chaos`, the fixture `coord_lab`.

Owns what pytest is told, and what a machine that lacks something means: a skip that says what, and
under CI=true a failure, because there a skip would pass for green. It is loaded into every pytest
where coord is installed, so it imports nothing of coord until a test uses the fixture,
and gives way wherever a name is taken: to options of that name, and to a project that declares a
marker `chaos` of its own, whose tests are then its own affair unless they use `coord_lab`.
"""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from coord.lab.fixture import Lab

__all__ = [
    "coord_lab",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_configure_node",
    "pytest_load_initial_conftests",
    "pytest_report_header",
    "pytest_runtest_makereport",
]

_MARKER = "chaos"
_FIXTURE = "coord_lab"
_ON = "coord_chaos"
_SEED = "coord_chaos_seed"
_OFF = "needs --chaos"
_SEEDS = 1_000_000

_LAB: pytest.StashKey[Lab] = pytest.StashKey()
_OURS: pytest.StashKey[bool] = pytest.StashKey()


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(parser: pytest.Parser) -> Generator[None, None, None]:
    """The two options, once all others are there: whoever has one of the name keeps it."""
    yield
    group = parser.getgroup("coord", "coord: chaos tests")
    with suppress(ValueError, argparse.ArgumentError):
        group.addoption(
            "--chaos", dest=_ON, action="store_true", help="also run tests that strike real fleets"
        )
    with suppress(ValueError, argparse.ArgumentError):
        group.addoption(
            "--chaos-seed",
            dest=_SEED,
            type=int,
            default=None,
            metavar="N",
            help="of what chaos tests leave to chance (default: drawn, and told in the header)",
        )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; draw the seed, which the processes of xdist are given."""
    declared = [str(line).split("(")[0].partition(":")[0].strip() for line in _markers(config)]
    config.stash[_OURS] = _MARKER not in declared
    if config.stash[_OURS]:
        config.addinivalue_line("markers", f"{_MARKER}: strikes real fleets; needs --chaos")
    if _is_on(config) and _seed(config) is None:
        told = getattr(config, "workerinput", {}).get(_SEED)
        setattr(config.option, _SEED, random.randrange(_SEEDS) if told is None else told)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401 (of xdist, which may not be there)
    """Tell a process of xdist the seed."""
    node.workerinput[_SEED] = _seed(node.config)


def pytest_report_header(config: pytest.Config) -> str | None:
    """With which seed it runs, if it does."""
    if not _is_on(config):
        return None
    return f"coord: chaos on, --chaos-seed {_seed(config)}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without --chaos, marked tests are skipped, and tests that use the fixture."""
    if _is_on(config):
        return
    off = pytest.mark.skip(reason=_OFF)
    for item in items:
        marked = config.stash[_OURS] and item.get_closest_marker(_MARKER) is not None
        if marked or _FIXTURE in getattr(item, "fixturenames", ()):
            item.add_marker(off)


@pytest.fixture
def coord_lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    """Fleets of your daemon on a store, struck and judged: see docs/chaos-tests.md.

    What it starts is healed and stopped with the test, whatever happened; files are in `tmp_path`.
    """
    if not _is_on(request.config):  # asked for by name, while the test ran
        pytest.skip(_OFF)
    from coord.lab.fixture import Lab  # noqa: PLC0415  nobody else shall wait for its imports

    seed = _seed(request.config)
    with Lab(
        tmp_path, title=request.node.name, seed=0 if seed is None else seed, needs=_needs
    ) as lab:
        request.node.stash[_LAB] = lab
        yield lab


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed chaos test says what befell its fleets, where the files are, and its seed."""
    report = yield
    lab = item.stash.get(_LAB, None)
    if report.failed and lab is not None:
        again = f'again: pytest --chaos --chaos-seed {_seed(item.config)} "{item.nodeid}"'
        report.sections.append(("coord chaos", f"{again}\n{lab.story()}"))
    return report


def _needs(name: str) -> None:
    """Go on if this machine has the capability; otherwise skip, or fail in CI."""
    from coord.lab.chaos.capabilities import missing  # noqa: PLC0415  as above

    wrong = missing(name)
    if not wrong:
        return
    message = f"{name}: {wrong}"
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def _is_on(config: pytest.Config) -> bool:
    return bool(config.getoption(_ON, default=False))


def _seed(config: pytest.Config) -> int | None:
    found = config.getoption(_SEED, default=None)
    return found if isinstance(found, int) else None


def _markers(config: pytest.Config) -> list[str]:
    return list(config.getini("markers"))
