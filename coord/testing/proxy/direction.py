"""One direction of a fault proxy as tests use it: synchronous, from any thread.

Owns the words of the public interface for a direction. What happens to bytes is the engine's.
"""

from __future__ import annotations

import math

from coord.errors import UsageError
from coord.testing.proxy.engine import WayName
from coord.testing.proxy.thread import EngineThread
from coord.testing.proxy.way import Conditions, Mode

__all__ = ["ANSWER_S", "Direction"]

ANSWER_S = 0.5
_LANDING_S = 30.0


class Direction:
    """One direction of a `FaultProxy`: `requests` (client to server) or `replies`.

    A fault is in force when its method returns, for live connections and new ones, and for bytes
    that wait in the proxy already. Methods may be called from any thread but the proxy's own, and
    raise UsageError after its close.
    """

    def __init__(self, thread: EngineThread, name: WayName) -> None:
        self._thread = thread
        self._name: WayName = name

    def __repr__(self) -> str:
        return f"<{self._name}>"

    def set(
        self,
        *,
        latency_s: float = 0.0,
        jitter_s: float = 0.0,
        bandwidth_bytes_s: float = math.inf,
        reset_after_bytes: int | None = None,
        loss: float = 0.0,
        rto_s: float = 0.2,
    ) -> None:
        """Set all conditions of this direction; what is left out is as without a proxy.

        Each chunk is delayed by `latency_s` plus a random part of `jitter_s`, in seconds of the
        monotonic clock, and never overtakes another of its connection. Each connection passes at
        most `bandwidth_bytes_s`, after a first burst of 50 ms' worth. After `reset_after_bytes`
        more bytes of this direction a connection is reset; on Linux they can still be read.

        `loss` plays what TCP makes of lost packets: delays. Each chunk is lost with this
        probability, and again when it is sent anew; its sender waits `rto_s` for the first time and
        twice as long for each further one, and all that follows on the connection waits behind it.
        A real TCP is quicker while more packets flow, and with Linux's tail loss probe.

        A delay is never shorter than asked for, and often a millisecond or more longer: this is a
        program on a busy machine. Raises UsageError for a value that cannot be.
        """
        conditions = Conditions(
            latency_s=latency_s,
            jitter_s=jitter_s,
            bandwidth_bytes_s=bandwidth_bytes_s,
            reset_after_bytes=reset_after_bytes,
            loss=loss,
            rto_s=rto_s,
        )
        self._thread.call(self._thread.engine.apply(self._name, conditions))

    def hold(self) -> None:
        """Keep what is sent, to let it land at `mend`: a link whose packets arrive in the end.

        The sender notices nothing until it waits for an answer. Up to `buffer_bytes` a connection
        are taken from it, then TCP makes it wait. Ends and resets are held in their place, so the
        receiver does not learn of them either.
        """
        self._thread.call(self._thread.engine.turn(self._name, Mode.HOLD))

    def drop(self) -> None:
        """Lose what is sent, and what is held or delayed at this moment: it never lands.

        No network loses a part of a stream and goes on, so `mend` resets the connections that lost
        something. Unlike a filter of packets, this lets the other direction flow for ever.
        """
        self._thread.call(self._thread.engine.turn(self._name, Mode.DROP))

    def mend(self, *, answer_s: float = ANSWER_S, timeout_s: float = _LANDING_S) -> None:
        """End `hold` or `drop`. What was held has landed when this returns.

        Landing keeps the order of arrival over all connections. Requests land one burst (bytes
        less than 20 ms apart) at a time; the next waits until the server has answered and then
        been silent for 30 ms, at most `answer_s`. So a client's cancellation or farewell, sent
        when it gave up, does not catch up with the request that it was held behind.

        An answer is any bytes: a server that acknowledges on the level of its protocol long before
        it acts, or takes longer than `answer_s`, may be at work still. What `set` has set stays.
        Raises StoreUnavailable (unknown) if the bytes were not taken within `timeout_s`; the rest
        then follows without waiting for answers.
        """
        for name, value in (("answer_s", answer_s), ("timeout_s", timeout_s)):
            if not 0 <= value < math.inf:
                raise UsageError(f"{name} is {value!r}", cure="Give seconds from 0, not infinite.")
        work = self._thread.engine.mend(self._name, answer_s=answer_s, timeout_s=timeout_s)
        self._thread.call(work, extra_s=timeout_s)
