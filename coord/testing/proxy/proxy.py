"""The fault proxy as tests use it: synchronous, from any thread.

Owns the words of the public interface. What happens to bytes is the engine's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from random import Random
from types import TracebackType
from typing import Literal, Self, get_args

from coord.errors import CoordError, StoreUnavailable, UsageError
from coord.testing.proxy.counters import Counters, Tally
from coord.testing.proxy.direction import ANSWER_S, Direction
from coord.testing.proxy.engine import Address, Admission, Engine, reserve, resolve
from coord.testing.proxy.thread import EngineThread
from coord.testing.proxy.trigger import Then, Trigger

__all__ = ["FaultProxy"]

_CLOSE_S = 5.0
_HOST = "127.0.0.1"

Ways = Literal["requests", "replies", "both"]
Landing = Literal["late", "never"]


class FaultProxy:
    """A TCP proxy on a free port of 127.0.0.1 that is faulty when told to be.

        with FaultProxy(("127.0.0.1", 2379)) as proxy:
            client = connect(*proxy.address)
            with proxy.blackhole("requests"):
                ...

    Healthy, it passes bytes at once and each end of a stream after its bytes, so that half-closed
    connections work. A target that refuses makes it reset the client: nearly a refusal. It listens
    from construction on, in one daemon thread; methods may be called from any other.

    `target` is where to connect: names are resolved when it is given. `rng` decides on jitter and
    is then the proxy's alone; the draws repeat, the chunks that they fall on may not.
    `buffer_bytes` bounds what waits in one direction of a connection, besides one chunk of 64 KiB
    and what the kernel takes.

    Not: an end of TLS (encrypted bytes pass, and triggers cannot read them), or a source of lost
    or swapped packets. Raises UsageError for values that cannot be, a name that does not resolve,
    and use after `close` or from its own thread.
    """

    def __init__(
        self,
        target: tuple[str, int],
        *,
        port: int = 0,
        rng: Random | None = None,
        buffer_bytes: int = 1 << 20,
    ) -> None:
        if buffer_bytes < 1:
            raise UsageError(f"buffer_bytes is {buffer_bytes!r}", cure="Give a count from 1.")
        self._target = target
        targets = _resolved(target)
        self._tally = Tally()
        random = rng or Random(0)
        try:
            listener = reserve((_HOST, port))
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"port {port} of {_HOST} cannot be had: {error}", cure="Leave it out: any that is."
            ) from error
        self._address: tuple[str, int] = listener.getsockname()

        def make() -> Engine:
            return Engine(
                listener, targets, rng=random, buffer_bytes=buffer_bytes, tally=self._tally
            )

        self._thread = EngineThread(make, name=f"fault-proxy-{self._address[1]}")
        self.requests = Direction(self._thread, "requests")
        self.replies = Direction(self._thread, "replies")

    def __repr__(self) -> str:
        return f"<proxy {self.hostport} of {self._target}>"

    # ------------------------------------------------------------------------------- where it is

    @property
    def address(self) -> tuple[str, int]:
        """Host and port for clients; the same for the proxy's whole life."""
        return self._address

    @property
    def hostport(self) -> str:
        """The same as it stands in a URL: `127.0.0.1:port`."""
        return f"{self._address[0]}:{self._address[1]}"

    @property
    def target(self) -> tuple[str, int]:
        """Host and port of the server. Set, it holds for connections made from then on."""
        return self._target

    @target.setter
    def target(self, target: tuple[str, int]) -> None:
        self._aim(target)

    def _aim(self, target: tuple[str, int]) -> None:
        self._thread.call(self._thread.engine.aim(_resolved(target)))
        self._target = target

    # -------------------------------------------------------------------- faults of connections

    def reset(self) -> None:
        """Reset all connections, on both sides, and return when that is done.

        What was under way may have arrived or not. New connections are served.
        """
        self._thread.call(self._thread.engine.reset())

    def tear(self, every_s: float | None) -> None:
        """Reset all connections every so often from now on, or no more if None.

        The next time comes after a half to one and a half of `every_s` seconds; meanwhile, new
        connections are served.
        """
        if every_s is not None and not 0 < every_s < math.inf:
            raise UsageError(
                f"every_s is {every_s!r}", cure="Give seconds: more than 0, not infinite."
            )
        self._thread.call(self._thread.engine.tear(every_s))

    def admit(self, how: Admission) -> None:
        """Decide on new connections from now on; live ones go on.

        `serve`: the healthy state. `refuse`: as a port on which nobody listens. `silent`: accepted
        and left alone, as by a server that is stopped; served once it is `serve` again.
        """
        if how not in get_args(Admission):
            raise UsageError(f"how is {how!r}", cure="Give 'serve', 'refuse' or 'silent'.")
        self._thread.call(self._thread.engine.admit(how))

    # ------------------------------------------------------------------------- faults of streams

    @contextmanager
    def blackhole(self, way: Ways = "both", *, lands: Landing = "late") -> Iterator[None]:
        """Nothing passes inside. On leaving, what was sent lands, or was lost for good.

        `late` is `hold`, `never` is `drop` of these directions; both end by `mend`, requests first.
        """
        if lands not in get_args(Landing):
            raise UsageError(f"lands is {lands!r}", cure="Give 'late' or 'never'.")
        directions = self._directions(way)
        with ExitStack() as mending:
            for direction in reversed(directions):
                mending.callback(direction.mend)
            for direction in directions:
                if lands == "late":
                    direction.hold()
                else:
                    direction.drop()
            yield

    def _directions(self, way: Ways) -> list[Direction]:
        if way not in get_args(Ways):
            raise UsageError(f"way is {way!r}", cure="Give 'requests', 'replies' or 'both'.")
        found = {"requests": [self.requests], "replies": [self.replies]}
        return found.get(way, [self.requests, self.replies])

    @contextmanager
    def lose_replies(self, *, answer_s: float = ANSWER_S) -> Iterator[None]:
        """Requests land, their replies are lost; on leaving, these connections are reset.

        Leaving waits until the server seems to have answered, as `Direction.mend` does, for at
        most `answer_s`: a request that its client gave up is not cut short.
        """
        if not 0 <= answer_s < math.inf:
            raise UsageError(f"answer_s is {answer_s!r}", cure="Give seconds from 0, not infinite.")
        with ExitStack() as mending:
            mending.callback(self.replies.mend)
            self.replies.drop()
            mending.callback(self._await_answers, answer_s)
            yield

    def _await_answers(self, answer_s: float) -> None:
        self._thread.call(self._thread.engine.answered(answer_s), extra_s=answer_s)

    def on_request(
        self,
        match: bytes | Callable[[bytes], bool],
        then: Then = "lose_reply",
        *,
        times: int | None = 1,
    ) -> Trigger:
        """Do something to the next request that contains `match`, `times` times (None: always).

        `lose_reply`: it lands; everything that the server says from then on is lost, and the
        connection is reset once it has answered (after 5 s in any case).
        `hold`: `requests.hold()` from this chunk on, for all connections, until `requests.mend()`.
        `reset`: the connection is reset, and the chunk does not land.
        `pass`: only counted, in `Trigger.fired`.

        TCP has no borders of requests. Bytes are found wherever they lie, once each, over the edge
        of a chunk too; then their beginning has passed already, and the request lands cut in two
        or not at all. A function is given every chunk as it was read, in the proxy's thread, and
        must return at once. Nothing is found in what is encrypted or compressed.
        """
        trigger = Trigger(match, then, times=times, tally=self._tally)
        self._thread.call(self._thread.engine.watch(trigger))
        return trigger

    def heal(self) -> None:
        """No fault from now on: conditions as without a proxy, both directions mended, serving.

        Triggers are disarmed. Raises as `Direction.mend`.
        """
        self.tear(None)
        self._thread.call(self._thread.engine.disarm())
        for direction in (self.requests, self.replies):
            direction.set()
        self.admit("serve")
        for direction in (self.requests, self.replies):
            direction.mend()

    # ---------------------------------------------------------------------------- what was seen

    @property
    def counters(self) -> Counters:
        """What went through so far, at one moment. Also after `close`."""
        return self._tally.snapshot()

    def wait_for(self, condition: Callable[[Counters], bool], *, timeout_s: float = 10.0) -> None:
        """Wait until `condition(counters)`; StoreUnavailable if that takes over `timeout_s`."""
        if not self._tally.wait_for(lambda: condition(self._tally.snapshot()), timeout_s):
            raise StoreUnavailable(
                f"what was waited for did not come within {timeout_s:g} s: {self.counters}",
                cure="Compare these counters with the condition.",
            )

    # ---------------------------------------------------------------------------------- its end

    def close(self) -> None:
        """Reset all connections and end the thread: no socket, task or thread is left.

        Takes at most five seconds; a second time does nothing. Raises UsageError if the thread
        did not end in time (it is the matching functions' to return at once; it ends when they
        do), if a matching function raised, or if a connection could not be accepted.
        """
        self._thread.close(_CLOSE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except CoordError:
            if error is None:  # what went wrong inside explains more
                raise


def _resolved(target: tuple[str, int]) -> list[Address]:
    try:
        host, port = target
        if not 1 <= port <= 65535:  # noqa: PLR2004  what a port can be
            raise UsageError(f"the target's port is {port}", cure="Give 1 to 65535.")
        return resolve((host, port))
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"target is {target!r}", cure="Give (host, port), as ('127.0.0.1', 2379)."
        ) from error
    except OSError as error:
        raise UsageError(
            f"the target's host {target[0]!r} does not resolve: {error}", cure="Check its name."
        ) from error
