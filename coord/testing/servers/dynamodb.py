"""DynamoDB Local for tests.

Owns its command line. Knows no client: that it answers HTTP at all is what tells that it serves.
It has no throttling, no TTL deletion and no access rights, takes ten items a transaction, and
listens on every address of the machine, which it has no option to change.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from coord.testing.servers.cluster import Servers
from coord.testing.servers.find import find_dynamodb, find_java
from coord.testing.servers.member import ServerMember
from coord.testing.servers.ports import HOST, Ports
from coord.testing.servers.starter import Launch

__all__ = ["DynamoDBLocal"]

_ASK_S = 2.0
_START_S = 60.0
_NAME = "dynamodb-1"
_TABLE = "leases"
_REGION = "us-east-1"


class DynamoDBLocal(Servers):
    """Amazon's DynamoDB Local, one process. It keeps its tables over a `restart()`.

    Each region and access key has tables of its own, as at Amazon. `flags` are added to its
    command line (`-delayTransientStatuses`: a new table is CREATING for a while).
    """

    kind: ClassVar[str] = "DynamoDB Local"
    scheme: ClassVar[str] = "dynamodb"
    room_bytes: ClassVar[int] = 256 << 20

    def __init__(self, *, flags: Sequence[str] = ()) -> None:
        super().__init__(members=1)
        self._flags = tuple(flags)

    @property
    def endpoint(self) -> str:
        """The address for clients: `http://127.0.0.1:port`."""
        return f"http://{self.hosts}"

    @property
    def environment(self) -> Mapping[str, str]:
        """Made-up credentials: clients insist on some, and the server accepts any."""
        return {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}

    def url(self, group: str, *, hosts: str | None = None, **options: str) -> str:
        """The address of `group` in the table `leases`, or in that of the option `table`."""
        table = options.pop("table", _TABLE)
        endpoint = self.endpoint if hosts is None else f"http://{hosts}"
        query = {"region": _REGION, "endpoint": endpoint, **options}
        return self._address(f"{table}/{group}", query)

    def _plan(self, folder: Path, ports: Ports) -> list[ServerMember]:
        home = find_dynamodb()
        port = ports.take()
        data = self._data(_NAME, folder)
        command = [
            find_java(),
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:-UsePerfData",
            "-Djava.net.preferIPv4Stack=true",
            f"-Djava.library.path={home / 'DynamoDBLocal_lib'}",
            *("-jar", str(home / "DynamoDBLocal.jar")),
            *("-dbPath", str(data)),
            *("-port", str(port)),
            *self._flags,
        ]
        launch = Launch(command=command, folder=folder, log=folder / "log")
        serves = partial(_answers, port)
        return [ServerMember(_NAME, launch, port=port, serves=serves, start_s=_START_S)]


def _answers(port: int) -> bool:
    """Whether it answers HTTP; without a signature it refuses, which is an answer."""
    connection = http.client.HTTPConnection(HOST, port, timeout=_ASK_S)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    else:
        return True
    finally:
        connection.close()
