"""ZooKeeper for tests: one server, or an ensemble of three.

Owns ZooKeeper's configuration file and its four-letter words.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from coord.testing.servers.cluster import Servers
from coord.testing.servers.errors import ServerFailed
from coord.testing.servers.find import find_java, find_zookeeper
from coord.testing.servers.member import ServerMember, wait_until
from coord.testing.servers.ports import HOST, Ports
from coord.testing.servers.starter import Launch

__all__ = ["ZooKeeperServers", "four_letters"]

_ASK_S = 1.0
_START_S = 60.0
_JAVA = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # starts in half a second instead of two thirds
    "-XX:-UsePerfData",  # else a killed server leaves a file in the temporary folder
    "-Djava.net.preferIPv4Stack=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
    "-Dorg.slf4j.simpleLogger.showShortLogName=true",
)
_MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
_CONFIG = {
    "initLimit": "50",
    "syncLimit": "10",  # after so many ticks a paused peer counts as gone
    "maxSessionTimeout": "600000",
    "maxClientCnxns": "0",
    "admin.enableServer": "false",
    "reconfigEnabled": "false",
    "preAllocSize": "4096",
    "4lw.commands.whitelist": "srvr,mntr,ruok,cons,conf,wchs,dump",
}


class ZooKeeperServers(Servers):
    """ZooKeeper with 1 or 3 servers.

    `tick_s` is its unit of time: sessions last at least two ticks and are checked once a tick.
    `sync` syncs its log to disk before each answer. `config` adds or replaces lines of zoo.cfg,
    `java` adds options of the Java machine (a JAAS file, the superuser's digest). `secure` opens a
    second port with TLS on each server, named by `secure_hosts`, for which `config` must then name
    the key store.
    """

    kind: ClassVar[str] = "ZooKeeper"
    scheme: ClassVar[str] = "zookeeper"
    room_bytes: ClassVar[int] = 256 << 20

    def __init__(
        self,
        *,
        members: int = 1,
        tick_s: float = 0.2,
        sync: bool = False,
        config: Mapping[str, str] | None = None,
        java: Sequence[str] = (),
        secure: bool = False,
    ) -> None:
        super().__init__(members=members)
        tick_ms = round(tick_s * 1000)
        self._config = {
            **_CONFIG,
            "tickTime": str(tick_ms),
            "minSessionTimeout": str(2 * tick_ms),
            "forceSync": "yes" if sync else "no",
            **({"serverCnxnFactory": _NETTY} if secure else {}),
            **(config or {}),
        }
        self._java = tuple(java)
        self._secure = secure
        self._secure_ports: tuple[int, ...] = ()

    @property
    def secure_hosts(self) -> str:
        """The addresses with TLS, as `hosts` has the plain ones; empty without `secure`."""
        return ",".join(f"{HOST}:{port}" for port in self._secure_ports)

    def heal(self, *, timeout_s: float | None = None) -> None:
        """As of every store; and all servers are in step.

        A woken leader says that it leads until it notices that there is another, and then is
        nobody's follower for a moment. Whoever stops the new leader in that moment leaves one
        server of three: the woken one waits for the stopped one for `initLimit`, and the third
        one's notifications have become rare by then (no quorum for 18 s and more).
        """
        super().heal(timeout_s=timeout_s)
        limit_s = _START_S if timeout_s is None else timeout_s
        if not wait_until(lambda: self.in_step() == self._size, timeout_s=limit_s):
            raise ServerFailed(f"{self.in_step()} of {self.members} in step after {limit_s:g} s")

    def settled(self) -> bool:
        """As of every store; and those that run are in step."""
        up = [member for member in self.members if member.running and not member.paused]
        return super().settled() and self.in_step() == len(up)

    def in_step(self) -> int:
        """How many servers make up the quorum: the leader, and the followers that have caught up
        with it. 0 where nobody leads, or two say they do; the only server leads always. Any thread.
        """
        asked = [member.port for member in self.members if member.running and not member.paused]
        told = [four_letters(port, "mntr") for port in asked]
        synced = [_synced(answer) for answer in told if _LEADS.search(answer)]
        return 1 + synced[0] if len(synced) == 1 else 0

    def _plan(self, folder: Path, ports: Ports) -> list[ServerMember]:
        command = [find_java(), *_JAVA, *self._java, "-cp", find_zookeeper(), _MAIN, "zoo.cfg"]
        numbers = range(1, self._size + 1)
        clients = [ports.take() for _ in numbers]
        self._secure_ports = tuple(ports.take() for _ in numbers) if self._secure else ()
        servers = (
            {}
            if self._size == 1
            else {f"server.{number}": f"{HOST}:{ports.take()}:{ports.take()}" for number in numbers}
        )
        return [
            self._member(number, client, folder / f"zookeeper-{number}", servers, command)
            for number, client in zip(numbers, clients, strict=True)
        ]

    def _member(
        self, number: int, port: int, folder: Path, servers: dict[str, str], command: list[str]
    ) -> ServerMember:
        folder.mkdir()
        data = self._data(folder.name, folder)
        (data / "myid").write_text(f"{number}\n")
        lines = {**self._config, **servers, "dataDir": str(data)}
        lines |= {"clientPort": str(port), "clientPortAddress": HOST}
        if self._secure:
            lines["secureClientPort"] = str(self._secure_ports[number - 1])
            lines["secureClientPortAddress"] = HOST
        text = "".join(f"{key}={value}\n" for key, value in lines.items())
        (folder / "zoo.cfg").write_text(text)
        launch = Launch(command=command, folder=folder, log=folder / "log")
        serves = partial(_serves, port)
        return ServerMember(folder.name, launch, port=port, serves=serves, start_s=_START_S)

    def _leads(self, member: ServerMember) -> bool:
        return (
            member.running
            and not member.paused
            and _mode(four_letters(member.port, "srvr")) in {"leader", "standalone"}
        )


_NETTY = "org.apache.zookeeper.server.NettyServerCnxnFactory"


_LEADS = re.compile(r"^zk_server_state\t(leader|standalone)$", re.MULTILINE)
_SYNCED = re.compile(r"^zk_synced_followers\t(\d+)", re.MULTILINE)


def _synced(answer: str) -> int:
    found = _SYNCED.search(answer)
    return int(found[1]) if found else 0


def four_letters(port: int, word: str) -> str:
    """The server's answer to one of its four-letter words; empty if it gives none in a second."""
    try:
        with socket.create_connection((HOST, port), timeout=_ASK_S) as connection:
            connection.sendall(word.encode())
            return b"".join(iter(lambda: connection.recv(1 << 16), b"")).decode(errors="replace")
    except OSError:
        return ""


def _mode(answer: str) -> str:
    found = [line.split(":")[1].strip() for line in answer.splitlines() if line[:5] == "Mode:"]
    return found[0] if found else ""


def _serves(port: int) -> bool:
    return _mode(four_letters(port, "srvr")) in {"leader", "follower", "standalone"}
