"""The figures of one run, and the processes that measure them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from coord.testing.servers import DynamoDBLocal, servers_of
from tests.architecture.project import ROOT
from tests.bench.capacity import counting
from tests.bench.figures import Figures
from tests.bench.places import TEXTS, TITLES, Place
from tests.bench.versions import version_of
from tests.servers import require

Case = Callable[..., Any]


@pytest.fixture(scope="session")
def figures() -> Iterator[Figures]:
    """Collects the figures; they are written when the run ends."""
    collected = Figures()
    yield collected
    if collected.sections:
        collected.write()


@pytest.fixture(scope="session")
def case() -> Case:
    """Runs one case in a process of its own and returns what it printed as JSON."""

    def run(name: str, *arguments: object) -> Any:  # noqa: ANN401 (what JSON holds)
        outcome = subprocess.run(
            [sys.executable, "-m", f"tests.bench.cases.{name}", *map(str, arguments)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert outcome.returncode == 0, outcome.stderr
        return json.loads(outcome.stdout)

    return run


@pytest.fixture(scope="session", params=tuple(TITLES))
def place(request: pytest.FixtureRequest, figures: Figures) -> Iterator[Place]:
    """Each kind of server in turn, one at a time."""
    kind = request.param
    require(kind)
    with ExitStack() as stack:
        servers = stack.enter_context(servers_of(kind))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in servers.environment.items():
            patch.setenv(name, value)
        section = figures.section(TITLES[kind], TEXTS[kind], server=version_of(servers))
        yield Place(kind, servers, section)


@pytest.fixture
def metered(place: Place) -> Iterator[Place]:
    """The place, where a server that does not count has a proxy before it that does."""
    if not isinstance(place.servers, DynamoDBLocal):
        yield place
        return
    with counting(place.servers.hosts) as endpoint:
        yield replace(place, endpoint=endpoint)
