"""What was held lands: over all connections, in the order in which it arrived.

Owns that order. A client may have given up long ago and said so (a cancellation, an end, a reset):
these were held behind its request, and a server that got all of it at once might let the request
go (etcd 3.4 did with 11 of 20, and with none of 20 when each burst waits for the answer to its
predecessor). So what arrived apart lands apart: one burst of a connection, its answer, the next.
The proxy's thread.
"""

from __future__ import annotations

from collections.abc import Mapping

from coord.testing.proxy.connection import Connection
from coord.testing.proxy.lane import Lane
from coord.testing.proxy.way import Way

__all__ = ["land"]

_BURST_S = 0.02  # what arrives within this of its predecessor belongs to it


async def land(way: Way, owners: Mapping[Lane, Connection], *, answer_s: float) -> None:
    """Pass all that `way` holds now; wait up to `answer_s` for the answer to each burst."""
    last = max((lane.queue[-1].number for lane in way.lanes if lane.queue), default=-1)
    while waiting := sorted(_waiting(way, last), key=_head):
        oldest = waiting[0]
        others = min((_head(lane) - 1 for lane in waiting[1:]), default=last)
        await _land_burst(oldest, owners[oldest], min(last, others), answer_s)


def _waiting(way: Way, last: int) -> list[Lane]:
    return [lane for lane in way.lanes if lane.queue and _head(lane) <= last]


def _head(lane: Lane) -> int:
    return lane.queue[0].number


async def _land_burst(lane: Lane, owner: Connection, last: int, answer_s: float) -> None:
    is_request = lane is owner.requests and lane.queue[0].end is None
    number = _burst_end(lane, last)
    lane.granted = number
    lane.wake.set()
    await owner.passed(lane, number)
    if is_request:
        await owner.answered(answer_s)


def _burst_end(lane: Lane, last: int) -> int:
    """The number of the last piece, not after `last`, that lands together with the oldest."""
    pieces = iter(lane.queue)
    before = next(pieces)
    for piece in pieces:
        apart = piece.arrived_s - before.arrived_s > _BURST_S
        if piece.number > last or piece.end is not None or before.end is not None or apart:
            break
        before = piece
    return before.number
