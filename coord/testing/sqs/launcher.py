"""The fake in a process of its own, as tests of several processes and measurements need it.

Owns its command line and the way to its control path. The process is tied to ours.
"""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from coord.errors import ConfigError
from coord.testing.servers.cluster import Servers
from coord.testing.servers.errors import ServerFailed
from coord.testing.servers.member import ServerMember
from coord.testing.servers.ports import HOST, Ports
from coord.testing.servers.starter import Launch
from coord.testing.sqs.addresses import environment, queue_url
from coord.testing.sqs.control import Controls
from coord.testing.sqs.serving import CONTROL_PATH, Settings

__all__ = ["SqsServer"]

_ASK_S = 20.0
_START_S = 30.0
_ROOM_BYTES = 1 << 20  # its log
_REFUSED = 400


class SqsServer(Servers, Controls):
    """SQS on a free port of 127.0.0.1, served by a process of its own; a context manager.

    `members[0]` can be paused, killed and restarted like any server for tests; a restart loses
    all queues and messages, except that `settings.queues` are made anew. `virtual=True` gives it
    a clock that only `advance()` moves.
    """

    kind: ClassVar[str] = "SQS fake"
    scheme: ClassVar[str] = "sqs"
    room_bytes: ClassVar[int] = _ROOM_BYTES

    def __init__(self, settings: Settings | None = None, *, virtual: bool = False) -> None:
        super().__init__(members=1)
        self._settings = settings or Settings()
        self._virtual = virtual

    @property
    def endpoint(self) -> str:
        """The address for clients: `http://127.0.0.1:port`."""
        return f"http://{self.hosts}"

    @property
    def environment(self) -> Mapping[str, str]:
        """Made-up credentials and the region: clients insist on some."""
        return environment(self._settings.region)

    def url(self, group: str, *, hosts: str | None = None, **options: str) -> str:
        """The address of the queue `group`: `sqs://group?region=…&endpoint=…`."""
        endpoint = self.endpoint if hosts is None else f"http://{hosts}"
        return queue_url(group, region=self._settings.region, endpoint=endpoint, **options)

    def heal(self, *, timeout_s: float | None = None) -> None:
        """The process runs and serves, all faults are over, everybody is let in."""
        Servers.heal(self, timeout_s=timeout_s)
        Controls.heal(self)

    def _plan(self, folder: Path, ports: Ports) -> list[ServerMember]:
        port = ports.take()
        settings = self._settings
        command = [
            *(sys.executable, "-m", "coord.testing.sqs", "serve"),
            *("--port", str(port)),
            *("--region", settings.region),
            *("--in-flight-max", str(settings.in_flight_max)),
            *("--recreate-after", str(settings.recreate_after_s)),
            *(word for name in settings.queues for word in ("--queue", name)),
            *(["--virtual"] if self._virtual else []),
        ]
        launch = Launch(command=command, folder=folder, log=folder / "log")
        serves = partial(_answers, port)
        return [self._member("sqs-1", launch, port=port, serves=serves, start_s=_START_S)]

    def _member(
        self, name: str, launch: Launch, *, port: int, serves: Callable[[], bool], start_s: float
    ) -> ServerMember:
        """Its process."""
        return ServerMember(name, launch, port=port, serves=serves, start_s=start_s)

    def _control(self, verb: str, values: Mapping[str, Any]) -> dict[str, Any]:
        status, found = _ask(self.members[0].port, verb, values)
        if status == _REFUSED:
            raise ConfigError(str(found.get("error")))
        return found


def _ask(port: int, verb: str, values: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(HOST, port, timeout=_ASK_S)
    try:
        connection.request("POST", f"{CONTROL_PATH}{verb}", json.dumps(values).encode())
        response = connection.getresponse()
        found = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ServerFailed(f"the SQS fake on port {port} did not answer: {error!r}") from error
    finally:
        connection.close()
    return response.status, found


def _answers(port: int) -> bool:
    try:
        return _ask(port, "ping", {})[0] < _REFUSED
    except ServerFailed:
        return False
