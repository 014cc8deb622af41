"""What the same claims cost through boto3 alone: TransactWriteItems that put each absent item.

As many items a request as the server takes, one request after another. An item is about as large
as a claim's.
"""

import json
import secrets
import sys
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3

NOTE = '{"m":"first","c":0}'


def put(table: str, group: str, shard: int) -> dict[str, Any]:
    item = {
        "pk": {"S": group},
        "sk": {"S": f"c#bench#1#{shard}#0"},
        "owner": {"S": "0123456789abcdef01234567"},
        "tok": {"N": str(1 << 32)},
        "req": {"S": secrets.token_hex(8)},
        "note": {"S": NOTE},
    }
    return {
        "Put": {
            "TableName": table,
            "Item": item,
            "ConditionExpression": "attribute_not_exists(pk)",
        }
    }


def made(client: Any) -> str:  # noqa: ANN401 (boto3 makes its clients at run time)
    table = f"bare-{secrets.token_hex(4)}"
    client.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")
        ],
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
    )
    return table


def main(url: str, shards: int, batch: int) -> None:
    options = parse_qs(urlsplit(url).query)
    client = boto3.client(
        "dynamodb", region_name=options["region"][0], endpoint_url=options["endpoint"][0]
    )
    table = made(client)
    began = time.monotonic()
    for start in range(0, shards, batch):
        keys = range(start, min(shards, start + batch))
        client.transact_write_items(TransactItems=[put(table, "bench", shard) for shard in keys])
    claimed = time.monotonic() - began
    client.delete_table(TableName=table)
    client.close()
    sys.stdout.write(json.dumps({"claimed": claimed}))


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
