"""Who is put under the same faults: the libraries, each as a contestant of the lab, and ours.

Owns how each is started, and its interpreter: some need what is made on demand in
`build/elections`, anew when the list of packages changes. Work falls due for all of them as for the
lab's own; a library without a token has the unfenced table alone.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import subprocess
import sys
import venv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from coord.lab.chaos.contestant import Contestant, Entered, Place
from coord.lab.chaos.daemon import Daemon
from coord.lab.chaos.daemon_scene import DaemonScene
from coord.lab.chaos.housekeeping import Housekeeping
from coord.lab.work import app
from coord.lab.work.modes import TAU_S, mode_named
from coord.telemetry import EventLog
from tests.architecture.project import ROOT
from tests.bench.peers.elections.job import DATABASE_VARIABLE, NAME_VARIABLE

__all__ = ["OURS", "PEERS", "Peer", "installed"]

_HOME = ROOT / "build" / "elections"
_LISTED = Path(__file__).with_name("requirements.txt")
_INSTALL_S = 600
_MODE = mode_named("single")


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A daemon led by another library. Implements `Contestant`.

    `version_of`: the packages that it is made of. `own`: it runs under the interpreter of the
    tests, which has what it needs. `fenced`: its library gives a token. `exits`: its process ends
    when it has lost, and is started again.
    """

    name: str
    module: str
    store: str
    version_of: tuple[str, ...]
    own: bool = False
    fenced: bool = False
    exits: bool = False
    tau_s: float = TAU_S

    @property
    def python(self) -> str:
        """Its interpreter."""
        return sys.executable if self.own else str(_HOME / "bin" / "python")

    def scene(self, members: Iterable[str]) -> DaemonScene:
        """What its log tells of."""
        return DaemonScene((_MODE.role.name,), members)

    @contextmanager
    def enter(self, work: Path, events: EventLog) -> Iterator[_Entered]:
        """The lab's own database and feed, and a name to be led that nobody has used."""
        with Housekeeping(_MODE).enter(work, events) as feed:
            command = (self.python, "-m", f"tests.bench.peers.elections.{self.module}")
            variables = {
                DATABASE_VARIABLE: str(work / "app.db"),
                NAME_VARIABLE: f"reaper-{secrets.token_hex(4)}",
                "PYTHONPATH": str(ROOT),
            }
            daemon = Daemon(command=command, environ=variables)
            with daemon.enter(work, events) as entered:
                yield _Entered(self, work / "app.db", entered, feed)


class _Entered:
    """Started as a user's daemon is, fed as the lab's own work is."""

    def __init__(self, peer: Peer, database: Path, daemon: Entered, feed: Entered) -> None:
        self._table = app.FENCED if peer.fenced else app.UNFENCED
        self._database = database
        self._daemon = daemon
        self.turn = feed.turn

    def command(self, place: Place) -> Sequence[str]:
        return self._daemon.command(place)

    def environ(self, place: Place) -> Mapping[str, str]:
        return self._daemon.environ(place)

    def waiting(self) -> int:
        with closing(sqlite3.connect(self._database)) as connection:
            counted = f"SELECT count(*) FROM {self._table}"  # noqa: S608 (one of two names)
            return int(connection.execute(counted).fetchone()[0])


OURS: Contestant = Housekeeping(_MODE)
PEERS = (
    Peer(
        name="kazoo Election",
        module="kazoo_election",
        store="zookeeper",
        version_of=("kazoo",),
        own=True,
    ),
    Peer(
        name="kazoo Lock, with its listener",
        module="kazoo_lock",
        store="zookeeper",
        version_of=("kazoo",),
        own=True,
    ),
    Peer(name="tooz", module="tooz_leader", store="zookeeper", version_of=("tooz", "kazoo")),
    Peer(
        name="python-etcd3 lock",
        module="etcd3_lock",
        store="etcd",
        version_of=("cslab-etcd3",),
        own=True,
    ),
    Peer(
        name="client-go's algorithm",
        module="client_go",
        store="etcd",
        version_of=(),
        own=True,
        fenced=True,
        exits=True,
    ),
    Peer(
        name="python-dynamodb-lock",
        module="dynamodb_lock",
        store="dynamodb",
        version_of=("python-dynamodb-lock",),
    ),
)


def installed() -> Mapping[str, str]:
    """Install the libraries if they are not, or not as listed; the versions of those measured."""
    listed = _LISTED.read_text()
    stamp = _HOME / "installed.txt"
    if not stamp.exists() or stamp.read_text() != listed:
        venv.create(_HOME, clear=True, with_pip=True)
        install = [str(_HOME / "bin" / "python"), "-m", "pip", "install", "-q"]
        subprocess.run(
            [*install, "--no-deps", "-r", str(_LISTED)],
            check=True,
            timeout=_INSTALL_S,
            env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        )
        stamp.write_text(listed)
    versions = dict(line.split("==") for line in listed.splitlines() if "==" in line)
    named = [name for peer in PEERS for name in peer.version_of]
    return {name: versions[name] for name in dict.fromkeys(named)}
