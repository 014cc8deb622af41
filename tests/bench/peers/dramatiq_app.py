"""dramatiq on SQS: `dramatiq tests.bench.peers.dramatiq_app`; `python -m` to write messages."""

from __future__ import annotations

import dramatiq  # type: ignore[import-not-found]
from dramatiq_sqs import SQSBroker  # type: ignore[import-not-found]

from tests.bench.peers.setting import ENDPOINT, QUEUE, Captured, began, write

broker = SQSBroker(endpoint_url=ENDPOINT)
dramatiq.set_broker(broker)


@dramatiq.actor(actor_name="noop", queue_name=QUEUE)  # type: ignore[untyped-decorator]
def noop(number: int) -> None:
    """Nothing but the note."""
    began(number)


if __name__ == "__main__":
    captured = Captured()
    broker.queues[QUEUE] = captured
    write(noop.send, captured)
