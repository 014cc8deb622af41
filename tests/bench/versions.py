"""Which version of its software a server runs, for the page."""

from __future__ import annotations

import json
import re
import urllib.request

from coord.testing.servers import DynamoDBLocal, EtcdServers, Servers, four_letters

__all__ = ["version_of"]


def version_of(servers: Servers) -> str:
    """The server's own word where it has one."""
    member = servers.members[0]
    if isinstance(servers, EtcdServers):
        with urllib.request.urlopen(f"http://{member.hostport}/version", timeout=10) as answer:
            return f"etcd {json.loads(answer.read())['etcdserver']}"
    if isinstance(servers, DynamoDBLocal):
        return "DynamoDB Local 1.11"
    found = re.search(r"version: ([\d.]+)", four_letters(member.port, "srvr"))
    return f"ZooKeeper {found[1] if found else 'of unknown version'}"
