"""What cannot be played here is refused before anything starts, with line, cause and cure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from coord.errors import ConfigError
from coord.lab.chaos import capabilities, preflight
from coord.lab.chaos.capabilities import CAPABILITIES, missing
from coord.lab.chaos.faults import CATALOGUE, MEMBERS, SERVERS, Blow, FaultKind
from coord.lab.chaos.preflight import check, refusals, setting_of
from coord.lab.chaos.reading import parse
from coord.lab.chaos.stage import Stage
from coord.testing.servers import KINDS

HEAD = 'title = "x"\n[store]\nkind = "{store}"\n[fleet]\nmode = "{mode}"\n'


@contextmanager
def _nothing(_: Stage, __: Blow) -> Iterator[None]:
    yield


def _kind(name: str, **more: object) -> FaultKind:
    return FaultKind(name=name, says="", targets=MEMBERS, inject=_nothing, **more)  # type: ignore[arg-type]


TRIED = {
    kind.name: kind
    for kind in (
        _kind("cut", linked=True),
        _kind("filled", needs=("tmpfs", "prlimit")),
        _kind("no-queue", unfit=lambda where: "nothing to cut" if where.mode == "queue" else None),
        FaultKind(name="store-off", says="", targets=SERVERS, inject=_nothing),
        FaultKind(
            name="store-full",
            says="",
            targets=SERVERS,
            inject=_nothing,
            unfit=lambda where: None if where.own else "it is not ours to fill",
        ),
    )
}


@pytest.fixture(autouse=True)
def _more_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, kind in TRIED.items():
        monkeypatch.setitem(CATALOGUE, name, kind)


def _found(
    fault: str, *, store: str = "etcd", mode: str = "single", lacks: str = ""
) -> list[tuple[int, str]]:
    text = HEAD.format(store=store, mode=mode) + f'[[fault]]\nkind = "{fault}"\n'
    if "://" in store:
        text = text.replace("kind", "url", 1)
    told = refusals(parse(text, "x.toml"), lacks=lambda name: "it is away" if name == lacks else "")
    assert all(one.cure for one in told)
    return [(one.line, one.cause) for one in told]


def test_what_can_be_played_is_not_refused() -> None:
    for store in ("sqlite", "etcd", "zookeeper", "dynamodb", "etcd://h/g"):
        for mode in ("single", "localized", "co-leaders", "queue"):
            assert _found("kill", store=store, mode=mode) == []
    assert _found("cut") == _found("filled") == _found("store-off") == []


def test_a_server_or_a_client_that_is_missing_is_told_before_the_faults() -> None:
    assert _found("cut", lacks="etcd-server") == [(0, "there is no store etcd here: it is away")]
    assert _found("cut", lacks="etcd-client") == [(0, "there is no store etcd here: it is away")]
    # a store of the user's needs no server here
    assert _found("kill", store="etcd://h/g", lacks="etcd-server") == []
    assert len(_found("kill", store="etcd://h/g", lacks="etcd-client")) == 1


def test_in_mode_queue_nothing_of_a_store_is_missed_because_none_is_used() -> None:
    for lacking in ("etcd-server", "etcd-client"):
        assert _found("kill", mode="queue", lacks=lacking) == []
        assert _found("kill", mode="queue", store="etcd://h/g", lacks=lacking) == []


def test_a_fault_that_the_machine_cannot_do_names_what_it_needs() -> None:
    assert _found("filled", lacks="prlimit") == [(6, "filled needs prlimit: it is away")]


def test_a_fault_s_own_reason_goes_first() -> None:
    assert _found("no-queue", mode="queue") == [(6, "no-queue: nothing to cut")]
    assert _found("store-full", store="etcd://h/g") == [(6, "store-full: it is not ours to fill")]


def test_a_fault_that_tells_where_it_cannot_strike_may_strike_a_file() -> None:
    assert _found("store-full", store="sqlite") == []


@pytest.mark.parametrize("fault", ["cut", "store-off"])
def test_servers_and_ways_to_them_are_struck_only_where_they_are_ours(fault: str) -> None:
    [(line, cause)] = _found(fault, store="sqlite")
    assert line == 6
    assert "sqlite is a file" in cause
    [(_, cause)] = _found(fault, store="zookeeper://h/g")
    assert "not ours to strike" in cause
    [(_, cause)] = _found(fault, mode="queue")
    assert "uses no store" in cause


def test_all_refusals_are_told_at_once_each_with_the_file_and_its_line() -> None:
    text = (
        HEAD.format(store="sqlite", mode="single")
        + '[[fault]]\nkind = "cut"\n[[fault]]\nkind = "kill"\n[[fault]]\nkind = "store-off"\n'
    )
    with pytest.raises(ConfigError) as refused:
        check(parse(text, "x.toml"), "x.toml", lacks=lambda _: "")
    first, second = refused.value.cause.splitlines()
    assert first.startswith("x.toml:6: cut: ")
    assert second.startswith("x.toml:10: store-off: ")
    assert "Let servers be started" in refused.value.cure


@pytest.mark.parametrize(
    ("store", "own", "servers"),
    [
        ("sqlite", True, 0),
        ("sqlite:///x.db", False, 0),
        ("etcd", True, 1),
        ("etcd://h/g", False, 0),
    ],
)
def test_the_setting_says_what_there_is_to_strike(store: str, own: bool, servers: int) -> None:
    text = HEAD.format(store=store, mode="localized") + '[[fault]]\nkind = "kill"\n'
    where = setting_of(parse(text.replace("kind", "url" if "://" in store else "kind", 1), "x"))
    assert (where.store, where.own, where.servers) == (store.partition("://")[0], own, servers)
    assert (where.mode, where.daemon) == ("localized", False)


def test_whatever_a_fault_needs_is_a_capability_that_is_known() -> None:
    assert {name for kind in CATALOGUE.values() for name in kind.needs} <= CAPABILITIES.keys()
    for kind in KINDS:
        assert {capabilities.server_of(kind), capabilities.client_of(kind)} <= CAPABILITIES.keys()


@pytest.mark.parametrize("name", list(CAPABILITIES))
def test_a_probe_answers_and_what_it_says_is_cause_and_cure(name: str) -> None:
    told = missing(name)
    assert told == missing(name)
    assert told == "" or ". " in told


def test_root_is_missed_by_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coord.lab.chaos.capabilities.os.geteuid", lambda: 1000)
    assert "does not run as root" in CAPABILITIES["root"].missing()
    assert "takes root" in CAPABILITIES["tmpfs"].missing()


def test_java_is_missed_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr("coord.testing.servers.find.shutil.which", lambda *_, **__: None)
    assert "no `java` on PATH" in CAPABILITIES["java"].missing()
    assert "no `etcd` on PATH" in CAPABILITIES["etcd-server"].missing()


def test_a_client_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capabilities, "find_spec", lambda _: None)
    told = CAPABILITIES["etcd-client"].missing()
    assert "etcd3 and grpc cannot be imported" in told
    assert "coord[etcd]" in told


def test_the_checks_are_those_of_this_machine_unless_others_are_given() -> None:
    text = HEAD.format(store="sqlite", mode="single") + '[[fault]]\nkind = "kill"\n'
    preflight.check(parse(text, "x.toml"), "x.toml")
