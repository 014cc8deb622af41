"""A fleet of real processes on each store, one after another; all tests of a store share a lane."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from coord.testing.servers import Servers
from tests.integration.fleet import Fleet
from tests.integration.stores.kinds import KINDS, Kind

_PARAMS = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in KINDS]


@pytest.fixture(params=_PARAMS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each of the stores."""
    found: Kind = KINDS[request.param]
    return found


@pytest.fixture
def servers(kind: Kind, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Servers:
    """Its one server; what its clients need is in the environment."""
    found: Servers = request.getfixturevalue(f"{kind.name}_server")
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def url(kind: Kind, servers: Servers) -> str:
    """A group of the test's own."""
    return kind.url(servers)


@pytest.fixture
def fleet(url: str, tmp_path: Path) -> Iterator[Fleet]:
    found = Fleet(tmp_path, url=url)
    yield found
    found.close()
