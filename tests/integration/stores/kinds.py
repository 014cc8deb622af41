"""The stores that are reached over a network, and what each promises about time.

Owns these figures for the tests, and how each store is asked, past coord, what it still holds.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import secrets
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import boto3

from coord.registry import open_store
from coord.spi import Initializable
from coord.testing.servers import DynamoDBLocal, EtcdServers, Servers, four_letters

__all__ = ["KINDS", "Kind", "alive"]

DRIFT = 0.002
POLL_S = 0.2
"""What DynamoDB's watch polls at by default, at the ttl below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One store: the ttl that suits its tests, and how soon whoever goes must be followed."""

    name: str
    ttl_s: float
    killed_s: float
    """From a leader's SIGKILL to its successor's first act, at most."""
    asked_s: float
    """From the end of the work of a leader that was asked to go to the next act, at most."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What its URL must say of the server that the tests have."""

    def url(self, servers: Servers, **options: str) -> str:
        """The address of a new group, made ready as `coord init` does it."""
        address = servers.url(f"fleet-{secrets.token_hex(4)}", **self.options, **options)
        opened = open_store(address, timeout_s=5.0)
        with closing(opened.store):
            if isinstance(opened.store, Initializable):
                opened.store.init(opened.group)
        return address


KINDS = {
    kind.name: kind
    for kind in (
        Kind(name="etcd", ttl_s=2.0, killed_s=3.0, asked_s=0.15),
        Kind(name="zookeeper", ttl_s=1.0, killed_s=2.0, asked_s=0.15),
        Kind(
            name="dynamodb",
            ttl_s=2.0,
            killed_s=2.0 * (1 + DRIFT) + POLL_S + 1.0,
            asked_s=POLL_S + 0.15,
            options={"batch": "10"},
        ),
    )
}


def alive(servers: Servers) -> set[str]:
    """Whatever the servers keep for clients that live: leases, sessions and what hangs on them."""
    if isinstance(servers, EtcdServers):
        return _leases(servers)
    if isinstance(servers, DynamoDBLocal):
        return _live_items(servers)
    return _sessions(servers)


def _leases(servers: EtcdServers) -> set[str]:
    """Leases, and keys that hang on one."""
    leases = _posted(servers, "/v3/lease/leases", {}).get("leases", [])
    zero = base64.b64encode(b"\0").decode()
    asked = {"key": zero, "range_end": zero, "keys_only": True}
    keys = _posted(servers, "/v3/kv/range", asked).get("kvs", [])
    held = {base64.b64decode(key["key"]).decode() for key in keys if int(key.get("lease", 0))}
    return {f"lease {lease['ID']}" for lease in leases} | held


def _posted(servers: EtcdServers, path: str, body: dict[str, object]) -> dict[str, Any]:
    """What etcd's JSON gateway answers."""
    connection = http.client.HTTPConnection(servers.members[0].hostport, timeout=10.0)
    try:
        connection.request("POST", path, json.dumps(body))
        found: dict[str, Any] = json.loads(connection.getresponse().read())
        return found
    finally:
        connection.close()


def _sessions(servers: Servers) -> set[str]:
    """Sessions, and ephemeral nodes."""
    text = "".join(four_letters(member.port, "dump") for member in servers.members)
    return set(re.findall(r"0x[0-9a-f]+", text)) | set(re.findall(r"^\t(/\S+)", text, re.MULTILINE))


def _live_items(servers: DynamoDBLocal) -> set[str]:
    """Items of sessions that live, and names that somebody has."""
    client = boto3.client("dynamodb", region_name="us-east-1", endpoint_url=servers.endpoint)
    try:
        items = [
            item
            for table in client.list_tables()["TableNames"]
            for item in client.scan(TableName=table, ConsistentRead=True)["Items"]
        ]
    finally:
        client.close()
    keys = {f"{item['pk']['S']} {item['sk']['S']}" for item in items if "sid" in item}
    sorts = {item.get("sk", {}).get("S", "") for item in items}  # tables of users have no such key
    return keys | {sort for sort in sorts if sort.startswith("s#")}
