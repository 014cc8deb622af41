"""Following who leads a role, without competing for it.

Owns the noticing of changes in the views that the engine reads anyway; asks the store nothing. The
comparing is done by whoever follows, outside the engine's lock: a role may have 10,000 claims.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from coord.model import View
from coord.runtime.status import Leadership, leadership_of

if TYPE_CHECKING:
    from coord.runtime.engine import Engine

__all__ = ["Follower", "follow"]


class Follower:
    """What one observer has been shown."""

    def __init__(self, engine: Engine, role: str) -> None:
        self._engine = engine
        self._role = role
        self._revision: int | None = None
        self._shown: Leadership | None = None

    @property
    def has_end(self) -> bool:
        """Whether nothing more will be shown."""
        return self._engine.stopping or self._engine.over

    def moved(self) -> bool:
        """Whether there is anything to look at, or the end. Cheap, and may be called anywhere."""
        view = self._engine.view
        return self.has_end or (view is not None and view.revision != self._revision)

    def news(self) -> Leadership | None:
        """What has changed since the last call; None: nothing of this role."""
        view: View | None = self._engine.view
        if self.has_end or view is None or view.revision == self._revision:
            return None
        self._revision = view.revision
        present = leadership_of(view, self._role)
        if present == self._shown:
            return None
        self._shown = present
        return present


def follow(engine: Engine, role: str) -> Iterator[Leadership]:
    """Yield what leads now and at every change; ends with the member."""
    follower = Follower(engine, role)
    while engine.wait_for(follower.moved, None) and not follower.has_end:
        found = follower.news()
        if found is not None:
            yield found
