"""A fake of Amazon SQS for tests, which is as unpleasant as the real one may be.

Owns the table of names below and holds no logic; a name's module is imported on first use.
`SqsServer` runs it in a process of its own, `SqsFake` in a thread, and
`python -m coord.testing.sqs serve` by hand. It speaks the JSON protocol that boto3 speaks.

What sets it apart from other fakes: receipts are over when a message has been received again,
nothing takes longer because a queue is long, long polls wake at the moment, limits are those that
Amazon documents, faults can be ordered, and time can be virtual. How strict it is about receipts,
and why, stands in `coord.testing.sqs.queue`.

Not modelled: signatures (keys and regions can be checked), policies and permissions, encryption,
more than one account or region, the query protocol, TLS, rate limits (order them as faults), the
sampling of short polls and other delays of a distributed system (counts are exact, settings and
purges take effect at once), a message that comes back after it was deleted, tracing headers beyond
storing them, what Amazon counts as noise besides messages in flight. `docs/sqs-fake.md` has it all.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the same table once more, for type checkers and editors
    from coord.testing.sqs.control import QueueStats, Stats
    from coord.testing.sqs.embedded import SqsFake
    from coord.testing.sqs.faults import Fault
    from coord.testing.sqs.launcher import SqsServer
    from coord.testing.sqs.serving import Settings
    from coord.testing.sqs.tally import Tally

__all__ = ["Fault", "QueueStats", "Settings", "SqsFake", "SqsServer", "Stats", "Tally"]

_HOMES = {
    "Fault": "coord.testing.sqs.faults",
    "QueueStats": "coord.testing.sqs.control",
    "Settings": "coord.testing.sqs.serving",
    "SqsFake": "coord.testing.sqs.embedded",
    "SqsServer": "coord.testing.sqs.launcher",
    "Stats": "coord.testing.sqs.control",
    "Tally": "coord.testing.sqs.tally",
}


def __getattr__(name: str) -> object:
    """Import a public name on first use; from then on it is an ordinary attribute."""
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
