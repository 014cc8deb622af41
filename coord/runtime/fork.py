"""What happens to coordinators when their process forks.

Owns the one fork handler. A forked child has none of the threads that renew, shares sockets and
files with its parent, and would act under the parent's session; so in the child every engine is
disowned: `check()` raises, and so does any other use. The parent is not touched.
"""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coord.runtime.engine import Engine

__all__ = ["watch_forks_of"]

_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


def watch_forks_of(engine: Engine) -> None:
    """Disown `engine` in any child that this process forks from now on."""
    _engines.add(engine)


def _disown_all() -> None:
    for engine in list(_engines):
        engine.disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown_all)
