"""What etcd, ZooKeeper and DynamoDB cost a fleet, beside their bare clients: shards, idle, crowds.

The servers are started here, on this machine, and share its cores with the clients: figures say
how much more ours costs than a bare client, and not what a store can do.
"""

from __future__ import annotations

import os

import pytest

from tests.bench.capacity import charged
from tests.bench.conftest import Case
from tests.bench.crowd import crowd
from tests.bench.places import Place

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]

ROUNDS = 5
IDLE_S = 15
NOISE = 1.5
SHARDS = {"etcd": 10_000, "zookeeper": 10_000, "dynamodb": 1_000}
"""How many are claimed: DynamoDB Local takes a minute for 10,000, whoever asks."""
CROWD, CROWD_S = 200, 30.0
HEARTBEAT_S = 2.5
TIMING = {"ttl_s": 60.0, "heartbeat_s": HEARTBEAT_S}
"""Crowds beat (and poll) as at a ttl of 10 s, and stand that one machine carries them all."""
FLEET, FLEET_SHARDS, FLEET_S = 20, 1000, 60.0
KCL_WRITES, LOCK_WRITES, LOCK_READS = 0.30, 0.20, 1.0
"""Published: write units a second and shard (KCL), and lock (lock client); read units a waiter."""


def test_many_shards_beside_the_bare_client(place: Place, case: Case) -> None:
    shards = SHARDS[place.kind]
    found: dict[str, list[float]] = {"session": [], "bare": [], "claimed": [], "rebalanced": []}
    extra = (place.batch,) if place.kind == "dynamodb" else ()
    for _ in range(ROUNDS):
        found["session"].append(case("session_claim", place.url(), shards)["claimed"])
        found["bare"].append(case(f"bare_{place.kind}", place.url(), shards, *extra)["claimed"])
        whole = case("shards", place.url(), shards)
        for what in ("claimed", "rebalanced"):
            found[what].append(whole[what])
    place.section.add(
        f"{shards:,} shards claimed by a session",
        "s",
        found["session"],
        bare=found["bare"],
        limit_of_ratio=1.5,
        remark="`Session.claim` alone, batch after batch, with no runtime around it.",
    )
    place.section.add(
        f"{shards:,} shards claimed by a member",
        "s",
        found["claimed"],
        bare=found["bare"],
        limit_of_ratio=1.5,
        remark="from a live member's asking to the last term being in the hands of user code, "
        "planning, reading of views and declaring the role included; bare counts the writes alone.",
    )
    place.section.add(
        f"{shards:,} shards rebalanced to two members",
        "s",
        found["rebalanced"],
        limit=1.0 if place.kind == "etcd" else None,
        remark="from the second member asking to both holding half, with work that stops at once.",
    )
    assert max(found["claimed"]) < 120


def test_an_idle_member_costs_the_same_whatever_it_holds(metered: Place, case: Case) -> None:
    remark = f"over {IDLE_S} s at a ttl of 3 s; heartbeats are due every 0.75 s."
    costs = {}
    for shards in (1, 10_000):
        cost = costs[shards] = case("idle", metered.url(), shards, IDLE_S)
        label = "1 shard" if shards == 1 else f"{shards:,} shards"
        metered.section.add(
            f"requests of an idle member with {label}",
            "1/s",
            [cost["requests_per_s"]],
            remark=f"as the server counts them, {remark}",
        )
        metered.section.add(
            f"CPU of an idle member with {label}", "% of a core", [cost["cpu_percent"]]
        )
    assert costs[10_000]["requests_per_s"] <= costs[1]["requests_per_s"] * NOISE + 1


@pytest.mark.parametrize("place", ["etcd", "zookeeper"], indirect=True)
def test_two_hundred_members_in_one_store(metered: Place) -> None:
    url = metered.url()
    with crowd(url, members=CROWD, processes=4, shards=1, **TIMING) as members:
        members.await_shared(CROWD, 1)
        members.quiet(10.0, metered.servers)
        cost = members.quiet(CROWD_S, metered.servers)
    label = f"{CROWD} idle members"
    remark = (
        f"one leads, heartbeats every {HEARTBEAT_S:g} s as at a ttl of 10 s, over {CROWD_S:g} s; "
        "four processes, which share the machine with the server."
    )
    add = metered.section.add
    add(f"CPU of each of {label}", "% of a core", [cost.of_members / CROWD], remark=remark)
    add(f"CPU of the server with {label}", "% of a core", [cost.of_servers])
    add(f"requests of {label}, all together", "1/s", [cost.requests / cost.took_s])


@pytest.mark.parametrize("place", ["dynamodb"], indirect=True)
def test_the_bill_of_a_fleet_on_dynamodb(metered: Place) -> None:
    url = metered.url()
    before = charged(metered.endpoint)
    with crowd(url, members=FLEET, processes=4, shards=FLEET_SHARDS, **TIMING) as members:
        members.await_shared(FLEET, FLEET_SHARDS)
        members.quiet(20.0, metered.servers)
        formed = charged(metered.endpoint)
        cost = members.quiet(FLEET_S, metered.servers)
        after = charged(metered.endpoint)
    writes, reads = (
        (after[unit] - formed[unit]) / cost.took_s for unit in ("write_units", "read_units")
    )
    remark = (
        f"{FLEET_SHARDS:,} shards on {FLEET} members over {FLEET_S:g} s, nothing happening; they "
        "beat and poll as at a ttl of 10 s; bare stands for the Kinesis client library's published "
        f"{KCL_WRITES:g} write units a second and shard. The DynamoDB lock client's published "
        f"rates are {LOCK_WRITES:g} a lock ({LOCK_WRITES * FLEET_SHARDS:,.0f} here) and "
        f"{LOCK_READS:g} strong read a second for each that waits."
    )
    label = f"of {FLEET_SHARDS:,} shards on {FLEET} members"
    add = metered.section.add
    add(f"write units {label}", "1/s", [writes], bare=[KCL_WRITES * FLEET_SHARDS], remark=remark)
    add(f"read units {label}", "1/s", [reads])
    add(
        f"write units to share {FLEET_SHARDS:,} shards at first",
        "units",
        [formed["write_units"] - before["write_units"]],
        remark="from the first member's start, 20 members joining at once, until all is settled; "
        f"what the last run measured at a load average of {os.getloadavg()[1]:.0f}. Claims that "
        "others were quicker to take are charged as well, and a busy machine has more of them.",
    )
    assert writes < 0.1 * KCL_WRITES * FLEET_SHARDS
