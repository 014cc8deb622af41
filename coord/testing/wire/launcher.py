"""The memory store in a process of its own, as a fleet of processes needs it.

Owns its command line. The process is tied to ours.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import ClassVar

from coord.errors import StoreError
from coord.testing.servers.cluster import Servers
from coord.testing.servers.member import ServerMember
from coord.testing.servers.ports import HOST, Ports
from coord.testing.servers.starter import Launch
from coord.testing.wire.line import Line

__all__ = ["MemoryServers"]

_ASK_S = 1.0
_START_S = 30.0
_ROOM_BYTES = 1 << 20  # its log


class MemoryServers(Servers):
    """The memory store on a free port of 127.0.0.1; a context manager.

    `members[0]` can be paused, killed and restarted like any server for tests; a restart loses
    all groups, and tokens grow all the same.
    """

    kind: ClassVar[str] = "memory store"
    scheme: ClassVar[str] = "memory"
    room_bytes: ClassVar[int] = _ROOM_BYTES

    def _plan(self, folder: Path, ports: Ports) -> list[ServerMember]:
        port = ports.take()
        command = [sys.executable, "-m", "coord.testing.wire", "serve", "--port", str(port)]
        launch = Launch(command=command, folder=folder, log=folder / "log")
        serves = partial(_answers, port)
        return [ServerMember("memory-1", launch, port=port, serves=serves, start_s=_START_S)]


def _answers(port: int) -> bool:
    line = Line((HOST, port), _ASK_S)
    try:
        return "serves" in line.ask("ping")
    except StoreError:
        return False
    finally:
        line.close()
