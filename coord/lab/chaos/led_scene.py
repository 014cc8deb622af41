"""What a fleet of the lab's own looks like where somebody leads: all claims of one role.

Owns when such a fleet is at rest.
"""

from __future__ import annotations

from collections.abc import Iterable

from coord.lab.chaos.scene import Scene, State
from coord.lab.work.modes import Mode

__all__ = ["LedScene"]

_FRESH_S = 1.0


class LedScene(Scene):
    """The present of one mode. Fed by one thread, read by the same."""

    def __init__(self, mode: Mode, members: Iterable[str]) -> None:
        super().__init__(members)
        self.mode = mode

    @property
    def most(self) -> int:
        """How much one worker may well lead at once: a full bar."""
        return min(self.mode.shards, 2 * -(-self.mode.claims // len(self.workers)))

    def unled(self) -> list[int]:
        """The shards that no process could act on now."""
        led = {key.shard for w in self.workers.values() if w.acting for key in w.leads}
        return [shard for shard in range(self.mode.shards) if shard not in led]

    def steady(self, now_s: float, *, quiet_s: float) -> bool:
        """Whether all are there, all claims are led and acted on, and none has moved lately."""
        workers = self.workers.values()
        if any(w.state is not State.UP or w.trusted_until_s <= now_s for w in workers):
            return False
        if sum(len(w.leads) for w in workers) < self.mode.claims:
            return False
        if now_s - self.changed_s < quiet_s:
            return False
        return all(now_s - self.acted_s(w, key) < _FRESH_S for w in workers for key in w.leads)
