"""The rule for missing servers: silence never passes for green."""

from __future__ import annotations

import pytest

from tests.support import require_server


def test_a_missing_server_skips_on_a_laptop_and_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="etcd is not installed: apt install etcd"):
        require_server(None, name="etcd", cure="apt install etcd-server")


def test_a_missing_server_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="etcd is not installed"):
        require_server(None, name="etcd", cure="apt install etcd-server")


def test_a_server_that_is_there_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    require_server("/usr/bin/etcd", name="etcd", cure="")
