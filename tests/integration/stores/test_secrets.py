"""Credentials appear nowhere: not in logs, errors, status, events, nor in what the commands print.

Secrets are put where each store looks for them, and everything that comes out is searched.
"""

from __future__ import annotations

import base64
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from coord.testing.servers import Servers
from tests.integration.fleet import ROOT
from tests.integration.stores.kinds import KINDS, Kind

SECRET = "n0t-t0-be-sh0wn"  # noqa: S105 (made up)
USER = "somebody"
ENVIRONMENT: Mapping[str, Mapping[str, str]] = {
    "etcd": {"ETCDCTL_USER": f"{USER}:{SECRET}"},
    "zookeeper": {"COORD_ZOOKEEPER_AUTH": f"digest:{USER}:{SECRET}"},
    "dynamodb": {
        "AWS_ACCESS_KEY_ID": USER,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": f"{SECRET}-token",
    },
}
FORMS = (
    SECRET,
    base64.b64encode(SECRET.encode()).decode().rstrip("="),
    base64.b64encode(f"{USER}:{SECRET}".encode()).decode().rstrip("="),
)


@pytest.fixture(autouse=True)
def secrets_in_place(kind: Kind, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT[kind.name].items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COORD_EVENTS", f"{tmp_path}/")
    return tmp_path


def said(*command: str) -> str:
    """All that a Python process says."""
    outcome = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return outcome.stdout + outcome.stderr


def everything(url: str, ttl_s: float) -> Iterator[tuple[str, str]]:
    yield "member", said("-m", "tests.integration.workers.talker", url, str(ttl_s))
    for command in ("init", "status", "doctor"):
        yield command, said("-m", "coord", command, url)


def check_that_nothing_tells(texts: Mapping[str, str]) -> None:
    for source, text in texts.items():
        assert text, source
        for form in FORMS:
            assert form not in text, f"{source}: {text[max(0, text.find(form) - 300) :][:600]}"


def test_secrets_are_shown_nowhere_while_all_is_well(url: str, kind: Kind, events: Path) -> None:
    texts = dict(everything(url, kind.ttl_s))
    assert "talker" in texts["member"], "it said something"
    assert "could not be done" not in texts["member"], texts["member"][-3000:]
    texts |= {path.name: path.read_text() for path in events.glob("events-*")}
    assert any(name.startswith("events-talker") for name in texts)
    check_that_nothing_tells(texts)


def test_secrets_are_shown_nowhere_when_nobody_answers(
    kind: Kind, servers: Servers, events: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        nowhere = f"127.0.0.1:{taken.getsockname()[1]}"
        options = "?region=us-east-1&endpoint=http://" + nowhere
        address = {
            "etcd": f"etcd://{nowhere}/g",
            "zookeeper": f"zookeeper://{nowhere}/g",
            "dynamodb": f"dynamodb://leases/g{options}",
        }[kind.name]
        texts = dict(everything(address, KINDS[kind.name].ttl_s))
    assert "could not be done" in texts["member"]
    check_that_nothing_tells(texts)
