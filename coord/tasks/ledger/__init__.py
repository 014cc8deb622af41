"""The ledger: what was begun and what was done, by key.

Owns the public names of idempotency records. The rules are in `records` and `lease`, which are
pure; a ledger's store is any `coord.tasks.spi.LedgerStore`.
"""

from coord.tasks.ledger.attempt import Attempt, Finished
from coord.tasks.ledger.ledger import Known, Ledger
from coord.tasks.ledger.records import State
from coord.tasks.ledger.sql import SqlOnce

__all__ = ["Attempt", "Finished", "Known", "Ledger", "SqlOnce", "State"]
