"""From a URL to an opened ledger store.

Owns which kinds of things of `coord.tasks` URLs name, and which extra brings which. The choice by
scheme is `coord.registry`'s.
"""

from __future__ import annotations

from typing import cast

from coord.clock import SYSTEM_CLOCK, Clock
from coord.registry import Plugins, checked_timeout
from coord.tasks.spi import LedgerFactory, LedgerStore

__all__ = ["LEDGERS", "open_ledger"]

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


def open_ledger(url: str, *, clock: Clock = SYSTEM_CLOCK, timeout_s: float = 1.0) -> LedgerStore:
    """Open the ledger store that `url` names: the URL of a store, `SCHEME://…/group`.

    `timeout_s` bounds each later request, `clock` is what its deadlines are read from. Raises
    `ConfigError` for an unknown scheme, `MissingExtra` when the ledger's package or its client
    library is not installed, and what the ledger itself raises on opening. The caller closes it.
    """
    checked_timeout(timeout_s)
    with LEDGERS.factory(url) as found:
        return cast("LedgerFactory", found).from_url(url, clock=clock, timeout_s=timeout_s)
