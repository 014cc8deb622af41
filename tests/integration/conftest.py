"""A fleet of real processes for one test, stopped whatever happens."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.integration.fleet import Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    found = Fleet(tmp_path)
    yield found
    found.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the logs of the workers of a test that failed."""
    report = yield
    found = getattr(item, "funcargs", {}).get("fleet")
    if report.failed and isinstance(found, Fleet):
        for process in found.processes:
            text = process.log.read_text(errors="replace")[-4000:]
            report.sections.append((f"log of {process.member}", text))
    return report
