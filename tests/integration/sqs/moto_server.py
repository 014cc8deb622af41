"""Moto's server as a server for tests: the other opinion on what SQS answers."""

from __future__ import annotations

import http.client
import sys
from functools import partial
from pathlib import Path
from typing import ClassVar

from coord.testing.servers.cluster import Servers
from coord.testing.servers.member import ServerMember
from coord.testing.servers.ports import HOST, Ports
from coord.testing.servers.starter import Launch

__all__ = ["MotoServer"]


class MotoServer(Servers):
    """Moto in a process of its own."""

    kind: ClassVar[str] = "moto"
    scheme: ClassVar[str] = "moto"
    room_bytes: ClassVar[int] = 1 << 20

    @property
    def endpoint(self) -> str:
        return f"http://{self.hosts}"

    def _plan(self, folder: Path, ports: Ports) -> list[ServerMember]:
        port = ports.take()
        command = [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)]
        launch = Launch(command=command, folder=folder, log=folder / "log")
        serves = partial(_answers, port)
        return [ServerMember("moto-1", launch, port=port, serves=serves, start_s=60.0)]


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2.0)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    else:
        return True
    finally:
        connection.close()
