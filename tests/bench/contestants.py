"""Who is measured on a queue: how each is started, and what its messages look like.

Owns the command lines and the interpreter of the others, which is made on demand in `build/peers`
and made anew when the list of packages changes. Measures nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from coord.tasks.queue.payload import TASK
from coord.testing.sqs import Settings
from coord.testing.sqs.addresses import environment
from tests.architecture.project import ROOT
from tests.bench.peers.setting import THREADS

__all__ = ["BARE", "CONTESTANTS", "OURS", "PEERS", "Contestant", "peers_installed"]

_PEERS = ROOT / "build" / "peers"
_LISTED = ROOT / "tests" / "bench" / "peers" / "requirements.txt"
_INSTALL_S = 600
_WRITE_S = 120

Message = Mapping[str, Any]


@dataclass(frozen=True)
class Contestant:
    """One runner. `command` may name {url}, {endpoint} and {queue}; `app`: a peer's module.

    `backlog`: how many messages keep it busy for some seconds.
    """

    name: str
    command: tuple[str, ...]
    backlog: int
    app: str = ""

    def started(self, **names: str) -> list[str]:
        """Its command line."""
        return [word.format(**names) for word in self.command]

    @cache  # noqa: B019  as many as there are contestants, for one run
    def messages(self, count: int) -> Sequence[Message]:
        """So many messages in its own form, numbered from 0, as entries of a batch."""
        if not self.app:
            attributes = {TASK: {"DataType": "String", "StringValue": "noop"}}
            return [
                {"MessageBody": f'{{"number":{n}}}', "MessageAttributes": attributes}
                for n in range(count)
            ]
        written = subprocess.run(
            [str(_bin("python")), "-m", self.app, str(count)],
            cwd=ROOT,
            env={**os.environ, **environment(Settings().region)},
            capture_output=True,
            text=True,
            timeout=_WRITE_S,
            check=False,
        )
        assert written.returncode == 0, written.stderr
        found: list[Message] = json.loads(written.stdout)
        assert len(found) == count, f"{self.name} wrote {len(found)} messages of {count}"
        return found


def _bin(name: str) -> Path:
    return _PEERS / "bin" / name


def _case(name: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"tests.bench.cases.{name}", *arguments)


def _peer(name: str, app: str, backlog: int, *command: str) -> Contestant:
    program, *arguments = command
    return Contestant(name, (str(_bin(program)), *arguments), backlog, app)


_APP = "tests.bench.peers."
_N = str(THREADS)
OURS = Contestant("coord", _case("queue_coord", "{url}"), 10_000)
BARE = Contestant("bare boto3", _case("queue_bare", "{endpoint}", "{queue}"), 10_000)
PEERS = (
    _peer(
        *("dramatiq-sqs", f"{_APP}dramatiq_app", 4_000),
        *("dramatiq", f"{_APP}dramatiq_app", "--processes", "1", "--threads", _N),
    ),
    _peer(
        *("celery", f"{_APP}celery_app", 4_000),
        *("celery", "-A", f"{_APP}celery_app", "worker", "--pool", "threads", "-c", _N),
    ),
    _peer(
        *("taskiq-aio-sqs", f"{_APP}taskiq_app", 4_000),
        *("taskiq", "worker", f"{_APP}taskiq_app:broker", "--workers", "1"),
        *("--log-level", "WARNING"),
    ),
)
CONTESTANTS = (OURS, BARE, *PEERS)


def peers_installed() -> Mapping[str, str]:
    """Install the others if they are not, or not as listed; the versions of those measured."""
    listed = _LISTED.read_text()
    stamp = _PEERS / "installed.txt"
    if not stamp.exists() or stamp.read_text() != listed:
        venv.create(_PEERS, clear=True, with_pip=True)
        install = [str(_bin("python")), "-m", "pip", "install", "-q", "-r", str(_LISTED)]
        subprocess.run(install, check=True, timeout=_INSTALL_S)
        stamp.write_text(listed)
    versions = dict(line.split("==") for line in listed.splitlines() if "==" in line)
    return {name: versions[name] for name in ("dramatiq-sqs", "celery", "kombu", "taskiq-aio-sqs")}
