"""Where servers are looked for, and what is said, and installed, when they are not there."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from coord.errors import ConfigError
from coord.testing import servers
from coord.testing.servers import DynamoDBLocal, EtcdServers, ServerMissing, find, missing
from coord.testing.servers import debian as debian_module
from coord.testing.servers import install as install_module
from coord.testing.servers.install import install

_VARIABLES = ["ETCD", "ZOOKEEPER_HOME", "DYNAMODB_LOCAL"]


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which nothing is installed; its PATH is this folder."""
    for name in _VARIABLES:
        monkeypatch.delenv(f"COORD_{name}", raising=False)
    for name in ("JAVA_HOME", "ZOOKEEPER_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(find, "_PROGRAMS", str(tmp_path))
    monkeypatch.setattr(find, "_DEBIAN_JARS", tmp_path / "jars")
    monkeypatch.setattr(find, "_OPT", tmp_path / "opt")
    return tmp_path


def _program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("kind", find.KINDS)
def test_what_is_missing_is_said_with_its_cure(kind: str, bare: Path) -> None:
    cure = f"Run `{shlex.quote(sys.executable)} -m coord.testing.servers install {kind}`"
    assert cure in missing(kind)
    assert ("there is no `java`" in missing(kind)) == (kind != "etcd")


def test_nothing_is_missing_once_all_parts_are_found(bare: Path) -> None:
    _program(bare / "etcd")
    _program(bare / "java")
    _program(bare / "jars" / "zookeeper.jar")
    _program(find.dynamodb_cache() / "DynamoDBLocal.jar")
    assert [missing(kind) for kind in find.KINDS] == ["", "", ""]


@pytest.mark.parametrize(
    ("variable", "lookup", "file"),
    [
        ("COORD_ETCD", find.find_etcd, ""),
        ("COORD_ZOOKEEPER_HOME", find.find_zookeeper, "lib/zookeeper-3.9.2.jar"),
        ("ZOOKEEPER_HOME", find.find_zookeeper, "lib/zookeeper-3.9.2.jar"),
        ("COORD_DYNAMODB_LOCAL", find.find_dynamodb, "DynamoDBLocal.jar"),
    ],
)
def test_a_variable_wins_and_must_name_the_right_thing(
    variable: str,
    lookup: Callable[[], object],
    file: str,
    bare: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, str(bare / "given"))
    with pytest.raises(ServerMissing, match=f"{variable} names .*given, which is not .* unset it"):
        lookup()
    _program(bare / "given" / file if file else bare / "given")
    assert str(lookup()).startswith(str(bare / "given"))


def test_java_home_wins_over_path(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(bare / "java")
    monkeypatch.setenv("JAVA_HOME", str(bare / "home"))
    assert find.find_java() == str(bare / "java")
    _program(bare / "home" / "bin" / "java")
    assert find.find_java() == str(bare / "home" / "bin" / "java")


def test_starting_what_is_missing_starts_nothing(bare: Path) -> None:
    with pytest.raises(ServerMissing, match="there is no `etcd` on PATH"):
        EtcdServers(members=3).start()
    with pytest.raises(ServerMissing, match="there is no DynamoDB Local in"):
        DynamoDBLocal().start()


def test_installing_without_root_names_the_command_and_what_else_would_do(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    told: list[str] = []
    with pytest.raises(ServerMissing) as caught:
        install(find.KINDS, say=told.append)
    assert told == []
    assert (
        "`apt-get install --no-install-recommends"
        " etcd-server libzookeeper-java default-jre-headless npm`"
    ) in caught.value.cure
    assert "instead of etcd-server: any etcd from 3.4" in caught.value.cure


def test_what_is_there_is_not_installed_again(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`libzookeeper-java` alone is asked for, and a service is disabled only if it came along."""
    asked: list[tuple[list[str], list[str]]] = []

    def apt(packages: list[str], *, services: list[str]) -> None:
        asked.append((packages, services))
        _program(bare / "jars" / "zookeeper.jar")

    monkeypatch.setattr(install_module, "apt_usable", lambda: True)
    monkeypatch.setattr(install_module, "apt_install", apt)
    _program(bare / "etcd")
    _program(bare / "java")
    told: list[str] = []
    install(["etcd", "zookeeper"], say=told.append)
    install(["etcd", "zookeeper"], say=told.append)
    assert asked == [(["libzookeeper-java"], [])]
    assert told == ["running apt-get install --no-install-recommends libzookeeper-java"]


def test_no_service_starts_while_packages_are_installed_and_the_policy_goes_away(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, log = bare / "policy-rc.d", bare / "log"
    for name in ("apt-get", "update-rc.d"):
        program = _program(bare / name)
        program.write_text(f"#!/bin/sh\n{policy}; echo {name} $? $* >>{log}\n")
    monkeypatch.setattr(debian_module, "_POLICY", policy)
    debian_module.apt_install(["etcd-server"], services=["etcd"])
    assert not policy.exists()
    apt, disable = log.read_text().splitlines()
    assert apt.startswith("apt-get 101 ")
    assert apt.endswith("install -y --no-install-recommends etcd-server")
    assert disable.endswith("etcd disable")


def test_a_policy_of_the_administrator_stays(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = _program(bare / "policy-rc.d")
    _program(bare / "apt-get")
    monkeypatch.setattr(debian_module, "_POLICY", policy)
    debian_module.apt_install(["npm"])
    assert policy.read_text() == "#!/bin/sh\n"


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: servers.servers_of("redis"), "no server of kind 'redis'"),
        (lambda: servers.servers_of("dynamodb", members=3), "DynamoDB Local is one process"),
        (lambda: servers.servers_of("etcd", members=2), "2 members of etcd were asked for"),
    ],
)
def test_servers_that_cannot_be_are_refused(make: Callable[[], object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        make()
