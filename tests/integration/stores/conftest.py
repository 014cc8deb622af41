"""A fleet of real processes on each store, one after another; all tests of a store share a lane."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from coord.registry import open_store
from coord.spi import Initializable
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
def url(servers: Servers) -> str:
    """A group of the test's own, made ready as `coord init` does it."""
    address = servers.url(f"fleet-{secrets.token_hex(4)}")
    opened = open_store(address, timeout_s=5.0)
    with closing(opened.store):
        if isinstance(opened.store, Initializable):
            opened.store.init(opened.group)
    return address


@pytest.fixture
def fleet(url: str, tmp_path: Path) -> Iterator[Fleet]:
    found = Fleet(tmp_path, url=url)
    yield found
    found.close()
