"""The figures of one run, and the processes that measure them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.architecture.project import ROOT
from tests.bench.figures import Figures

Case = Callable[..., Any]


@pytest.fixture(scope="session")
def figures() -> Iterator[Figures]:
    """Collects the figures; they are written when the run ends."""
    collected = Figures()
    yield collected
    if collected.found:
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
