"""What a fleet of a user's daemon looks like: whatever roles its log tells of.

Owns when such a fleet is at rest. Nothing is known of it but what it writes: the roles that must be
led are named by whoever runs it, their shapes by the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from coord.lab.chaos.scene import Scene, State
from coord.lab.measure.events import Record, RoleMark
from coord.model import ClaimKey

__all__ = ["DaemonScene"]


class DaemonScene(Scene):
    """The present of a user's daemon. `roles` empty: whatever roles there are, one at least."""

    def __init__(self, roles: Sequence[str], members: Iterable[str]) -> None:
        super().__init__(members)
        self._wanted = tuple(roles)
        self._shapes: dict[str, RoleMark] = {}

    def _take(self, record: Record) -> None:
        super()._take(record)
        if isinstance(record, RoleMark):
            known = self._shapes.get(record.role)
            if known is None or record.generation > known.generation:
                self._shapes[record.role] = record
                self.changed_s = record.t

    @property
    def awaited(self) -> list[str]:
        """The roles that were named and that no record tells of yet."""
        return [role for role in self._wanted if role not in self._shapes]

    def leaders_of(self, role: str) -> list[str]:
        """The members that lead anything of this role and could act, by name."""
        return [name for name in self.leaders() if any(k.role == role for k in self._led(name))]

    def unled(self) -> list[ClaimKey]:
        """The seats that no process could act on now, of the newest generation of each role."""
        led = {key for w in self.workers.values() if w.acting for key in w.leads}
        return [key for key in self._claims() if key not in led]

    def steady(self, now_s: float, *, quiet_s: float) -> bool:
        """Whether all are there, all roles are led, and nothing has moved lately."""
        if any(w.state is not State.UP for w in self.workers.values()):
            return False
        if self.awaited or not self._shapes or now_s - self.changed_s < quiet_s:
            return False
        return not self.unled()

    def _led(self, name: str) -> Iterable[ClaimKey]:
        return self.workers[name].leads

    def _claims(self) -> Iterable[ClaimKey]:
        for mark in self._shapes.values():
            if mark.queue or (self._wanted and mark.role not in self._wanted):
                continue
            for shard in range(mark.shape.shards):
                for seat in range(mark.shape.seats):
                    yield ClaimKey(mark.role, mark.generation, shard, seat)
