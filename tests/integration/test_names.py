"""A name belongs to one live process: who may take it over, and when. Real processes."""

from __future__ import annotations

from tests.integration.fleet import Fleet, elsewhere, now, until
from tests.support import require_server

ROLE = {"name": "reaper", "work": {"every_s": 0.02}}


def test_a_crashed_member_that_restarts_under_its_name_is_live_at_once(fleet: Fleet) -> None:
    """Its former self is provably dead: its ttl of 30 s is nobody's concern."""
    first = fleet.start("a", ROLE, timing={"ttl_s": 30.0, "settle_s": 0.1})
    fleet.first_act(0.0)
    at = first.kill()
    fleet.start("a", ROLE, timing={"ttl_s": 30.0, "settle_s": 0.1})
    again = fleet.first_act(at)
    assert again.at - at < 10.0
    assert again.token > fleet.acts()[0].token
    assert fleet.logged("waiting-for-name") == []


def test_where_its_death_cannot_be_proven_it_waits_for_its_former_ttl(fleet: Fleet) -> None:
    prefix = elsewhere()
    require_server(prefix, name="unshare", cure="run as root, or allow user namespaces")
    first = fleet.start("a", ROLE, timing={"ttl_s": 2.0}, prefix=prefix)
    fleet.first_act(0.0)
    at = first.kill()
    fleet.start("a", ROLE, timing={"ttl_s": 2.0}, prefix=prefix)
    again = fleet.first_act(at)
    assert again.at - at > 1.0
    assert again.token > fleet.acts()[0].token
    assert fleet.logged("waiting-for-name")


def test_a_second_process_of_the_same_name_is_refused_and_the_first_leads_on(fleet: Fleet) -> None:
    fleet.start("a", ROLE, timing={"ttl_s": 2.0})
    before = fleet.first_act(0.0)
    second = fleet.begin("a", ROLE, timing={"ttl_s": 2.0})
    assert second.wait() == 1
    assert "DuplicateMember" in second.said()
    assert "its own member name" in second.said()
    after = fleet.first_act(now())
    assert after.token == before.token
    until(lambda: fleet.is_settled("reaper", 1))
