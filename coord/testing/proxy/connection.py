"""One connection through the proxy: a client, a server, a lane each way.

Owns both sockets from the moment they exist until both are closed, and how a connection ends.
Knows nothing of other connections; what it shares with them is `Shared`. The proxy's thread.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
from collections.abc import Coroutine
from dataclasses import dataclass, field
from random import Random
from typing import Any

from coord.testing.proxy.counters import Tally
from coord.testing.proxy.lane import End, Lane, Piece
from coord.testing.proxy.trigger import LONGEST_NEEDLE, Then, Trigger
from coord.testing.proxy.way import Mode, Way

__all__ = ["Connection", "Shared"]

_CONNECT_S = 5.0
_LOST_REPLY_S = 5.0
_LOOK_S = 0.002
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER, no time: close sends RST

Address = tuple[socket.AddressFamily, Any]


@dataclass(slots=True, eq=False)
class Shared:
    """What all connections of a proxy have in common."""

    requests: Way
    replies: Way
    tally: Tally
    rng: Random
    targets: list[Address]
    serving: asyncio.Event
    triggers: list[Trigger] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=itertools.count)


class Connection:
    """A client that was accepted. It serves itself in a task; `abort` resets both sides."""

    def __init__(self, client: socket.socket, shared: Shared) -> None:
        self.requests: Lane | None = None
        self.replies: Lane | None = None
        self._shared = shared
        self._client = client
        self._sockets = [client]
        self._resets = False
        self._ending = False  # its helpers are being awaited, which nothing may interrupt
        self._over = asyncio.Event()
        self._helpers: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        shared.tally.connections(opened=1)
        self.task = asyncio.create_task(self._serve())
        self.task.add_done_callback(self._finish)

    # ------------------------------------------------------------------------------- its life

    async def _serve(self) -> None:
        await self._shared.serving.wait()
        server = await self._connect()
        if server is None:
            self._resets = True
            self._shared.tally.connections(unreachable=1)
            return
        requests = self._lane(self._shared.requests, self._client, server)
        replies = self._lane(self._shared.replies, server, self._client)
        self.requests, self.replies = requests, replies
        try:
            for pump in (requests.read, requests.write, replies.read, replies.write):
                self._start(pump())
            await self._over.wait()
        finally:
            self._ending = True
            for lane in (requests, replies):
                lane.way.lanes.discard(lane)
            for helper in self._helpers:
                helper.cancel()
            await asyncio.gather(*self._helpers, return_exceptions=True)
            for lane in (requests, replies):
                lane.discard()

    async def _connect(self) -> socket.socket | None:
        """Reach the target as it is now, or None."""
        for family, address in self._shared.targets:
            server = socket.socket(family, socket.SOCK_STREAM)
            self._sockets.append(server)
            try:
                _prepare(server)
                async with asyncio.timeout(_CONNECT_S):
                    await self._loop.sock_connect(server, address)
            except OSError:  # TimeoutError is one
                continue
            _prepare(self._client)
            return server
        return None

    def _lane(self, way: Way, source: socket.socket, sink: socket.socket) -> Lane:
        lane = Lane(way, source, sink, neighbours=self, tally=self._shared.tally)
        way.lanes.add(lane)
        return lane

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        helper = asyncio.create_task(self._guarded(work))
        self._helpers.add(helper)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001  a bug of ours: kept, and raised by close()
            self._shared.failures.append(error)
            self.abort()

    def abort(self) -> None:
        """Reset both sides. Bytes under way may have arrived or not. Ends `task` soon."""
        if not (self._resets or self._ending):
            self.task.cancel()
        self._resets = True

    def _finish(self, task: asyncio.Task[None]) -> None:
        """A callback of the task, since a task that is cancelled early never runs its `finally`."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._resets = True
            self._shared.failures.append(error)
        for end in self._sockets:
            if self._resets:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            end.close()
        self._shared.tally.connections(ended=1)

    # ------------------------------------------------------------------- what its lanes tell it

    def make(self, data: bytes = b"", end: End | None = None) -> Piece:
        """Number and date a piece."""
        shared = self._shared
        lot, luck = shared.rng.random(), shared.rng.random()
        return Piece(next(shared.numbers), self._loop.time(), lot, luck, data, end)

    def notice(self, lane: Lane, data: bytes) -> bool:
        """Try the triggers. False: the connection is being reset, `data` is not to pass."""
        if lane is not self.requests:
            return True
        fired = [trigger for trigger in self._shared.triggers if trigger.sees(lane.tail, data)]
        lane.tail = (lane.tail + data)[-LONGEST_NEEDLE:]
        wanted: set[Then] = {trigger.then for trigger in fired}
        if "hold" in wanted and lane.way.mode is Mode.PASS:
            lane.way.turn(Mode.HOLD)
        if "lose_reply" in wanted and self.replies is not None:
            self.replies.muted = True
            self.replies.wake.set()
            self._start(self._lose_reply(lane))
        if "reset" in wanted:
            self.abort()
        return "reset" not in wanted

    async def _lose_reply(self, requests: Lane) -> None:
        if requests.queue:  # the request is in there by now
            await self.passed(requests, requests.queue[-1].number)
        await self.answered(_LOST_REPLY_S)
        self.abort()

    def ended(self, lane: Lane, end: End) -> None:
        """Over once both sides have said so, or as soon as one was reset."""
        if end is End.RESET:
            self.abort()
        elif self._other(lane).finished:
            self._over.set()

    def unheard(self, lane: Lane) -> None:
        """The receiver is gone: its peer is told, after all that it has yet to get."""
        other = self._other(lane)
        if other.deaf:
            self.abort()
        else:
            other.end(End.RESET)

    def _other(self, lane: Lane) -> Lane:
        assert self.requests is not None
        assert self.replies is not None
        return self.replies if lane is self.requests else self.requests

    # ------------------------------------------------------------------------------- questions

    async def passed(self, lane: Lane, number: int) -> None:
        """Wait until all pieces up to `number` have passed or are lost."""
        while lane.queue and lane.queue[0].number <= number and not self.task.done():
            lane.moved.clear()
            await lane.moved.wait()

    async def answered(self, answer_s: float, quiet_s: float = 0.03) -> None:
        """Wait until the server has spoken since the last request passed, and then been quiet.

        At most `answer_s`. It is the nearest to "the request took effect" that can be seen from
        outside: acknowledgements of the protocol are bytes too, hence the quiet.
        """
        until_s = self._loop.time() + answer_s
        while (now_s := self._loop.time()) < until_s and not self.task.done():
            requests, replies = self.requests, self.replies
            if requests is None or replies is None:
                return
            owed = bool(requests.queue) and requests.way.mode is Mode.PASS
            spoken = replies.read_at_s >= requests.passed_at_s
            if not owed and spoken and now_s - replies.read_at_s >= quiet_s:
                return
            await asyncio.sleep(_LOOK_S)


def _prepare(end: socket.socket) -> None:
    end.settimeout(0)
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
