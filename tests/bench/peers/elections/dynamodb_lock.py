"""python-dynamodb-lock, as its documentation has it: a lock, and a callback when it is in danger.

Heartbeat, safe period and lease are in the proportion of its defaults (5, 20 and 30 s). Its record
version number is a UUID, which orders nothing; the token, for the event log alone, counts in an
item of its own in the same table, right after the lock was acquired.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import boto3
from botocore.exceptions import ClientError
from python_dynamodb_lock.python_dynamodb_lock import (  # type: ignore[import-not-found]
    DynamoDBLock,
    DynamoDBLockClient,
    DynamoDBLockError,
)

from tests.bench.peers.elections.job import Job, Tenure

_TABLE = "DynamoDBLockTable"
_REST_S = 0.2


def main() -> None:
    """Contend for ever."""
    job = Job()
    place = {"region_name": job.option("region"), "endpoint_url": job.option("endpoint")}
    try:
        DynamoDBLockClient.create_dynamodb_table(boto3.client("dynamodb", **place))
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceInUseException":
            raise
    resource = boto3.resource("dynamodb", **place)
    client = DynamoDBLockClient(
        resource,
        owner_name=job.member,
        heartbeat_period=timedelta(seconds=job.ttl_s * 5 / 30),
        safe_period=timedelta(seconds=job.ttl_s * 20 / 30),
        lease_duration=timedelta(seconds=job.ttl_s),
    )
    table = resource.Table(_TABLE)
    job.here()
    while True:
        abort = threading.Event()
        try:
            lock = client.acquire_lock(job.name, app_callback=lambda *_, abort=abort: abort.set())
        except DynamoDBLockError:
            time.sleep(_REST_S)
            continue
        job.work(Tenure(_number(table, job.name)), _check(lock, abort))
        lock.release()


def _check(lock: DynamoDBLock, abort: threading.Event) -> Callable[[], bool]:
    return lambda: not abort.is_set() and lock.status == DynamoDBLock.LOCKED


def _number(table: object, name: str) -> int:
    counted = table.update_item(  # type: ignore[attr-defined]
        Key={"lock_key": f"tenures-of-{name}", "sort_key": "-"},
        UpdateExpression="ADD tenures :one",
        ExpressionAttributeValues={":one": 1},
        ReturnValues="UPDATED_NEW",
    )
    return int(counted["Attributes"]["tenures"])


if __name__ == "__main__":
    main()
