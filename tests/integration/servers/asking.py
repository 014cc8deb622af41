"""A value put into a server and read back, with nothing but what is installed with it."""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
from typing import Any

from coord.testing.servers import ServerMember
from coord.testing.servers.find import find_java, find_zookeeper

__all__ = ["get", "put"]

_SIGNED = "AWS4-HMAC-SHA256 Credential=local/20250101/us-east-1/dynamodb/aws4_request, "
_SIGNED += "SignedHeaders=host, Signature=none"


def put(kind: str, member: ServerMember, value: str) -> None:
    if kind == "etcd":
        _post(member, "/v3/kv/put", {"key": _base64("key"), "value": _base64(value)})
    elif kind == "zookeeper":
        _zookeeper(member, "create", "/key", value)
    else:
        key: dict[str, Any] = {"TableName": "values", "BillingMode": "PAY_PER_REQUEST"}
        key["AttributeDefinitions"] = [{"AttributeName": "key", "AttributeType": "S"}]
        key["KeySchema"] = [{"AttributeName": "key", "KeyType": "HASH"}]
        _dynamodb(member, "CreateTable", key)
        item = {"key": {"S": "key"}, "value": {"S": value}}
        _dynamodb(member, "PutItem", {"TableName": "values", "Item": item})


def get(kind: str, member: ServerMember) -> str:
    if kind == "etcd":
        answer = _post(member, "/v3/kv/range", {"key": _base64("key")})
        return base64.b64decode(answer["kvs"][0]["value"]).decode()
    if kind == "zookeeper":
        return _zookeeper(member, "get", "/key").splitlines()[-1]
    wanted = {"TableName": "values", "Key": {"key": {"S": "key"}}}
    found: str = _dynamodb(member, "GetItem", wanted)["Item"]["value"]["S"]
    return found


def _post(member: ServerMember, path: str, body: object, **headers: str) -> Any:  # noqa: ANN401 (JSON)
    connection = http.client.HTTPConnection(member.host, member.port, timeout=20)
    try:
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text
        return json.loads(text)
    finally:
        connection.close()


def _dynamodb(member: ServerMember, operation: str, body: object) -> Any:  # noqa: ANN401 (JSON)
    headers = {
        "X-Amz-Target": f"DynamoDB_20120810.{operation}",
        "Content-Type": "application/x-amz-json-1.0",
        "Authorization": _SIGNED,
    }
    return _post(member, "/", body, **headers)


def _zookeeper(member: ServerMember, *words: str) -> str:
    command = [find_java(), "-XX:TieredStopAtLevel=1", "-cp", find_zookeeper()]
    command += ["org.apache.zookeeper.ZooKeeperMain", "-server", member.hostport, *words]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return outcome.stdout.strip()


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
