"""Faults of the network, each between the struck members and all servers of the store.

Owns what is done to the ways of a member (`coord.lab.chaos.links`), and says what of a network it
plays: a proxy has streams of bytes, not packets. The others reach the store as before.

* A partition keeps what is sent, and lets it land when it is healed, as TCP does that sends again
  what was not acknowledged: requests that their sender gave up long ago arrive all the same. Of a
  partition of one direction, the other flows on; a real TCP would stall there too once its
  acknowledgements are lost. New connections hang, in whichever direction it is.
* Loss is what TCP makes of lost packets: delays. Each chunk is lost with a probability of `share`;
  then it waits for a retransmission timeout, which doubles when it is lost again, and all that
  follows on its connection waits behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress

from coord.config import Timing
from coord.errors import StoreUnavailable
from coord.lab.chaos.faults.kind import MEMBERS, Blow, FaultKind, Option, Setting
from coord.lab.chaos.links import links_of
from coord.lab.chaos.stage import Stage
from coord.testing.proxy import FaultProxy
from coord.testing.proxy.direction import Direction

__all__ = ["KINDS", "no_links"]

_SLOW = 1.5  # of the RPC timeout: beyond it, and not by much
_LAND_S = 2.0
_MOST_LOSS = 0.99  # a share of 1 is a partition

_Strike = Callable[[FaultProxy], AbstractContextManager[object]]


@contextmanager
def _on_ways(stage: Stage, blow: Blow, kind: str, strike: _Strike) -> Iterator[None]:
    """The same on every way of every struck member, recorded for each of them."""
    links = links_of(stage.ground.links)
    with ExitStack() as healing:
        for member in blow.members:
            ways = _each(links.of(member), strike)
            healing.enter_context(stage.injector.struck(kind, ways, member=member))
        yield


@contextmanager
def _each(proxies: Iterable[FaultProxy], strike: _Strike) -> Iterator[None]:
    with ExitStack() as healing:
        for proxy in proxies:
            healing.enter_context(strike(proxy))
        yield


# ---------------------------------------------------------------------------------- partitions


@contextmanager
def _severed(proxy: FaultProxy, *directions: Direction) -> Iterator[None]:
    try:
        proxy.admit("silent")
        for direction in directions:
            direction.hold()
        yield
    finally:
        for direction in directions:
            with suppress(StoreUnavailable):  # a server that is stopped takes it later
                direction.mend(answer_s=0.0, timeout_s=_LAND_S)
        proxy.admit("serve")


def _partition(stage: Stage, blow: Blow) -> AbstractContextManager[None]:
    return _on_ways(stage, blow, "partition", lambda p: _severed(p, p.requests, p.replies))


def _requests(stage: Stage, blow: Blow) -> AbstractContextManager[None]:
    return _on_ways(stage, blow, "partition-requests", lambda p: _severed(p, p.requests))


def _replies(stage: Stage, blow: Blow) -> AbstractContextManager[None]:
    return _on_ways(stage, blow, "partition-replies", lambda p: _severed(p, p.replies))


# ------------------------------------------------------------------------------- worse networks


@contextmanager
def _conditions(proxy: FaultProxy, **conditions: float) -> Iterator[None]:
    """The same both ways."""
    directions = (proxy.requests, proxy.replies)
    try:
        for direction in directions:
            direction.set(**conditions)  # type: ignore[arg-type]  # all of these are seconds, shares
        yield
    finally:
        for direction in directions:
            direction.set()


def _latency(stage: Stage, blow: Blow) -> AbstractContextManager[None]:
    """Half of it each way, as on a longer road."""
    there_and_back_s = blow.options["seconds"] or _SLOW * Timing.of(stage.ttl_s).rpc_timeout_s
    latency_s, jitter_s = there_and_back_s / 2, blow.options["jitter"] / 2
    return _on_ways(
        stage, blow, "latency", lambda p: _conditions(p, latency_s=latency_s, jitter_s=jitter_s)
    )


def _loss(stage: Stage, blow: Blow) -> AbstractContextManager[None]:
    share, rto_s = min(blow.options["share"], _MOST_LOSS), blow.options["rto"]
    return _on_ways(stage, blow, "loss", lambda p: _conditions(p, loss=share, rto_s=rto_s))


@contextmanager
def _torn(proxy: FaultProxy, every_s: float) -> Iterator[None]:
    try:
        proxy.reset()
        proxy.tear(every_s)
        yield
    finally:
        proxy.tear(None)


def _reset(stage: Stage, blow: Blow) -> AbstractContextManager[None]:
    return _on_ways(stage, blow, "reset", lambda p: _torn(p, blow.options["every"]))


def no_links(setting: Setting) -> str | None:
    """Why no way to a store can be struck, if none can."""
    if setting.mode == "queue":
        return "in mode queue the lab's queue is a file, and no store is used"
    if setting.store == "sqlite":
        return "a file has no network"
    if not setting.own:
        return (
            "there is no proxy in between on the way to a URL of yours: give the kind of store"
            " instead, and servers are started for the run"
        )
    return None


def _kind(
    name: str,
    says: str,
    inject: Callable[[Stage, Blow], AbstractContextManager[None]],
    *options: Option,
) -> FaultKind:
    return FaultKind(
        name=name,
        says=says,
        targets=MEMBERS,
        inject=inject,
        options=options,
        linked=True,
        unfit=no_links,
    )


KINDS = (
    _kind("partition", "nothing passes to or from the store; it lands at the end", _partition),
    _kind("partition-requests", "requests do not arrive; they land at the end", _requests),
    _kind("partition-replies", "requests arrive, their replies do not", _replies),
    _kind(
        "latency",
        "a long way to the store and back",
        _latency,
        Option(
            name="seconds",
            says="there and back; 0: half as much again as the RPC timeout",
            kind="seconds",
            default=0.0,
        ),
        Option(name="jitter", says="at most so much more", kind="seconds", default=0.0),
    ),
    _kind(
        "loss",
        "packets are lost, of which TCP makes delays",
        _loss,
        Option(name="share", says="of chunks, each way, each time", kind="share", default=0.2),
        Option(name="rto", says="TCP's first wait for a loss", kind="seconds", default=0.2),
    ),
    _kind(
        "reset",
        "connections are torn, again and again",
        _reset,
        Option(name="every", says="half to one and a half of it", kind="seconds", default=0.5),
    ),
)
