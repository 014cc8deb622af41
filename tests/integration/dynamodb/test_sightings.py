"""Views say when a heartbeat was first seen, by the watch's own looks as well; and what that is
worth: how soon a killed leader is followed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.testing.proxy import FaultProxy
from coord.testing.servers import DynamoDBLocal
from coord_dynamodb import watch
from coord_dynamodb.group import Group
from coord_dynamodb.link import Deadline
from coord_dynamodb.listing import Glance, glance
from coord_dynamodb.url import default_poll_s
from tests.integration.dynamodb.conftest import Desk
from tests.integration.dynamodb.hook import Hook
from tests.integration.fleet import Fleet, Process, until
from tests.integration.stores.kinds import DRIFT, KINDS

pytestmark = pytest.mark.xdist_group("dynamodb")

LOG = logging.getLogger(__name__)
REPLY_S = 0.3
ROLE = {"name": "reaper", "work": {"every_s": 0.01}}


def test_a_stamp_is_that_of_the_reply_and_not_of_the_request(desk: Desk, proxy: FaultProxy) -> None:
    reader, writer = desk.store(f"http://{proxy.hostport}"), desk.store()
    session = desk.member(writer)
    reader.view(desk.group)
    session.heartbeat(b"")
    proxy.replies.set(latency_s=REPLY_S)
    asked_s = SYSTEM_CLOCK.now()
    shown = reader.view(desk.group).members[session.id]
    assert shown.seq == 1
    assert shown.seen_at_s is not None
    assert asked_s + REPLY_S <= shown.seen_at_s <= SYSTEM_CLOCK.now()


def test_later_views_carry_the_stamp_of_the_first_reply(desk: Desk) -> None:
    store = desk.store()
    session = desk.member(store)
    session.heartbeat(b"")
    before = store.view(desk.group)
    read_s = SYSTEM_CLOCK.now()
    assert store.view(desk.group) is before
    seen_s = before.members[session.id].seen_at_s
    assert seen_s is not None
    assert seen_s <= read_s


def test_a_heartbeat_that_the_watch_saw_is_dated_by_its_look(desk: Desk, hook: Hook) -> None:
    reader, writer = desk.store(hook.endpoint), desk.store()
    session = desk.member(writer)
    woken: list[int] = []
    reader.watch(desk.group, lambda: woken.append(1))
    reader.view(desk.group)
    until(lambda: woken)
    beaten = session.heartbeat(b"")
    landed_s, before, wakes = SYSTEM_CLOCK.now(), hook.count("Query"), len(woken)
    until(lambda: hook.count("Query") >= before + 3)  # two looks that began after it landed
    asked_s = SYSTEM_CLOCK.now()
    shown = reader.view(desk.group).members[session.id]
    assert shown.seq == 1
    assert shown.seen_at_s is not None
    assert beaten.sent_at_s < shown.seen_at_s < asked_s, "seen before the view was asked for"
    assert landed_s < asked_s
    assert len(woken) == wakes, "heartbeats wake nobody"


def test_reading_beacons_dates_heartbeats(desk: Desk) -> None:
    store = desk.store()
    session = desk.member(store)
    session.heartbeat(b"")
    store.beacons(desk.group)
    read_s = SYSTEM_CLOCK.now()
    seen_s = store.view(desk.group).members[session.id].seen_at_s
    assert seen_s is not None
    assert seen_s <= read_s


def test_looks_follow_one_another_within_a_poll(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a look takes, up to half a poll."""
    begun: list[float] = []

    def timed(group: Group, deadline: Deadline) -> Glance:
        begun.append(time.monotonic())
        time.sleep(0.4)
        return glance(group, deadline)

    monkeypatch.setattr(watch, "glance", timed)
    store = desk.store(poll_s=1.0)
    store.watch(desk.group, lambda: None)
    until(lambda: len(begun) > 5)
    gaps = [after - before for before, after in pairwise(begun)]
    assert 0.85 < median(gaps) < 1.15, gaps


# ------------------------------------------------------------------------- with real processes


@pytest.fixture
def fleet(local: DynamoDBLocal, desk: Desk, tmp_path: Path) -> Iterator[Fleet]:
    found = Fleet(tmp_path, url=KINDS["dynamodb"].url(local))
    yield found
    found.close()


def _just_beaten(fleet: Fleet, leader: Process) -> float:
    """Wait for the leader's next heartbeat, and return when it was seen in the table."""

    def number() -> int:
        members = fleet.view().members.values()
        return next(one.seq for one in members if one.record.name == leader.member)

    before = number()
    until(lambda: number() != before, every_s=0.003)
    return SYSTEM_CLOCK.now()


@pytest.mark.soak
@pytest.mark.serial
@pytest.mark.timeout(600)
@pytest.mark.parametrize("ttl_s", [8.0, 10.0])
def test_a_leader_killed_right_after_a_heartbeat_is_followed_within_ttl_and_poll(
    fleet: Fleet, ttl_s: float
) -> None:
    """The worst moment: all that a heartbeat has bought is still to be waited for."""
    rounds, gaps = 4, []
    bound_s = ttl_s * (1 + DRIFT) + default_poll_s(ttl_s / 10) + 1.0
    members = {name: fleet.start(name, ROLE, timing={"ttl_s": ttl_s}) for name in ("m1", "m2")}
    for number in range(rounds):
        born = f"m{number + 3}"
        members[born] = fleet.start(born, ROLE, timing={"ttl_s": ttl_s})
        until(lambda: fleet.is_settled("reaper", 3))
        leader = members.pop(fleet.holders("reaper")[0, 0])
        _just_beaten(fleet, leader)
        _just_beaten(fleet, leader)  # a whole interval later: all have seen the newcomer
        at = leader.kill()
        gaps.append(fleet.first_act(at, "member <> ?", leader.member).at - at)
        leader.wait()
    LOG.info("ttl %g s: followed after %s s, bound %g s", ttl_s, gaps, bound_s)
    assert max(gaps) < bound_s, gaps
    assert min(gaps) > ttl_s * 0.95, "it did not take the ttl: what does this show?"
