"""Credentials that expire: fetched anew beside the requests, which do not wait for them."""

from __future__ import annotations

import datetime as dt
import os
import shlex
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.integration.dynamodb.conftest import Desk

pytestmark = pytest.mark.xdist_group("dynamodb")

SLOW_S = 4.0


def test_a_heartbeat_does_not_wait_for_credentials_that_are_fetched_anew(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """boto3 fetches them from 15 minutes before they expire, in whatever thread comes next."""
    calls, slow = tmp_path / "calls", tmp_path / "slow"
    expires = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=14)
    provider = tmp_path / "provider.py"
    provider.write_text(
        "import json, pathlib, time\n"
        f"pathlib.Path({str(calls)!r}).open('a').write('x')\n"
        f"if pathlib.Path({str(slow)!r}).exists(): time.sleep({SLOW_S})\n"
        "print(json.dumps(dict(Version=1, AccessKeyId='local', SecretAccessKey='local', "
        f"SessionToken='t', Expiration={expires.isoformat()!r})))\n"
    )
    config = tmp_path / "config"
    command = shlex.join([sys.executable, str(provider)])
    config.write_text(f"[default]\ncredential_process = {command}\n")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    store = desk.store()
    session = desk.member(store)
    assert store._maker.identity_source == "custom-process"
    slow.touch()
    fetched = len(calls.read_text())
    end = time.monotonic() + 20
    while len(calls.read_text()) <= fetched and time.monotonic() < end:
        begun = time.monotonic()
        session.heartbeat(b"")
        assert time.monotonic() - begun < SLOW_S / 2
    assert len(calls.read_text()) > fetched, "they were fetched meanwhile"
    slow.unlink()
    for thread in threading.enumerate():
        if thread.name == "coord-aws-credentials":
            thread.join(SLOW_S * 4)
