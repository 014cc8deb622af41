"""The fleet machine played by a seeded generator instead of hypothesis.

Owns the choice of what happens next. For runs that have to be repeated exactly, in this process
or in another, and for runs that are longer than hypothesis would try.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable

from coord.core import commands as c
from coord.testing.faults import Fate
from coord.testing.memory import Manner
from coord.testing.world import Conduct
from tests.unit.core.fleet_machine import NAMES, ROLES, FleetMachine

__all__ = ["storm", "storming"]

_INF = float("inf")
_COMMANDS = (c.OpenSession, c.Heartbeat, c.Claim, c.Release, c.CloseSession, c.ReadView, c.PutRole)
_FATES = (Fate.LOSE_REQUEST, Fate.LOSE_REPLY, Fate.HOLD, Fate.REFUSE)


def storming(seed: int) -> FleetMachine:
    """A fleet as the seed makes it."""
    draw = random.Random(seed)
    fleet = FleetMachine()
    fleet.begin(
        seed=seed,
        manner=draw.choice(list(Manner)),
        skewed=draw.random() < 0.5,
        lag_s=draw.choice([0.0, 0.5]),
    )
    return fleet


def storm(fleet: FleetMachine, seed: int, steps: int) -> None:
    """Let `steps` things happen to it."""
    draw = random.Random(seed + 1)
    choices = _choices(fleet, draw)
    weights = [weight for weight, _ in choices]
    for _ in range(steps):
        draw.choices(choices, weights)[0][1]()
        fleet.world.verdict.check()


def _choices(fleet: FleetMachine, draw: random.Random) -> list[tuple[int, Callable[[], object]]]:
    def name() -> str:
        return draw.choice(NAMES)

    def role() -> str:
        return draw.choice(ROLES)

    return [
        (12, lambda: fleet.pass_time(draw.choice([0.01, 0.3, 1.0, 3.0, 8.0, 20.0]))),
        (3, lambda: fleet.pause_or_resume(name())),
        (1, lambda: fleet.stall_control(name())),
        (2, lambda: fleet.crash(name(), draw.random() < 0.5)),
        (1, lambda: fleet.stop(name(), draw.random() < 0.5)),
        (4, lambda: fleet.start(name())),
        (5, lambda: fleet.script(name(), draw.choice(_FATES), [draw.choice(_COMMANDS)], 2)),
        (3, fleet.land_held),
        (2, lambda: fleet.cut_or_mend_link(name())),
        (
            3,
            lambda: fleet.make_link_bad(
                name(), draw.choice([0, 0, 0.1]), draw.choice([0.002, 0.4])
            ),
        ),
        (1, lambda: fleet.expire_late(draw.choice([0.0, 2.0]))),
        (
            3,
            lambda: fleet.behave(
                name(), role(), draw.choice(list(Conduct)), draw.choice([0.0, 3.0, _INF]), 1
            ),
        ),
        (3, lambda: fleet.mend_code(name())),
        (2, lambda: fleet.serve_or_drop(name(), role())),
        (2, lambda: fleet.pause_or_open_role(role())),
        (1, lambda: fleet.reshape(draw.randint(1, 6))),
        (1, lambda: fleet.depose(draw.randint(0, 4))),
    ]


if __name__ == "__main__":
    played = storming(int(sys.argv[1]))
    storm(played, int(sys.argv[1]), 60)
    sys.stdout.write(played.world.trace)
