"""A group for each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import pytest

from coord.registry import open_store
from tests.unit.cli.commands import Group


@pytest.fixture
def group() -> Iterator[Group]:
    """An empty group "g" in a memory store of this process."""
    url = f"memory://{uuid4().hex}/g"
    found = open_store(url)
    with closing(found.store):
        yield Group(url, found)
