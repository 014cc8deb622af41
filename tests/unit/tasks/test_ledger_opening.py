"""Which ledger a URL opens, and what is said when it cannot."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from coord import registry
from coord.errors import ConfigError, MissingExtra, StoreRefused
from coord.tasks.ledger import Finished, Ledger
from coord.tasks.opening import LEDGERS, open_ledger
from coord.tasks.spi import LedgerStore
from coord_sqlite.ledger import SqliteLedger


def test_the_scheme_chooses_the_ledger_and_the_url_names_the_group(tmp_path: Path) -> None:
    with closing(open_ledger(f"sqlite:///{tmp_path}/l.db?group=blue")) as blue:
        assert isinstance(blue, SqliteLedger)
        assert isinstance(blue, LedgerStore)
        blue.write("k", b"{}", expect=None, keep_s=60.0)
        with closing(open_ledger(f"sqlite:///{tmp_path}/l.db?group=red")) as red:
            assert red.read(["k"]) == {}
    assert LEDGERS.schemes() == ["dynamodb", "etcd", "memory", "sqlite", "zookeeper"]


def test_equal_names_in_memory_are_one_ledger() -> None:
    with Ledger.open("memory://opening/a") as first, Ledger.open("memory://opening/a") as second:
        assert first.once("k", lambda: 1) == 1
        assert second.begin("k") == Finished(1, 1)
    with Ledger.open("memory://opening/b") as other:
        assert other.once("k", lambda: 2) == 2


def test_an_unknown_scheme_and_what_is_no_url_are_refused_with_the_schemes() -> None:
    with pytest.raises(ConfigError, match="no ledger for mysql://") as caught:
        open_ledger("mysql://user:secret@host/db")
    assert "zookeeper" in caught.value.cure
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError, match="the ledger is not given as a URL"):
        open_ledger("ledger.db")
    with pytest.raises(ConfigError, match="timeout"):
        open_ledger("memory://x", timeout_s=0.0)
    with pytest.raises(ConfigError, match="memory"):
        open_ledger("memory://x/y?z=1")


def test_a_ledger_that_is_not_installed_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", lambda _group: {})
    with pytest.raises(MissingExtra, match=r"coord\[etcd\]"):
        open_ledger("etcd://localhost/group")


def test_a_ledger_whose_settings_are_refused_leaves_no_store_open(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lease_s"):
        Ledger.open(f"sqlite:///{tmp_path}/l.db", lease_s=0.0)
    with pytest.raises(ConfigError, match="keep_s"):
        Ledger.open(f"sqlite:///{tmp_path}/l.db", lease_s=30.0, keep_s=59.0)
    with pytest.raises(StoreRefused, match="directory"):
        Ledger.open(f"sqlite:///{tmp_path}/nowhere/l.db")


def test_a_ledger_that_was_closed_refuses(tmp_path: Path) -> None:
    ledger = Ledger.open(f"sqlite:///{tmp_path}/l.db")
    ledger.once("k", lambda: 1)
    ledger.close()
    ledger.close()
    with pytest.raises(StoreRefused, match="closed"):
        ledger.once("k", lambda: 1)
