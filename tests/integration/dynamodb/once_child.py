"""Processes that act once through `DynamoDBOnce` and end without a word at any step.

usage: python -m tests.integration.dynamodb.once_child ENDPOINT ACCOUNTS REGISTER

For each step there is an account of its own and a process that ends at that step (before or after
a request of the client), then two that do not. A line of JSON each: the step, how the first ended.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import boto3

from coord_dynamodb.acts import ActWrites
from coord_dynamodb.once import DynamoDBOnce

DIED = 9
MOST_STEPS = 20


class _Doomed:
    """A client that ends its process before or after one of its requests."""

    def __init__(self, endpoint: str, step: int) -> None:
        self._client: Any = boto3.client("dynamodb", region_name="us-east-1", endpoint_url=endpoint)
        self._left = step

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  a client's methods
        def call(**asked: Any) -> Any:  # noqa: ANN401
            self._step()
            answer = getattr(self._client, name)(**asked)
            self._step()
            return answer

        return call

    def _step(self) -> None:
        self._left -= 1
        if self._left == 0:
            os._exit(DIED)


def _process(endpoint: str, accounts: str, register: str, key: str, step: int = 0) -> int:
    child = os.fork()
    if not child:

        def charge(writes: ActWrites) -> str:
            writes.update(
                TableName=accounts,
                Key={"id": {"S": key}},
                UpdateExpression="ADD balance :n",
                ExpressionAttributeValues={":n": {"N": "1"}},
            )
            return "charged"

        once = DynamoDBOnce(_Doomed(endpoint, step), table=register)
        assert once.run(key, charge) == "charged"
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def main(endpoint: str, accounts: str, register: str) -> None:
    for step in range(1, MOST_STEPS):
        key = f"step-{step}"
        ended = _process(endpoint, accounts, register, key, step)
        assert [_process(endpoint, accounts, register, key) for _ in range(2)] == [0, 0]
        sys.stdout.write(json.dumps({"key": key, "ended": ended}) + "\n")
        if ended == 0:
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
