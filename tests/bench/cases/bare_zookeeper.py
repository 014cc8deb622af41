"""What the same claims cost through kazoo alone: an ephemeral node under each key's node.

One transaction a key (write the note into the key's node, create the holder under it), so that
each key wins or loses by itself, all of them sent without waiting for answers. The keys' nodes
are made in the same way before, and counted too, as they are by a fleet on a fresh store.
"""

import json
import sys
import time
from urllib.parse import urlsplit

from kazoo.client import KazooClient

NOTE = b'{"m":"first","c":0}'
AHEAD = 1000
"""How many requests are under way at once: beyond that, kazoo's own queue costs more."""


def claim(client: KazooClient, root: str, shards: range) -> None:
    answers = []
    for shard in shards:
        request = client.transaction()
        request.create(f"{root}/{shard}", NOTE)
        request.create(f"{root}/{shard}/holder", ephemeral=True)
        answers.append(request.commit_async())
    for answer in answers:
        assert not any(isinstance(one, Exception) for one in answer.get(timeout=30))


def main(url: str, shards: int) -> None:
    address = urlsplit(url)
    client = KazooClient(hosts=address.netloc, timeout=30.0)
    client.start(timeout=10)
    root = f"/bare{address.path}/{client.client_id[0]}"
    client.ensure_path(root)
    began = time.monotonic()
    for start in range(0, shards, AHEAD):
        claim(client, root, range(start, min(shards, start + AHEAD)))
    claimed = time.monotonic() - began
    assert len(client.get_children(root)) == shards
    client.stop()
    client.close()
    sys.stdout.write(json.dumps({"claimed": claimed}))


main(sys.argv[1], int(sys.argv[2]))
