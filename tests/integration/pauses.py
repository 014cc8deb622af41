"""Leaders that are stopped between a check and an act, and go on when others lead. Real processes.

Owns how the fault is placed, from outside: the test watches a byte per role, which says where its
thread is, and stops the process when threads stand between their check and their act, and none is
inside a write, where it would stop the resource for everybody. Any store.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from tests.integration.fleet import Act, Fleet, Process, now, until
from tests.integration.workers.worker import IN_DATABASE, IN_WINDOW

__all__ = ["pause_leaders", "stale"]

ROLES = 10
CAUGHT = 5  # of them, at least, stand between check and act when the process is stopped
JOBS = [
    {"name": f"r{n}", "work": {"every_s": 0.03, "window_s": 0.1}, "progress_timeout_s": 30.0}
    for n in range(ROLES)
]


def states(fleet: Fleet, member: str) -> bytes:
    return (fleet.folder / f"states-{member}").read_bytes()[:ROLES]


def stop_between_check_and_act(fleet: Fleet, leader: Process) -> int:
    """Stop it there; how many of its threads stand in the window."""
    while True:
        until(lambda: states(fleet, leader.member).count(IN_WINDOW) > CAUGHT, every_s=0.0005)
        leader.pause()
        found = states(fleet, leader.member)
        caught = found.count(IN_WINDOW)
        if caught >= CAUGHT and IN_DATABASE not in found and fleet.writable():
            return caught
        leader.resume()


def stale(acts: Iterable[Act]) -> list[Act]:
    """Those that a resource took although it had taken a newer token before."""
    newest: dict[object, int] = {}
    found = []
    for act in acts:
        if act.token < newest.setdefault(act.scope, act.token):
            found.append(act)
        newest[act.scope] = max(act.token, newest[act.scope])
    return found


def pause_round(fleet: Fleet, members: dict[str, Process], *, ttl_s: float) -> int:
    """Pause whoever leads, for 2×ttl and until others have acted for all its roles."""
    until(lambda: len(leaders(fleet)) == ROLES)
    (name,) = set(leaders(fleet).values())
    leader = members[name]
    begun = now()
    until(lambda: acted(fleet, begun, name))
    caught = stop_between_check_and_act(fleet, leader)
    stopped = now()
    try:
        until(lambda: acted_by_others(fleet, stopped, name) and now() > stopped + 2 * ttl_s)
    finally:
        resumed = leader.resume()
    until(lambda: len(fleet.marks("ended", "member = ? AND at > ?", name, resumed)) == ROLES)
    return caught


def leaders(fleet: Fleet) -> dict[str, str]:
    found = {f"r{n}": fleet.holders(f"r{n}").get((0, 0)) for n in range(ROLES)}
    return {role: member for role, member in found.items() if member is not None}


def acted(fleet: Fleet, after: float, member: str) -> bool:
    acts = fleet.acts("fenced", "at > ? AND member = ?", after, member)
    return len({act.role for act in acts}) == ROLES


def acted_by_others(fleet: Fleet, after: float, member: str) -> bool:
    acts = fleet.acts("fenced", "at > ? AND member <> ?", after, member)
    return len({act.role for act in acts}) == ROLES


def check_that_no_check_outlived_its_term(fleet: Fleet) -> None:
    """In true time: nobody's check succeeded once a successor's term had begun."""
    assert fleet.marks("check-after-deadline") == []
    checks = sorted(fleet.acts("plain"), key=lambda act: (act.scope, act.checked))
    for scope, acts in groupby(checks, key=lambda act: act.scope):
        began = {mark.token: mark.at for mark in fleet.marks("began") if mark.scope == scope}
        for act in acts:
            later = [at for token, at in began.items() if token > act.token]
            assert act.checked < min(later, default=float("inf")), act


def pause_leaders(fleet: Fleet, rounds: int, *, ttl_s: float) -> None:
    """Pause leader after leader of ten roles; no resource that compares tokens notices."""
    timing = {"ttl_s": ttl_s, "stop_grace_s": 0.2 * ttl_s}
    members = {"a": fleet.start("a", *JOBS, timing=timing, show_states=True)}
    until(lambda: len(leaders(fleet)) == ROLES)
    members["b"] = fleet.start("b", *JOBS, timing=timing, show_states=True)
    caught = sum(pause_round(fleet, members, ttl_s=ttl_s) for _ in range(rounds))

    plain, late, fenced = (stale(fleet.acts(table)) for table in ("plain", "late", "fenced"))
    assert len(plain) >= caught >= CAUGHT * rounds, (
        "the unfenced contrast must show that the fault bites"
    )
    assert late == [], "the token alone must refuse"
    assert fenced == []
    assert len(fleet.marks("refused")) >= caught
    assert len(fleet.marks("lost")) >= caught
    check_that_no_check_outlived_its_term(fleet)
