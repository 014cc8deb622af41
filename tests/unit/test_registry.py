"""Which store a URL opens, and what is said when it cannot."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from coord import registry
from coord.clock import SYSTEM_CLOCK, Clock
from coord.errors import ConfigError, MissingExtra, StoreRefused
from coord.registry import known_schemes, open_store
from coord.spi import OpenedStore
from coord.testing.clock import ManualClock
from coord.testing.memory import MemoryStore

_METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: 1\n"


def _install(folder: Path, monkeypatch: pytest.MonkeyPatch, *entries: str, code: str = "") -> None:
    """A distribution on the path, as another project's installation would leave it."""
    name = f"guest-{folder.name.replace('_', '-')}"
    module = f"guest_{folder.name}"
    info = folder / f"{name.replace('-', '_')}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(_METADATA.format(name=name))
    lines = "\n".join(f"{entry} = {module}:Factory" for entry in entries)
    (info / "entry_points.txt").write_text(f"[coord.stores]\n{lines}\n")
    (folder / f"{module}.py").write_text(code)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, module, raising=False)


_ECHO = """
class Factory:
    opened = []
    @classmethod
    def from_url(cls, url, *, clock, timeout_s):
        cls.opened.append((url, clock, timeout_s))
        return cls.opened[-1]
"""


def test_the_scheme_chooses_the_store_and_the_url_names_the_group() -> None:
    opened = open_store("memory://registry-test/blue")
    assert isinstance(opened, OpenedStore)
    assert isinstance(opened.store, MemoryStore)
    assert opened.group == "blue"


def test_a_store_of_another_distribution_gets_url_clock_and_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, monkeypatch, "echo", code=_ECHO)
    clock: Clock = ManualClock()
    opened = open_store("echo://somewhere/g", clock=clock, timeout_s=0.25)
    assert tuple(opened) == ("echo://somewhere/g", clock, 0.25)
    assert tuple(open_store("echo://x"))[1:] == (SYSTEM_CLOCK, 1.0)
    assert "echo" in known_schemes()


def test_an_unknown_scheme_lists_those_that_are_known() -> None:
    with pytest.raises(ConfigError) as caught:
        open_store("mysql://user:secret@host/db")
    for scheme in ("dynamodb", "etcd", "memory", "sidecar", "sqlite", "zookeeper"):
        assert scheme in caught.value.cure
    assert "mysql" in caught.value.cause
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "x.db", "sqlite:x.db", "://", "http//x", "[::1"])
def test_what_is_no_url_is_refused_with_the_schemes(url: str) -> None:
    with pytest.raises(ConfigError, match="sqlite"):
        open_store(url)


def test_a_known_scheme_that_is_not_installed_names_its_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "_registered", lambda _group: {})
    with pytest.raises(MissingExtra, match=r"coord\[zookeeper\]"):
        open_store("zookeeper://localhost:2181/group")
    with pytest.raises(MissingExtra, match="comes with coord"):
        open_store("sqlite:///x.db")


_LATE = """
class Factory:
    @classmethod
    def from_url(cls, url, *, clock, timeout_s):
        import a_library_nobody_has
"""


@pytest.mark.parametrize("code", ["import a_library_nobody_has", _LATE], ids=["early", "late"])
def test_a_missing_client_library_names_library_and_extra(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, monkeypatch, "etcd", code=code)
    with pytest.raises(MissingExtra, match="a_library_nobody_has") as caught:
        open_store("etcd://localhost:2379/group")
    assert "coord[etcd]" in caught.value.cure


def test_a_missing_library_of_a_foreign_store_is_no_extra_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, monkeypatch, "foreign", code="import a_library_nobody_has")
    with pytest.raises(MissingExtra, match="a_library_nobody_has") as caught:
        open_store("foreign://x")
    assert "coord[" not in caught.value.cure


def test_an_impossible_timeout_is_refused() -> None:
    for timeout_s in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ConfigError, match="timeout"):
            open_store("memory://x", timeout_s=timeout_s)


def test_what_the_store_refuses_reaches_the_caller(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="directory"):
        open_store(f"sqlite:///{tmp_path}/nowhere/x.db")
    with pytest.raises(ConfigError, match="sqlite:///"):
        open_store("sqlite://x.db")
