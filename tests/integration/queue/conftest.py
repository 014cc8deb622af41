"""A queue of each kind and a depot of real processes for one test, stopped whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.queue.depot import Depot
from tests.integration.queue.places import KINDS, Place, place_of


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with place_of(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def depot_with(place: Place) -> Iterator[Callable[..., Depot]]:
    """Makes the one depot of a test."""
    made: list[Depot] = []

    def make(**settings: bool | int) -> Depot:
        made.append(place.depot(**settings))  # type: ignore[arg-type]
        return made[-1]

    try:
        yield make
    finally:
        for depot in made:
            depot.close()


@pytest.fixture
def depot(depot_with: Callable[..., Depot]) -> Depot:
    return depot_with()
