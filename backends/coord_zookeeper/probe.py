"""What `coord doctor` shows of a ZooKeeper store.

Owns the findings, and the judgement of what is not well. Changes nothing but the bell's data, which
means nothing: only a real write shows what a write costs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

from coord.errors import CoordError
from coord.spi import Probe
from coord_zookeeper.deadline import Deadline
from coord_zookeeper.group import Group
from coord_zookeeper.link import Link
from coord_zookeeper.requests import NO_AUTH, NO_NODE, Node, data_of, refusal
from coord_zookeeper.url import AUTH, Target
from coord_zookeeper.words import asked, fields_of, leads, mode_of

__all__ = ["findings"]

_ROUNDS = 20
_SLOW_MS = 50.0
_BUSY_REQUESTS = 100
_MULTI_READ = (3, 6)
_LEAST_TTL_TICKS = 5


def findings(group: Group, target: Target, link: Link, timeout_s: float) -> list[Probe]:
    """The servers, then the place on them, in the order in which an operator would look."""
    try:
        link.connect(Deadline(timeout_s))
    except CoordError as error:
        return [Probe(name="server", ok=False, value=error.cause, cure=error.cure)]
    wire = link.client.wire
    srvr, conf, mntr = (asked(wire, word) for word in ("srvr", "conf", "mntr"))
    return [
        _server(link, srvr),
        _version(srvr),
        _role(target, srvr),
        _timing(target, fields_of(conf)),
        _words({"srvr": srvr, "conf": conf, "mntr": mntr}),
        _load(srvr),
        *_guarded("place", lambda: _place(group, target, timeout_s)),
        *_guarded("round trip", lambda: _round_trip(group, link, timeout_s)),
        *_guarded("sessions", lambda: _sessions(group, timeout_s)),
    ]


def _guarded(name: str, find: Callable[[], Probe]) -> list[Probe]:
    try:
        return [find()]
    except CoordError as error:
        return [Probe(name=name, ok=False, value=error.cause, cure=error.cure)]


def _server(link: Link, srvr: str) -> Probe:
    address = link.client.wire.address or ("", 0)
    mode = mode_of(srvr) or "role not known"
    hosts = len(link.client.hosts)
    value = f"connected to {address[0]}:{address[1]} ({mode}), one of {hosts}"
    return Probe(name="server", ok=True, value=value)


def _version(srvr: str) -> Probe:
    text = fields_of(srvr).get("Zookeeper version", "")
    numbers = tuple(int(part) for part in text.split("-")[0].split(".")[:2] if part.isdigit())
    if not numbers:
        return Probe(name="version", ok=True, value="not told (srvr is not allowed)")
    ok = numbers >= _MULTI_READ
    cure = "" if ok else "coord needs ZooKeeper 3.6 or newer."
    return Probe(name="version", ok=ok, value=text.split("-")[0], cure=cure)


def _role(target: Target, srvr: str) -> Probe:
    if not target.ask_role:
        value = "not asked for: every heartbeat counts as a follower's"
    elif not mode_of(srvr):
        value = "not told: every heartbeat counts as a follower's (allow srvr to change that)"
    elif leads(srvr):
        value = (
            "this server ends sessions itself: heartbeats through it lag by nothing (behind a load "
            "balancer, say ask_role=false)"
        )
    else:
        value = "a follower: heartbeats through it lag by a tick or the time between two"
    return Probe(name="trust", ok=True, value=value)


def _timing(target: Target, conf: Mapping[str, str]) -> Probe:
    tick, least, most = (
        conf.get(name, "") for name in ("tickTime", "minSessionTimeout", "maxSessionTimeout")
    )
    if not (tick.isdigit() and least.isdigit() and most.isdigit()):
        value = f"tickTime taken for {target.tick_s:g} s (conf is not allowed): say tick_s= if not"
        return Probe(name="session timeouts", ok=True, value=value)
    tick_s = int(tick) / 1000
    value = f"tickTime {tick_s:g} s, ttl from {int(least) / 1000:g} to {int(most) / 1000:g} s"
    advice = f"; through followers, a ttl from {_LEAST_TTL_TICKS * tick_s:g} s is comfortable"
    return Probe(name="session timeouts", ok=True, value=value + advice)


def _words(answers: Mapping[str, str]) -> Probe:
    allowed = [word for word, answer in answers.items() if answer]
    value = f"allowed: {', '.join(allowed) or 'none'} of {', '.join(answers)}"
    return Probe(name="four-letter words", ok=True, value=value)


def _load(srvr: str) -> Probe:
    fields = fields_of(srvr)
    outstanding = fields.get("Outstanding", "")
    if not outstanding.isdigit():
        return Probe(name="load", ok=True, value="not told (srvr is not allowed)")
    ok = int(outstanding) < _BUSY_REQUESTS
    value = (
        f"{outstanding} requests outstanding, {fields.get('Connections', '?')} connections, "
        f"latency min/avg/max {fields.get('Latency min/avg/max', '?')} ms"
    )
    cure = "" if ok else "The server is behind: look at its disk (its log wants one of its own)."
    return Probe(name="load", ok=ok, value=value, cure=cure)


def _place(group: Group, target: Target, timeout_s: float) -> Probe:
    layout = group.layout
    paths = (layout.parent, layout.root)
    found = group.link().read([data_of(path) for path in paths], Deadline(timeout_s))
    for path, one in zip(paths, found, strict=True):
        if one == NO_AUTH:
            return Probe(
                name="place",
                ok=False,
                value=f"{path} may not be read (acl={target.acl})",
                cure=f"Give the credentials it was made with ({AUTH}).",
            )
    if found[0] == NO_NODE:
        cure = "`coord init URL` makes it; or correct the URL."
        return Probe(name="place", ok=False, value=f"{layout.parent} is missing", cure=cure)
    there = "is there" if isinstance(found[1], Node) else "is made by the first member"
    return Probe(name="place", ok=True, value=f"{layout.root} {there}, acl={target.acl}")


def _round_trip(group: Group, link: Link, timeout_s: float) -> Probe:
    taken_ms: list[float] = []
    ring = group.layout.ring()
    kind = "writes"
    for _ in range(_ROUNDS):
        began_s = time.monotonic()
        if refusal(link.commit([ring], Deadline(timeout_s))) is not None:
            kind = "writes, refused: the group is not made yet, or is not ours"
        taken_ms.append((time.monotonic() - began_s) * 1000)
    median_ms = statistics.median(taken_ms)
    value = f"{median_ms:.2f} ms (median of {_ROUNDS} {kind}; slowest {max(taken_ms):.2f} ms)"
    ok = median_ms <= _SLOW_MS
    cure = "" if ok else "Choose nearer servers, quicker disks for their logs, or a longer ttl."
    return Probe(name="round trip", ok=ok, value=value, cure=cure)


def _sessions(group: Group, timeout_s: float) -> Probe:
    live = group.mirror.view(Deadline(timeout_s)).members
    return Probe(name="sessions", ok=True, value=f"{len(live)} live in group {group.name}")
