"""The proxy as it runs in its own thread: the listener, the connections, what may be done to them.

Owns all sockets and tasks. Every method here belongs to the proxy's thread; `proxy.py` calls them
from others.
"""

from __future__ import annotations

import asyncio
import socket
from random import Random
from typing import Literal, cast

from coord.errors import Certainty, StoreUnavailable, UsageError
from coord.testing.proxy.connection import Address, Connection, Shared
from coord.testing.proxy.counters import Tally
from coord.testing.proxy.landing import land
from coord.testing.proxy.lane import Lane
from coord.testing.proxy.trigger import Trigger
from coord.testing.proxy.way import Conditions, Mode, Way

__all__ = ["Address", "Admission", "Engine", "WayName", "reserve", "resolve"]

Admission = Literal["serve", "silent", "refuse"]
WayName = Literal["requests", "replies"]

_BACKLOG = 1024


class Engine:
    """Made in the proxy's thread, with a running loop."""

    def __init__(
        self,
        listener: socket.socket,
        targets: list[Address],
        *,
        rng: Random,
        buffer_bytes: int,
        tally: Tally,
    ) -> None:
        self.shared = Shared(
            requests=Way("requests", buffer_bytes),
            replies=Way("replies", buffer_bytes),
            tally=tally,
            rng=rng,
            targets=targets,
            serving=asyncio.Event(),
        )
        self._listener = listener
        self._address = listener.getsockname()
        self._listening = False
        self._loop = asyncio.get_running_loop()
        self._connections: dict[asyncio.Task[None], Connection] = {}
        self._tearing: asyncio.TimerHandle | None = None

    def way(self, name: WayName) -> Way:
        """The direction of this name."""
        return self.shared.requests if name == "requests" else self.shared.replies

    async def aim(self, targets: list[Address]) -> None:
        """Connect to these from now on."""
        self.shared.targets = targets

    async def watch(self, trigger: Trigger) -> None:
        """Let a trigger see requests."""
        self.shared.triggers.append(trigger)

    async def disarm(self) -> None:
        """Let no trigger fire any more."""
        for trigger in self.shared.triggers:
            trigger.disarm()

    # ----------------------------------------------------------------------------- connections

    async def admit(self, admission: Admission) -> None:
        """Serve new connections, let them wait, or refuse them. Live ones are left alone."""
        if admission == "serve":
            self.shared.serving.set()
        else:
            self.shared.serving.clear()
        if admission == "refuse":
            self._stop_listening()
            self._listener = reserve(self._address)
        elif not self._listening:
            self._listening = True
            self._listener.listen(_BACKLOG)
            self._loop.add_reader(self._listener, self._accept)

    def _stop_listening(self) -> None:
        if self._listening:
            self._listening = False
            self._loop.remove_reader(self._listener)
        self._listener.close()

    def _accept(self) -> None:
        """Take everybody who waits. A callback: a task could be cancelled with a client in hand."""
        while True:
            try:
                client, _ = self._listener.accept()
            except (BlockingIOError, ConnectionError):  # nobody waits, or not any more
                return
            except OSError as error:  # told by close()
                failure = UsageError(
                    f"the proxy could not accept a connection: {error}",
                    cure="Raise the limit of open files, or find out who holds them.",
                )
                self.shared.failures.append(failure)
                self._loop.remove_reader(self._listener)
                return
            client.settimeout(0)
            connection = Connection(client, self.shared)
            self._connections[connection.task] = connection
            connection.task.add_done_callback(self._connections.pop)

    async def reset(self) -> None:
        """Reset every connection, and return when their sockets are closed."""
        await self._abort(list(self._connections.values()))

    async def tear(self, every_s: float | None) -> None:
        """Reset every connection again and again, or (None) no more."""
        if self._tearing is not None:
            self._tearing.cancel()
            self._tearing = None
        if every_s is not None:
            self._tear_later(every_s)

    def _tear_later(self, every_s: float) -> None:
        pause_s = every_s * (0.5 + self.shared.rng.random())
        self._tearing = self._loop.call_later(pause_s, self._tear_now, every_s)

    def _tear_now(self, every_s: float) -> None:
        for connection in list(self._connections.values()):
            connection.abort()
        self._tear_later(every_s)

    async def _abort(self, connections: list[Connection]) -> None:
        for connection in connections:
            connection.abort()
        await asyncio.gather(*(each.task for each in connections), return_exceptions=True)

    async def close(self) -> None:
        """Reset every connection and give the port back."""
        await self.tear(None)
        self._stop_listening()
        await self.reset()

    # -------------------------------------------------------------------------------- directions

    async def apply(self, name: WayName, conditions: Conditions) -> None:
        """Other conditions from now on."""
        self.way(name).apply(conditions)

    async def turn(self, name: WayName, mode: Mode) -> None:
        """Hold or drop from now on."""
        way = self.way(name)
        async with way.changing:
            way.turn(mode)

    async def mend(self, name: WayName, *, answer_s: float, timeout_s: float) -> None:
        """End hold and drop; see `Direction.mend`."""
        way = self.way(name)
        async with way.changing:
            try:
                if way.mode is Mode.HOLD:
                    async with asyncio.timeout(timeout_s):
                        await land(way, self._owners(), answer_s=answer_s)
            except TimeoutError:
                raise StoreUnavailable(
                    f"what was held had not all landed after {timeout_s:g} s",
                    cure="Is the receiver stopped, or does it not read? The rest follows.",
                    certainty=Certainty.UNKNOWN,
                ) from None
            finally:
                way.turn(Mode.PASS)
            await self._abort(
                [
                    owner
                    for lane, owner in self._owners().items()
                    if lane.way is way and lane.holed and not lane.muted
                ]
            )

    def _owners(self) -> dict[Lane, Connection]:
        pairs = ((each, (each.requests, each.replies)) for each in self._connections.values())
        return {lane: each for each, lanes in pairs for lane in lanes if lane is not None}

    async def answered(self, answer_s: float) -> None:
        """Wait until every connection's requests seem answered, at most `answer_s`."""
        live = list(self._connections.values())
        await asyncio.gather(*(each.answered(answer_s) for each in live))


def reserve(address: tuple[str, int]) -> socket.socket:
    """Bind a port without listening: whoever connects is refused, and nobody else gets it."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.settimeout(0)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except BaseException:
        listener.close()
        raise
    return listener


def resolve(target: tuple[str, int]) -> list[Address]:
    """Every address of a target, in the resolver's order. May wait for the resolver; OSError."""
    found = socket.getaddrinfo(target[0], target[1], type=socket.SOCK_STREAM)
    return cast("list[Address]", [(family, address) for family, _, _, _, address in found])
