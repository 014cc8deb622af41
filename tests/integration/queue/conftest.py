"""A depot of real processes for one test, stopped whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.queue.depot import Depot


@pytest.fixture
def depot(tmp_path: Path) -> Iterator[Depot]:
    found = Depot(tmp_path)
    try:
        yield found
    finally:
        found.close()
