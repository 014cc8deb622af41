"""The server around an engine: a port of 127.0.0.1, and time that passes by itself.

Owns the listening socket, its connections and the one timer of real time. Knows no rule of SQS.
Runs in one asyncio loop; in which thread or process is for others to say.
"""

from __future__ import annotations

import asyncio
import json
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from coord.clock import SYSTEM_CLOCK, Clock
from coord.errors import ConfigError
from coord.testing.clock import ManualClock
from coord.testing.servers.ports import HOST
from coord.testing.sqs.control import Control
from coord.testing.sqs.engine import Engine
from coord.testing.sqs.http import Connection, Exchange, Reply, Request
from coord.testing.sqs.queue import IN_FLIGHT_MAX
from coord.testing.sqs.service import RECREATE_AFTER_S, REGION, Service

__all__ = ["CONTROL_PATH", "Serving", "Settings"]

CONTROL_PATH = "/_coord/"
_BACKLOG = 512
_SOONEST_S = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a server is set up. `queues` are made when it starts, with default attributes; names
    that end in .fifo become FIFO queues with content-based deduplication.
    """

    region: str = REGION
    in_flight_max: int = IN_FLIGHT_MAX
    recreate_after_s: float = RECREATE_AFTER_S
    queues: tuple[str, ...] = ()


class Serving:
    """A server. The clock decides everything; a `ManualClock` moves only when told to."""

    def __init__(self, settings: Settings, clock: Clock = SYSTEM_CLOCK) -> None:
        service = Service(
            region=settings.region,
            epoch_s=datetime.now(tz=UTC).timestamp() - clock.now(),
            in_flight_max=settings.in_flight_max,
            recreate_after_s=settings.recreate_after_s,
        )
        for name in settings.queues:
            service.create(name, _defaults(name), {}, clock.now())
        self._engine = Engine(service, clock)
        self._control = Control(self._engine)
        self._real = not isinstance(clock, ManualClock)
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = 0.0

    async def start(self, port: int) -> int:
        """Listen; the port, which is chosen by the system if 0 is asked for."""
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self._serve, self._connections),
            HOST,
            port,
            backlog=_BACKLOG,
            reuse_address=True,
        )
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    async def close(self) -> None:
        """Stop listening and cut all connections."""
        if self._timer is not None:
            self._timer.cancel()
        if self._server is not None:
            self._server.close()
            for connection in list(self._connections):
                connection.cut()
            await asyncio.sleep(0)  # in which their sockets are closed
            await self._server.wait_closed()

    def perform(self, verb: str, values: Mapping[str, object]) -> dict[str, object]:
        """Do what a test asks for. Raises what `Control.perform` raises."""
        try:
            return self._control.perform(verb, values)
        finally:
            self._arm()

    def _serve(self, request: Request, exchange: Exchange) -> None:
        try:
            if request.path.startswith(CONTROL_PATH):
                exchange.answer(self._controlled(request))
            else:
                self._engine.serve(request, exchange)
        except Exception as error:  # noqa: BLE001 (a bug of ours: say so to whoever asked)
            traceback.print_exc(file=sys.stderr)
            body = {"__type": "com.amazon.coral.service#InternalFailure", "message": repr(error)}
            exchange.answer(Reply(500, json.dumps(body).encode()))
        self._arm()

    def _controlled(self, request: Request) -> Reply:
        verb = request.path.removeprefix(CONTROL_PATH)
        try:
            found = self._control.perform(verb, json.loads(request.body or b"{}"))
        except (ConfigError, KeyError, TypeError, ValueError) as error:
            return Reply(400, json.dumps({"error": str(error)}).encode())
        return Reply(200, json.dumps(found).encode())

    def _arm(self) -> None:
        """See to it that the timer rings no later than at the engine's next moment."""
        next_s = self._engine.next_s()
        if not self._real or next_s is None:
            return
        if self._timer is not None:
            if self._timer_s <= next_s:
                return
            self._timer.cancel()
        self._timer_s = next_s
        delay_s = max(next_s - self._engine.clock.now(), _SOONEST_S)
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._engine.run_due()
        self._arm()


def _defaults(name: str) -> dict[str, str]:
    if name.endswith(".fifo"):
        return {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    return {}
