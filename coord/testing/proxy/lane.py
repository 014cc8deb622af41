"""One direction of one connection: a reader, a bounded queue, a writer.

Owns the order of its bytes, which no fault changes, and of the end that follows them. Knows its
two sockets and its way's settings; what else hears of a byte is told by `Neighbours`. Used in the
proxy's thread alone.
"""

from __future__ import annotations

import asyncio
import math
import socket
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from coord.testing.proxy.counters import Tally
from coord.testing.proxy.way import Mode, Way

__all__ = ["End", "Lane", "Neighbours", "Piece"]

_CHUNK_BYTES = 65_536
_PACE_S = 0.01  # limited bandwidth passes what fits into this, then pauses
_CATCH_UP_S = 0.05  # how much of being late a later slice makes up for


class End(Enum):
    """How a sender ended its side."""

    FIN = "fin"
    RESET = "reset"


@dataclass(slots=True, eq=False)
class Piece:
    """What was read in one go, or the end of the stream. `number` is unique in the proxy.

    `lot` and `luck` are drawn for it: they decide on its jitter and on how often it is lost.
    """

    number: int
    arrived_s: float
    lot: float
    luck: float
    data: bytes = b""
    end: End | None = None


class Neighbours(Protocol):
    """Who hears of a lane: its connection."""

    def make(self, data: bytes = b"", end: End | None = None) -> Piece:
        """Number and date a piece."""
        ...

    def notice(self, lane: Lane, data: bytes) -> bool:
        """These bytes were read. False: they are not to pass."""
        ...

    def ended(self, lane: Lane, end: End) -> None:
        """An end has passed."""
        ...

    def unheard(self, lane: Lane) -> None:
        """The receiver is gone."""
        ...


class Lane:
    """One direction of one connection. `read` and `write` run until they end or are cancelled."""

    def __init__(
        self,
        way: Way,
        source: socket.socket,
        sink: socket.socket,
        *,
        neighbours: Neighbours,
        tally: Tally,
    ) -> None:
        self.way = way
        self.neighbours = neighbours
        self.budget = way.conditions.reset_after_bytes
        self.queue: deque[Piece] = deque()
        self.wake = asyncio.Event()  # the writer must look again
        self.moved = asyncio.Event()  # something has left the queue
        self.granted = -1  # of what is held, pieces up to this number may pass
        self.muted = False  # drops whatever its way does
        self.finished = False  # its end has passed
        self.cut = False  # and it was a reset
        self.deaf = False  # the receiver is gone
        self.holed = False  # something was dropped: the stream cannot go on after a mend
        self.read_at_s = -math.inf
        self.passed_at_s = -math.inf
        self.tail = b""
        self._source = source
        self._sink = sink
        self._tally = tally
        self._queued = 0
        self.free_at_s = -math.inf
        self._loop = asyncio.get_running_loop()

    async def read(self) -> None:
        """Take what the sender sends, as long as there is room; then leave it to TCP to stop it."""
        while True:
            while self._queued >= self.way.buffer_bytes:
                self.moved.clear()
                await self.moved.wait()
            try:
                data = await self._loop.sock_recv(self._source, _CHUNK_BYTES)
            except OSError:
                self.end(End.RESET)
                return
            self.read_at_s = self._loop.time()
            if not data:
                self.end(End.FIN)
                return
            self._tally.flow(self.way.name, read=len(data))
            if self.neighbours.notice(self, data):
                self._queued += len(data)
                self._put(self.neighbours.make(data))
            else:
                self._tally.flow(self.way.name, lost=len(data))

    def end(self, end: End) -> None:
        """Queue an end behind what is waiting: it is delayed, held and dropped as bytes are."""
        self._put(self.neighbours.make(end=end))

    def _put(self, piece: Piece) -> None:
        self.queue.append(piece)
        self.wake.set()

    async def write(self) -> None:
        """Pass what was read, in order, when and as the way says, until a reset."""
        while not self.cut:
            self.wake.clear()
            pause_s = self._pause_s()
            if pause_s <= 0:
                await self._pass_head()
            else:
                await self._sleep(pause_s)

    async def _sleep(self, pause_s: float) -> None:
        if pause_s == math.inf:
            await self.wake.wait()
            return
        timer = self._loop.call_later(pause_s, self.wake.set)
        try:
            await self.wake.wait()
        finally:
            timer.cancel()

    def _pause_s(self) -> float:
        """How long until the oldest piece may pass, as things are; infinite if there is none."""
        if self.muted or self.way.mode is Mode.DROP:
            self.discard()
        if not self.queue:
            return math.inf
        head = self.queue[0]
        if self.way.mode is Mode.HOLD and head.number > self.granted:
            return math.inf
        ways = self.way.conditions
        due_s = head.arrived_s + ways.delay_s(head.lot, head.luck)
        if ways.bandwidth_bytes_s < math.inf:
            due_s = max(due_s, self.free_at_s)
        return due_s - self._loop.time()

    async def _pass_head(self) -> None:
        piece = self.queue[0]
        data = piece.data[: self._slice_bytes()]
        self.passed_at_s = self._loop.time()
        self._tally.flow(self.way.name, passed=len(data))  # before anybody can have it
        try:
            if piece.end is End.FIN:
                self._sink.shutdown(socket.SHUT_WR)
            elif piece.end is None:
                await self._loop.sock_sendall(self._sink, data)
        except (OSError, asyncio.CancelledError) as error:
            self._tally.flow(self.way.name, passed=-len(data))
            if isinstance(error, asyncio.CancelledError):
                raise
            self.deaf = self.muted = True
            self.discard()
            self.neighbours.unheard(self)
            return
        self._passed(piece, len(data))

    def _slice_bytes(self) -> int:
        ways = self.way.conditions
        most = _CHUNK_BYTES if self.budget is None else self.budget
        if ways.bandwidth_bytes_s < math.inf:
            most = min(most, max(1, int(ways.bandwidth_bytes_s * _PACE_S)))
        return most

    def _passed(self, piece: Piece, count: int) -> None:
        self._queued -= count
        started_s = max(self.free_at_s, self._loop.time() - _CATCH_UP_S)
        self.free_at_s = started_s + count / self.way.conditions.bandwidth_bytes_s
        piece.data = piece.data[count:]
        if not piece.data:
            self.queue.popleft()
        self.moved.set()
        end = piece.end
        if self.budget is not None:
            self.budget -= count
            if self.budget <= 0:
                end = End.RESET
        if end is not None:
            self.cut = end is End.RESET
            self.finished = True
            self.neighbours.ended(self, end)

    def discard(self) -> None:
        """Drop what is waiting, and remember that this stream has a hole."""
        lost = sum(len(piece.data) for piece in self.queue)
        if self.queue:
            self.holed = True
            self.queue.clear()
            self._queued -= lost
            self._tally.flow(self.way.name, lost=lost)
        self.moved.set()
