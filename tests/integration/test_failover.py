"""How soon a successor acts when the leader is killed, or goes in order. Real processes."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from statistics import mean

import pytest

from tests.integration.fleet import Fleet, Process, elsewhere, until
from tests.support import require_server

pytestmark = pytest.mark.serial

TTL_S = 1.0
HEARTBEAT_S = TTL_S / 4
TIMING = {"ttl_s": TTL_S}
ROLE = {"name": "reaper", "work": {"every_s": 0.01}}


class Line:
    """A leader and one that stands by, for ever: whoever goes is followed by a newcomer."""

    def __init__(self, fleet: Fleet, *, prefix: tuple[str, ...] = ()) -> None:
        self.fleet = fleet
        self._prefix = prefix
        self._born = 0
        self.members: dict[str, Process] = {}
        for _ in range(2):
            self.add()

    def add(self) -> None:
        self._born += 1
        name = f"m{self._born}"
        process = self.fleet.start(name, ROLE, timing=TIMING, prefix=self._prefix)
        self.members[name] = process

    def ready(self) -> Process:
        """The leader, once the other has settled; at a random phase of its heartbeats."""
        until(lambda: self.fleet.is_settled("reaper", 2))
        time.sleep(HEARTBEAT_S * (2 + random.random()))
        leader = self.fleet.holders("reaper")[0, 0]
        return self.members.pop(leader)


def kills(line: Line, rounds: int) -> Iterator[float]:
    """Kill leader after leader; how long until the successor's first act."""
    for _ in range(rounds):
        leader = line.ready()
        at = leader.kill()
        yield line.fleet.first_act(at, "member <> ?", leader.member).at - at
        leader.wait()
        line.add()


def test_a_leader_that_is_provably_dead_is_followed_within_half_a_second(fleet: Fleet) -> None:
    """On one machine the kernel proves the death: nobody waits for the ttl."""
    gaps = list(kills(Line(fleet), 8))
    assert max(gaps) < 0.5, gaps
    assert len(fleet.logged("evicted")) >= 8


def test_a_leader_whose_death_cannot_be_proven_is_followed_within_the_ttl(fleet: Fleet) -> None:
    prefix = elsewhere()
    require_server(prefix, name="unshare", cure="run as root, or allow user namespaces")
    gaps = list(kills(Line(fleet, prefix=prefix), 8))
    assert max(gaps) < TTL_S + 0.5, gaps
    assert mean(gaps) < TTL_S - HEARTBEAT_S / 2 + 0.5, gaps
    assert min(gaps) > TTL_S - HEARTBEAT_S - 0.2, "it did not take the ttl: what does this show?"


def test_a_leader_that_is_asked_to_go_hands_over_within_300_ms_of_its_works_end(
    fleet: Fleet,
) -> None:
    line = Line(fleet)
    gaps = []
    for _ in range(6):
        leader = line.ready()
        at = leader.terminate()
        successor = fleet.first_act(at, "member <> ?", leader.member)
        (ended,) = fleet.marks("ended", "member = ?", leader.member)
        gaps.append(successor.at - ended.at)
        assert leader.wait() == 0
        assert fleet.last_act("member = ?", leader.member).at < successor.at
        line.add()
    assert max(gaps) < 0.3, gaps
    assert min(gaps) > 0, "it acted beside the work that it follows"
    assert fleet.logged("session-given-up") == []
