"""`python -m coord.testing.servers` as a process: what it prints, and what is left at its end."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coord.testing.servers import EtcdServers
from coord.testing.servers.member import wait_until
from tests.servers import require

_COMMAND = [sys.executable, "-m", "coord.testing.servers"]
_KINDS = [
    pytest.param(kind, marks=pytest.mark.xdist_group(kind))
    for kind in ("etcd", "zookeeper", "dynamodb")
]
_MEMBER = re.compile(r"^\S+: pid (\d+), .*, log (.*)$", re.MULTILINE)


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*_COMMAND, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class _Started:
    """A running `start`: its address, and the pids and logs of its members."""

    def __init__(self, process: subprocess.Popen[bytes], errors: Path) -> None:
        assert process.stdout is not None
        self.process = process
        self.url = process.stdout.readline().decode().strip()
        assert wait_until(lambda: "Ctrl-C" in errors.read_text(), timeout_s=60), errors.read_text()
        self.told = errors.read_text()
        found = _MEMBER.findall(self.told)
        self.pids = [int(pid) for pid, _ in found]
        self.logs = [Path(log) for _, log in found]

    def gone(self) -> bool:
        return not any(Path(f"/proc/{pid}").exists() for pid in self.pids)


@contextmanager
def _started(tmp_path: Path, *arguments: str) -> Iterator[_Started]:
    errors = tmp_path / "errors"
    with (
        errors.open("wb") as stderr,
        subprocess.Popen(
            [*_COMMAND, "start", *arguments], stdout=subprocess.PIPE, stderr=stderr
        ) as process,
    ):
        try:
            yield _Started(process, errors)
        finally:
            process.kill()


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_start_prints_the_address_and_ends_at_a_signal_with_all_it_started(
    kind: str, by: signal.Signals, tmp_path: Path
) -> None:
    require(kind)
    with _started(tmp_path, kind, "--group", "mine") as started:
        assert started.url.startswith(f"{kind}://")
        assert "/mine" in started.url
        assert len(started.pids) == 1
        started.process.send_signal(by)
        assert started.process.wait(timeout=20) == 0
        assert started.gone()
        assert not any(log.exists() for log in started.logs)


@pytest.mark.parametrize("kind", _KINDS)
def test_servers_die_with_a_parent_that_is_killed_and_the_next_sweeps_up(
    kind: str, tmp_path: Path
) -> None:
    require(kind)
    arguments = [] if kind == "dynamodb" else ["--members", "3"]
    with _started(tmp_path, kind, *arguments) as started:
        assert len(started.pids) == (1 if kind == "dynamodb" else 3)
        assert all(log.exists() for log in started.logs)
        started.process.kill()
        started.process.wait(timeout=20)
        assert wait_until(started.gone, timeout_s=20)
        require("etcd")
        with EtcdServers():  # whichever server comes next
            assert not any(log.exists() for log in started.logs)


@pytest.mark.xdist_group("dynamodb")
def test_start_says_which_credentials_the_client_needs(tmp_path: Path) -> None:
    require("dynamodb")
    with _started(tmp_path, "dynamodb") as started:
        assert "export AWS_ACCESS_KEY_ID=local" in started.told
        assert "/demo?region=us-east-1&endpoint=http://127.0.0.1:" in started.url


def test_a_missing_server_is_named_with_its_cure_and_fails(tmp_path: Path) -> None:
    outcome = _run("start", "dynamodb", COORD_DYNAMODB_LOCAL="", XDG_CACHE_HOME=str(tmp_path))
    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert f"there is no DynamoDB Local in {tmp_path}" in outcome.stderr
    cure = f"Run `{shlex.quote(sys.executable)} -m coord.testing.servers install dynamodb`"
    assert cure in outcome.stderr


def test_a_variable_that_names_no_server_is_refused_with_its_name() -> None:
    outcome = _run("start", "etcd", COORD_ETCD="/nowhere/etcd")
    assert outcome.returncode == 1
    assert outcome.stderr.startswith("error: COORD_ETCD names /nowhere/etcd, which is not")
    assert "Correct it, or unset it." in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["start", "redis"], "invalid choice: 'redis'"),
        (["start", "etcd", "--members", "2"], "invalid choice: 2"),
        (["start", "dynamodb", "--members", "3"], "DynamoDB Local is one process"),
        (["install", "redis"], "invalid choice: 'redis'"),
        ([], "required: COMMAND"),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else None,
)
def test_wrong_arguments_are_refused_with_code_2(arguments: list[str], told: str) -> None:
    outcome = _run(*arguments)
    assert outcome.returncode == 2
    assert told in outcome.stderr


@pytest.mark.parametrize("command", [[], ["start"], ["install"]], ids=["all", "start", "install"])
def test_help_explains_and_starts_nothing(command: list[str]) -> None:
    outcome = _run(*command, "--help")
    assert outcome.returncode == 0
    assert "usage: python -m coord.testing.servers" in outcome.stdout


def test_install_is_silent_and_quick_when_nothing_is_missing() -> None:
    for kind in ("etcd", "zookeeper", "dynamodb"):
        require(kind)
    begun = time.monotonic()
    outcome = _run("install")
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")
    assert time.monotonic() - begun < 10
