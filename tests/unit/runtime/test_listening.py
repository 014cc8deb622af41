"""What a coordinator tells the event log of the group that it sees."""

from __future__ import annotations

import json
from pathlib import Path

from coord.model import LiveMember, MemberRecord, RoleRecord, Shape, View
from coord.runtime.listening import EventHooks
from coord.telemetry import EventLog


def test_only_roles_that_a_live_member_serves_are_told_and_each_generation_once(
    tmp_path: Path,
) -> None:
    """A record that another program left in the group would read as a shard that nobody leads."""
    path = tmp_path / "m.jsonl"
    served = Shape(3, 1)
    record = MemberRecord(name="m", incarnation="1", roles={"now": served})
    roles = {name: RoleRecord(name=name, shape=served) for name in ("before", "now")}
    members = {"s": LiveMember(session="s", record=record, ttl_s=3.0, seq=1)}
    log = EventLog(path, member="m")
    hooks = EventHooks(log)
    hooks.viewed(View(group="g", revision=1, roles=roles))
    for revision in (2, 3):
        hooks.viewed(View(group="g", revision=revision, roles=roles, members=members))
    log.close()
    told = [json.loads(line) for line in path.read_text().splitlines()]
    assert [one["role"] for one in told if one.get("kind") == "role"] == ["now"]
