"""Where the demo may be played: nobody is disturbed, and what cannot work is said at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from coord import Coordinator
from coord.clock import SYSTEM_CLOCK
from coord.errors import ConfigError
from coord.lab.chaos.ground import _await_nobody, _granted_s, _refuse_others, ground
from coord.lab.chaos.kinds import kind_named
from coord.lab.demo.run import ROLES
from coord.lab.work.modes import MODES, mode_named
from coord.model import MemberRecord, RoleRecord, Shape
from coord.registry import open_store
from coord.spi import OpenedStore
from coord.testing import MemoryServer
from coord.testing.memory import Manner
from coord.testing.servers import KINDS, ServerMissing

TTL_S = 1.0


def _quiet(_text: str) -> None:
    pass


@pytest.fixture
def found() -> Iterator[OpenedStore]:
    """A group of one test in a store where only peers end sessions, by watching them."""
    store = MemoryServer(SYSTEM_CLOCK, manner=Manner.OBSERVED).store()
    with closing(store):
        yield OpenedStore(store, "demo")


def _join(found: OpenedStore, name: str, ttl_s: float = 0.2) -> None:
    found.store.open_session(found.group, MemberRecord(name=name, incarnation=name), ttl_s)


def _role(found: OpenedStore, name: str, **fields: object) -> None:
    record = RoleRecord(name=name, **{"shape": Shape(1, 1), **fields})  # type: ignore[arg-type]
    found.store.put_role(found.group, record)


def test_a_group_with_roles_of_others_is_refused_though_nobody_is_there(found: OpenedStore) -> None:
    _role(found, "compactor")
    with pytest.raises(ConfigError, match="used for something else: it has the roles compactor"):
        _refuse_others(found, found.store.view("demo"), ROLES)


@pytest.mark.parametrize("fields", [{"paused": True}, {"shape": Shape(2, 1)}], ids=str)
def test_a_group_whose_demo_roles_were_changed_is_refused(
    found: OpenedStore, fields: dict[str, object]
) -> None:
    _role(found, "reaper-single", **fields)
    with pytest.raises(ConfigError, match="reaper-single of group demo are paused or have another"):
        _refuse_others(found, found.store.view("demo"), ROLES)


def test_a_group_that_a_demo_was_played_in_may_be_used_again(found: OpenedStore) -> None:
    for mode in MODES:
        if not mode.queue:  # nobody leads there, so no store hears of it
            _role(found, mode.role.name, shape=mode.role.shape)
    _refuse_others(found, found.store.view("demo"), ROLES)


def test_the_sessions_of_a_killed_demo_are_waited_for_and_ended(found: OpenedStore) -> None:
    for name in ("worker-1", "worker-2"):
        _join(found, name)
    said: list[str] = []
    begun = SYSTEM_CLOCK.now()
    _await_nobody(found, said.append)
    assert SYSTEM_CLOCK.now() - begun >= 0.2, "nobody may end a session before its ttl"
    assert found.store.view("demo").members == {}
    assert said == ["group demo has members; waiting to see whether worker-1, worker-2 still live"]


def test_a_group_with_a_member_that_lives_is_refused_and_goes_on(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}?group=prod"
    with Coordinator(url, member="one", ttl_s=2) as fleet:
        with (
            pytest.raises(ConfigError, match="group prod is in use: one are members of it"),
            ground(url, TTL_S, work=tmp_path, say=_quiet, roles=ROLES),
        ):
            pass
        assert list(fleet.status().members) == ["one"]


def test_the_ttl_is_the_one_that_the_store_grants() -> None:
    store = MemoryServer(SYSTEM_CLOCK, min_ttl_s=3.0).store()
    with closing(store):
        assert _granted_s(OpenedStore(store, "demo"), 1.0) == 3.0
        assert _granted_s(OpenedStore(store, "demo"), 5.0) == 5.0
        assert store.view("demo").members == {}, "who asked has left"


def test_a_ttl_that_the_lag_of_the_store_eats_up_is_refused() -> None:
    store = MemoryServer(SYSTEM_CLOCK, lag_s=1.0).store()
    with closing(store), pytest.raises(ConfigError, match="no time to stop safely") as refused:
        _granted_s(OpenedStore(store, "demo"), 2.0)
    assert refused.value.cure == "Give a longer --ttl."


def test_on_a_file_of_its_own_nothing_is_refused_and_nothing_is_elsewhere(tmp_path: Path) -> None:
    with ground("sqlite", None, work=tmp_path, say=_quiet, roles=ROLES) as here:
        assert (here.kind, here.group, here.own) == ("sqlite", "lab", True)
        assert here.ttl_s == kind_named("sqlite").own_ttl_s
        with closing(open_store(here.url).store) as store:
            assert store.view("lab").members == {}
    assert {path.name.partition("-")[0] for path in tmp_path.iterdir()} == {"coord.db"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_is_not_installed_is_named_with_its_cure(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = {"etcd": "COORD_ETCD", "zookeeper": "COORD_ZOOKEEPER_HOME"}
    monkeypatch.setenv(variable.get(kind, "COORD_DYNAMODB_LOCAL"), str(tmp_path / "nowhere"))
    with (
        pytest.raises(ServerMissing, match="nowhere"),
        ground(kind, None, work=tmp_path, say=_quiet, roles=ROLES),
    ):
        pass


@pytest.mark.parametrize("kind", ["sqlite", *KINDS, "another"])
def test_every_kind_has_a_ttl_and_words_for_its_waiting(kind: str) -> None:
    known = kind_named(kind)
    assert 0 < known.own_ttl_s <= known.ttl_s
    assert "2 s" in known.waits.format(ttl=2.0)
    assert mode_named("single").claims == 1
