"""What a member leaves behind that goes in order: nothing, in its process nor in the store."""

from __future__ import annotations

import json
import subprocess
import sys

from coord import Coordinator
from coord.registry import open_store
from coord.testing.servers import Servers
from tests.integration.fleet import ROOT, until
from tests.integration.stores.kinds import Kind, alive

VISITS = 4
TTL_S = 10.0  # nothing waits for it; its timeouts leave a busy server its time


def visits(url: str, ttl_s: float) -> list[dict[str, object]]:
    """What the process of a visitor held after each of its visits."""
    module = "tests.integration.workers.visitor"
    outcome = subprocess.run(
        [sys.executable, "-W", "error", "-m", module, url, str(ttl_s), str(VISITS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stderr == "", "a clean end says nothing, not even when the process ends"
    return [json.loads(line) for line in outcome.stdout.splitlines()]


def test_a_member_that_closes_leaves_no_thread_socket_lease_or_item(
    servers: Servers, url: str
) -> None:
    before = alive(servers)
    found = visits(url, TTL_S)
    assert len(found) == VISITS
    assert all(visit["threads"] == [] for visit in found), found
    assert all(visit["sockets"] == 0 for visit in found), found
    files = [visit["files"] for visit in found]
    assert files[-1] in files[:-1], (
        f"a client library may keep a few, but no more each time: {files}"
    )
    assert alive(servers) <= before
    opened = open_store(url, timeout_s=5.0)
    try:
        view = opened.store.view(opened.group)
    finally:
        opened.store.close()
    assert view.members == {}
    assert len(view.claims) > 0, "the last tokens must stay"
    assert [claim for claim in view.claims.values() if claim.session is not None] == []


def test_a_member_that_is_killed_leaves_nothing_once_its_time_is_up(
    servers: Servers, url: str, kind: Kind
) -> None:
    """Where peers must evict (DynamoDB), its heir does; elsewhere the store itself."""
    before = alive(servers)
    command = [sys.executable, "-c", _STAY, url, str(kind.ttl_s)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"live\n"
            assert alive(servers) - before, "it must be seen while it lives"
        finally:
            process.kill()
    with (
        Coordinator(url, member="heir", ttl_s=kind.ttl_s) as fleet,
        fleet.lead("guests", timeout_s=30),
    ):
        pass
    until(lambda: alive(servers) <= before)


_STAY = """
import sys, time
from coord import Coordinator
with Coordinator(sys.argv[1], member="guest", ttl_s=float(sys.argv[2])) as fleet:
    with fleet.lead("guests", timeout_s=30):
        print("live", flush=True)
        time.sleep(60)
"""
