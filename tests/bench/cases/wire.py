"""What a server has been asked so far, by its own count: requests, and messages on its streams.

Owns the asking. For stores without a server there is none, and it says so. DynamoDB Local does not
count: there the endpoint must be the counting proxy of the benchmarks.
"""

from __future__ import annotations

import json
import socket
import urllib.request
from urllib.parse import parse_qs, urlsplit

__all__ = ["requests_so_far"]

_TIMEOUT_S = 10.0
_RECEIVED = "grpc_server_msg_received_total{"


def requests_so_far(url: str) -> float:
    """How many requests the servers of this store have received; 0 if it has no server."""
    scheme, netloc = urlsplit(url)[:2]
    if scheme == "etcd":
        return sum(_etcd(host) for host in netloc.split(","))
    if scheme == "zookeeper":
        return sum(_zookeeper(host) for host in netloc.split(","))
    if scheme == "dynamodb":
        (endpoint,) = parse_qs(urlsplit(url).query)["endpoint"]
        return float(json.loads(_get(endpoint))["requests"])
    return 0.0


def _etcd(host: str) -> float:
    lines = _get(f"http://{host}/metrics").splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(_RECEIVED))


def _zookeeper(host: str) -> float:
    name, _, port = host.partition(":")
    with socket.create_connection((name, int(port)), timeout=_TIMEOUT_S) as connection:
        connection.sendall(b"mntr")
        text = b"".join(iter(lambda: connection.recv(1 << 16), b"")).decode()
    (found,) = (line for line in text.splitlines() if line.startswith("zk_packets_received"))
    return float(found.split()[1])


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 (http, our own)
        text: str = answer.read().decode()
    return text
