"""The public names of coord, and nothing else.

Owns the table of what users import from `coord`. Holds no logic and imports nothing before a name
is asked for, so that `import coord` stays within 100 ms and loads no client library;
`tests/architecture/test_exports.py` keeps both.

PYTEST_DONT_REWRITE: pytest would rewrite the assertions of whatever brings a plugin, and complain
of a coord that was imported before it. There are none here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from coord._version import __version__

if TYPE_CHECKING:  # the same table once more, for type checkers and editors
    from coord.config import Role, Timing
    from coord.errors import (
        BudgetSpent,
        Certainty,
        ConfigError,
        CoordError,
        DuplicateMember,
        Fenced,
        ForkedProcess,
        InProgress,
        InternalError,
        JobCancelled,
        LeadershipLost,
        MissingExtra,
        NotElected,
        PayloadMismatch,
        SessionLost,
        ShapeConflict,
        StoreConflict,
        StoreError,
        StoreRefused,
        StoreUnavailable,
        UsageError,
    )
    from coord.fencing import SqlFence
    from coord.runtime import AsyncCoordinator, Coordinator, Term
    from coord.tasks import Job, Ledger, SqlOnce, Worker, task

__all__ = [
    "AsyncCoordinator",
    "BudgetSpent",
    "Certainty",
    "ConfigError",
    "CoordError",
    "Coordinator",
    "DuplicateMember",
    "Fenced",
    "ForkedProcess",
    "InProgress",
    "InternalError",
    "Job",
    "JobCancelled",
    "LeadershipLost",
    "Ledger",
    "MissingExtra",
    "NotElected",
    "PayloadMismatch",
    "Role",
    "SessionLost",
    "ShapeConflict",
    "SqlFence",
    "SqlOnce",
    "StoreConflict",
    "StoreError",
    "StoreRefused",
    "StoreUnavailable",
    "Term",
    "Timing",
    "UsageError",
    "Worker",
    "__version__",
    "task",
]

# Where a name lives; what is not listed is one of `coord.errors`.
_HOMES = {
    "AsyncCoordinator": "coord.runtime",
    "Coordinator": "coord.runtime",
    "Job": "coord.tasks",
    "Ledger": "coord.tasks",
    "Role": "coord.config",
    "SqlFence": "coord.fencing",
    "SqlOnce": "coord.tasks",
    "Term": "coord.runtime",
    "Timing": "coord.config",
    "Worker": "coord.tasks",
    "task": "coord.tasks",
}

if not TYPE_CHECKING:  # or a type checker would believe that every name exists

    def __getattr__(name: str) -> object:
        """Import a public name on first use; from then on it is an ordinary attribute."""
        if name not in __all__:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        home = import_module(_HOMES.get(name, "coord.errors"))
        value = getattr(home, name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
