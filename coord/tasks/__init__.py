"""Housekeeping tasks: written once, run by leaders, co-leaders or a queue.

Owns the table of what users import from `coord.tasks`. Holds no logic and imports nothing before
a name is asked for: whoever needs a protocol alone (a backend) does not load the rest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the same table once more, for type checkers and editors
    from coord.tasks.budget import Budgets
    from coord.tasks.job import Job
    from coord.tasks.ledger import Attempt, Finished, Ledger, SqlOnce
    from coord.tasks.mark import TaskSpec, spec_of, task, tasks_of
    from coord.tasks.queue.worker import Worker
    from coord.tasks.schedule import Cron, Every, Tick

__all__ = [
    "Attempt",
    "Budgets",
    "Cron",
    "Every",
    "Finished",
    "Job",
    "Ledger",
    "SqlOnce",
    "TaskSpec",
    "Tick",
    "Worker",
    "spec_of",
    "task",
    "tasks_of",
]

_HOMES = {
    "Attempt": "coord.tasks.ledger",
    "Budgets": "coord.tasks.budget",
    "Cron": "coord.tasks.schedule",
    "Every": "coord.tasks.schedule",
    "Finished": "coord.tasks.ledger",
    "Job": "coord.tasks.job",
    "Ledger": "coord.tasks.ledger",
    "SqlOnce": "coord.tasks.ledger",
    "TaskSpec": "coord.tasks.mark",
    "Tick": "coord.tasks.schedule",
    "Worker": "coord.tasks.queue.worker",
    "spec_of": "coord.tasks.mark",
    "task": "coord.tasks.mark",
    "tasks_of": "coord.tasks.mark",
}

if not TYPE_CHECKING:  # or a type checker would believe that every name exists

    def __getattr__(name: str) -> object:
        """Import a public name on first use; from then on it is an ordinary attribute."""
        if name not in _HOMES:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
