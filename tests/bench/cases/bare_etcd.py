"""What the same claims cost through etcd's stubs alone: put each key, on a lease, if it is absent.

One nested transaction a key, so that each key wins or loses by itself, as many in a request as
etcd takes; one request after another.
"""

import json
import sys
import time
from urllib.parse import urlsplit

import grpc
from etcd3 import etcdrpc

KEYS = 120
NOTE = b'{"m":"first","c":0}'
TTL_S = 60


def nested(key: bytes, lease: int) -> etcdrpc.RequestOp:
    absent = etcdrpc.Compare(
        key=key, target=etcdrpc.Compare.CREATE, result=etcdrpc.Compare.EQUAL, create_revision=0
    )
    put = etcdrpc.RequestOp(
        request_put=etcdrpc.PutRequest(key=key, value=NOTE, lease=lease),
    )
    return etcdrpc.RequestOp(request_txn=etcdrpc.TxnRequest(compare=[absent], success=[put]))


def main(url: str, shards: int) -> None:
    address = urlsplit(url)
    with grpc.insecure_channel(address.netloc.split(",")[0]) as channel:
        grpc.channel_ready_future(channel).result(timeout=10)
        kv, leases = etcdrpc.KVStub(channel), etcdrpc.LeaseStub(channel)
        lease = leases.LeaseGrant(etcdrpc.LeaseGrantRequest(TTL=TTL_S), timeout=10).ID
        keys = [f"bare{address.path}/{lease}/{shard}".encode() for shard in range(shards)]
        began = time.monotonic()
        won = 0
        for start in range(0, shards, KEYS):
            ops = [nested(key, lease) for key in keys[start : start + KEYS]]
            answer = kv.Txn(etcdrpc.TxnRequest(success=ops), timeout=10)
            won += sum(response.response_txn.succeeded for response in answer.responses)
        claimed = time.monotonic() - began
        assert won == shards
        leases.LeaseRevoke(etcdrpc.LeaseRevokeRequest(ID=lease), timeout=10)
    sys.stdout.write(json.dumps({"claimed": claimed}))


main(sys.argv[1], int(sys.argv[2]))
