"""The public names of coord, and nothing else.

Owns the table of what users import from `coord`. Holds no logic and imports nothing before a name is asked for, so that
`import coord` stays within 100 ms and loads no client library; `tests/architecture/test_exports.py` keeps both.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from coord._version import __version__

if TYPE_CHECKING:  # the same table once more, for type checkers and editors
    from coord.config import Timing
    from coord.errors import CoordError, LeadershipLost
    from coord.fencing import SqlFence
    from coord.model import Role
    from coord.runtime import AsyncCoordinator, Coordinator, Term

__all__ = [
    "AsyncCoordinator",
    "CoordError",
    "Coordinator",
    "LeadershipLost",
    "Role",
    "SqlFence",
    "Term",
    "Timing",
    "__version__",
]

_HOME = {
    "AsyncCoordinator": "coord.runtime",
    "CoordError": "coord.errors",
    "Coordinator": "coord.runtime",
    "LeadershipLost": "coord.errors",
    "Role": "coord.model",
    "SqlFence": "coord.fencing",
    "Term": "coord.runtime",
    "Timing": "coord.config",
}


def __getattr__(name: str) -> object:
    """Import a public name on first use; afterwards it is an ordinary attribute."""
    home = _HOME.get(name)
    if home is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_HOME))
