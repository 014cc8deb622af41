"""From a URL to an opened ledger store or queue.

Owns which kinds of things of `coord.tasks` URLs name, and which extra brings which. The choice by
scheme is `coord.registry`'s.
"""

from __future__ import annotations

from typing import cast

from coord.clock import SYSTEM_CLOCK, Clock
from coord.registry import Plugins, checked_timeout
from coord.tasks.queue.spi import MadeByUse, Queue, QueueFactory
from coord.tasks.spi import LedgerFactory, LedgerStore

__all__ = ["LEDGERS", "QUEUES", "open_ledger", "open_queue"]

LEDGERS = Plugins(
    group="coord.ledgers",
    noun="ledger",
    extras={
        "dynamodb": "dynamodb",
        "etcd": "etcd",
        "memory": "",
        "sqlite": "",
        "zookeeper": "zookeeper",
    },
)

QUEUES = Plugins(
    group="coord.queues",
    noun="queue",
    extras={"sqlite": "", "sqs": "sqs"},
)


def open_ledger(url: str, *, clock: Clock = SYSTEM_CLOCK, timeout_s: float = 1.0) -> LedgerStore:
    """Open the ledger store that `url` names: the URL of a store, `SCHEME://…/group`.

    `timeout_s` bounds each later request, `clock` is what its deadlines are read from. Raises
    `ConfigError` for an unknown scheme, `MissingExtra` when the ledger's package or its client
    library is not installed, and what the ledger itself raises on opening. The caller closes it.
    """
    checked_timeout(timeout_s)
    with LEDGERS.factory(url) as found:
        return cast("LedgerFactory", found).from_url(url, clock=clock, timeout_s=timeout_s)


def open_queue(
    url: str, *, clock: Clock = SYSTEM_CLOCK, timeout_s: float = 1.0, make: bool = True
) -> Queue:
    """Open the queue that `url` names: `sqlite:///file.db`, `sqs://name?region=…`.

    `timeout_s` bounds each later request (receiving: beyond its waiting time). Raises as
    `open_ledger`, and `StoreRefused` if there is no such queue. Of the embedded ones that are made
    by their first use only with `make=False`: for who looks, and would be told "0" of a queue that
    is not the one meant. The caller closes it.
    """
    checked_timeout(timeout_s)
    with QUEUES.factory(url) as found:
        if not make and isinstance(found, MadeByUse):
            found.check_is_there(url, clock=clock, timeout_s=timeout_s)
        return cast("QueueFactory", found).from_url(url, clock=clock, timeout_s=timeout_s)
