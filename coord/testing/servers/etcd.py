"""etcd for tests: one member with short elections, or a cluster of three.

Owns etcd's command line and what it says of itself on its metrics address. That address is plain
HTTP whatever TLS and authentication the clients' address asks for.
"""

from __future__ import annotations

import http.client
import json
import re
import secrets
import subprocess
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import ClassVar

from coord.testing.servers.cluster import Servers
from coord.testing.servers.find import find_etcd
from coord.testing.servers.member import ServerMember
from coord.testing.servers.ports import HOST, Ports
from coord.testing.servers.starter import Launch

__all__ = ["EtcdServers", "etcd_version"]

_HTTP_OK = 200
_ASK_S = 1.0
_START_S = 30.0


class EtcdServers(Servers):
    """etcd with 1 or 3 members.

    `heartbeat_s` and `election_s` are etcd's own two timings, by default 0.02 and 0.2 for one
    member, which then grants leases of 1 s, and etcd's usual 0.1 and 1 for three, which grant
    2 s and more (the least lease is 1.5 elections, rounded up to a second). `flags` are added to
    the command line of every member; say `client_scheme="https"` if they give it a certificate.
    """

    kind: ClassVar[str] = "etcd"
    scheme: ClassVar[str] = "etcd"
    room_bytes: ClassVar[int] = 512 << 20  # two log files of 64 MB at once, snapshots, data

    def __init__(
        self,
        *,
        members: int = 1,
        heartbeat_s: float | None = None,
        election_s: float | None = None,
        flags: Sequence[str] = (),
        client_scheme: str = "http",
    ) -> None:
        super().__init__(members=members)
        alone = members == 1
        self._heartbeat_s = (0.02 if alone else 0.1) if heartbeat_s is None else heartbeat_s
        self._election_s = (0.2 if alone else 1.0) if election_s is None else election_s
        self._flags = tuple(flags)
        self._client_scheme = client_scheme
        self._metrics: dict[str, int] = {}

    def _plan(self, folder: Path, ports: Ports) -> list[ServerMember]:
        program = find_etcd()
        names = [f"etcd-{number}" for number in range(1, self._size + 1)]
        peers = {name: f"http://{HOST}:{ports.take()}" for name in names}
        self._metrics = {name: ports.take() for name in names}
        common = [
            "--initial-cluster",
            ",".join(f"{name}={peer}" for name, peer in peers.items()),
            *("--initial-cluster-token", secrets.token_hex(8)),
            *("--heartbeat-interval", str(round(self._heartbeat_s * 1000))),
            *("--election-timeout", str(round(self._election_s * 1000))),
            *("--logger", "zap"),
            *self._flags,
        ]
        return [
            self._member(folder / name, [str(program), *common], peers[name], ports.take())
            for name in names
        ]

    def _member(self, folder: Path, common: list[str], peer: str, port: int) -> ServerMember:
        name = folder.name
        folder.mkdir()
        clients = f"{self._client_scheme}://{HOST}:{port}"
        command = [
            *common,
            *("--name", name),
            *("--data-dir", str(self._data(name, folder))),
            *("--listen-client-urls", clients),
            *("--advertise-client-urls", clients),
            *("--listen-peer-urls", peer),
            *("--initial-advertise-peer-urls", peer),
            *("--listen-metrics-urls", f"http://{HOST}:{self._metrics[name]}"),
        ]
        launch = Launch(command=command, folder=folder, log=folder / "log")
        serves = partial(_healthy, self._metrics[name])
        return ServerMember(name, launch, port=port, serves=serves, start_s=_START_S)

    def _leads(self, member: ServerMember) -> bool:
        return member.serves() and "\netcd_server_is_leader 1\n" in _get(
            self._metrics[member.name], "/metrics"
        )


@cache
def etcd_version() -> str:
    """Which release would be started: `3.4.23`; empty if it does not say. Raises ServerMissing."""
    said = subprocess.run(  # noqa: S603 (the program that we start, no shell)
        [find_etcd(), "--version"], capture_output=True, text=True, timeout=_START_S, check=False
    )
    found = re.search(r"etcd Version: (\S+)", said.stdout)
    return found[1] if found else ""


def _healthy(port: int) -> bool:
    """Whether a read through the cluster's agreement succeeds, which is what /health does."""
    try:
        answer = json.loads(_get(port, "/health"))
    except ValueError:
        return False
    return isinstance(answer, dict) and answer.get("health") == "true"


def _get(port: int, path: str) -> str:
    """The answer's text; empty if there is none, or a refusal."""
    connection = http.client.HTTPConnection(HOST, port, timeout=_ASK_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        return text if answer.status == _HTTP_OK else ""
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
