"""Leaders that are stopped between a check and an act, and go on when others lead. Real processes.

Owns how the fault is placed, from outside: the test watches a byte per role, which says where its
thread is, and stops the process when at least half of the threads stand between their check and
their act, and none is inside a write, where it would stop the resource for everybody. Any store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import groupby

from tests.integration.fleet import Act, Fleet, Process, now, until
from tests.integration.workers.worker import IN_DATABASE, IN_WINDOW

__all__ = ["pause_leaders", "stale"]

ROLES = 10
JOBS = [
    {"name": f"r{n}", "work": {"every_s": 0.03, "window_s": 0.1}, "progress_timeout_s": 30.0}
    for n in range(ROLES)
]


def states(fleet: Fleet, member: str) -> bytes:
    return (fleet.folder / f"states-{member}").read_bytes()[:ROLES]


def stop_between_check_and_act(fleet: Fleet, leader: Process, led: set[str]) -> int:
    """Stop it there; how many of its threads stand in the window, 0 if it lost what it led."""
    places = [int(role.removeprefix("r")) for role in led]

    def in_window() -> int:
        found = states(fleet, leader.member)
        return sum(found[place] == IN_WINDOW for place in places)

    while True:
        until(lambda: 2 * in_window() > len(led) or not leads(fleet, leader, led), every_s=0.0005)
        if not leads(fleet, leader, led):
            return 0
        leader.pause()
        caught = in_window()
        free = IN_DATABASE not in states(fleet, leader.member) and fleet.writable()
        if 2 * caught >= len(led) and free and leads(fleet, leader, led):
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


def pause_round(fleet: Fleet, members: dict[str, Process], *, ttl_s: float) -> tuple[int, int]:
    """Pause whoever leads most, for 2×ttl and until others have acted for what it led.

    How many leaders were paused, and how many of them between a check and an act. None if it lost
    one of its roles before: on a busy machine a leader may be late by itself.
    """
    until(lambda: len(leaders(fleet)) == ROLES)
    [(name, _)] = Counter(leaders(fleet).values()).most_common(1)
    leader, led = members[name], {role for role, by in leaders(fleet).items() if by == name}
    begun = now()
    until(lambda: acted(fleet, begun, name) >= led or not leads(fleet, leader, led))
    caught = stop_between_check_and_act(fleet, leader, led)
    if not caught:
        return 0, 0
    stopped = now()
    try:
        until(lambda: acted_by_others(fleet, stopped, name) >= led and now() > stopped + 2 * ttl_s)
    finally:
        resumed = leader.resume()
    until(lambda: ended(fleet, resumed, name) >= led)
    return len(led), caught


def leaders(fleet: Fleet) -> dict[str, str]:
    found = {f"r{n}": fleet.holders(f"r{n}").get((0, 0)) for n in range(ROLES)}
    return {role: member for role, member in found.items() if member is not None}


def leads(fleet: Fleet, member: Process, led: set[str]) -> bool:
    found = leaders(fleet)
    return all(found.get(role) == member.member for role in led)


def acted(fleet: Fleet, after: float, member: str) -> set[str]:
    return {act.role for act in fleet.acts("fenced", "at > ? AND member = ?", after, member)}


def acted_by_others(fleet: Fleet, after: float, member: str) -> set[str]:
    return {act.role for act in fleet.acts("fenced", "at > ? AND member <> ?", after, member)}


def ended(fleet: Fleet, after: float, member: str) -> set[str]:
    return {mark.role for mark in fleet.marks("ended", "member = ? AND at > ?", member, after)}


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
    """Pause leaders of ten roles, ten for each round; no resource that compares tokens notices."""
    timing = {"ttl_s": ttl_s, "stop_grace_s": 0.2 * ttl_s}
    members = {"a": fleet.start("a", *JOBS, timing=timing, show_states=True)}
    until(lambda: len(leaders(fleet)) == ROLES)
    members["b"] = fleet.start("b", *JOBS, timing=timing, show_states=True)
    paused = caught = 0
    while paused < rounds * ROLES:
        leaders_paused, in_window = pause_round(fleet, members, ttl_s=ttl_s)
        paused, caught = paused + leaders_paused, caught + in_window

    plain, late, fenced = (stale(fleet.acts(table)) for table in ("plain", "late", "fenced"))
    assert len(plain) >= caught >= paused / 2, (
        "the unfenced contrast must show that the fault bites"
    )
    assert late == [], "the token alone must refuse"
    assert fenced == []
    assert len(fleet.marks("refused")) >= caught
    assert len(fleet.marks("lost")) >= caught
    check_that_no_check_outlived_its_term(fleet)
