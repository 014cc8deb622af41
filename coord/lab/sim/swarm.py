"""A script drawn from a seed: which faults are on, how the fleet is made, what strikes when.

Owns the drawing. Each seed turns some faults off altogether (what is always on may hide what two
others do alone), and draws the shape of the fleet, its clocks, zones and limits, from streams of
their own. Plays nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from coord.config import Timing
from coord.lab.sim.blows import ALL, SIMULATED, ZONE, Blow
from coord.lab.sim.dice import Dice
from coord.lab.sim.fleet import Fitting
from coord.lab.sim.manners import MANNERS, StoreManner
from coord.lab.sim.script import Script, Strike
from coord.lab.work.modes import MODES, PROGRESS_TIMEOUT_S, mode_named

__all__ = ["swarm"]

_TTLS_S = (4.0, 10.0)
_DRIFTS = (0.002, 0.02, 0.05)
_WORK_S = ((1.0, 0.1), (0.2, 0.4))
"""Rest and act: one that mostly rests, one that is mostly between its check and its commit."""
_STOPS = ((0.0, 0.0), (0.05, 0.0), (0.5, 0.7), (0.5, 0.7))
"""How long code takes to stop (it is given 0.2), and is not wedged (0: as usual), in ttls."""
_FAR = 0.4
"""How much longer each way takes of a member that is far off, in timeouts of a request."""
_HALF, _SOME, _FEW = 0.5, 0.4, 0.3
_LATE = "late-writes"
"""What it holds lands up to two ttls later, renewals of the dead among it."""
_PEACE = (0.0, 3.0)
_BETAS = (0.0, 0.1, 0.3)
_TARGETS = ("leader", "leader", "follower", "one", "half")
_RUINS = ("kill", "pause", "wedge", "partition", "partition-requests")
"""What may stand to the end, of members outside the core. Not `partition-replies`: docs/sim.md."""


def swarm(seed: int, *, mode: str = "", store: str = "", faults: Sequence[str] = ()) -> Script:
    """The script of a seed; of one mode and store where they are given, else of any.

    `faults`: none but these strike; without any, those that the seed turns on.
    """
    dice = Dice(seed)
    made = dice.stream("swarm: fleet")
    modes = [one.name for one in MODES if not one.queue]
    mode = mode or made.choice(modes)
    store = store or made.choice(list(MANNERS))
    rest_s, work_s = made.choice(_WORK_S)
    stop, progress = made.choice(_STOPS)
    draw = _Draw(
        dice=dice,
        manner=MANNERS[store],
        ttl_s=made.choice(_TTLS_S),
        drift=made.choice(_DRIFTS),
        members=made.choice((2, 3, 3, 4, 5)),
        faults=tuple(faults),
    )
    fittings = draw.fittings(mode_named(mode).role.shards)
    strikes, calm_s = draw.strikes(zones=any(one.zone for one in fittings.values()))
    far = any(one.far_s for one in fittings.values())  # a claim handed to them is often overdue
    return Script(
        seed=seed,
        mode=mode,
        store=store,
        ttl_s=draw.ttl_s,
        heartbeat_s=draw.ttl_s * made.choice((0.2, 0.25)),
        drift=draw.drift,
        members=draw.members,
        calm_s=calm_s,
        stop_s=stop * draw.ttl_s,
        progress_s=max(PROGRESS_TIMEOUT_S, progress * draw.ttl_s),
        rest_s=rest_s,
        work_s=work_s,
        peace_s=0.0 if far else made.choice(_PEACE) * draw.ttl_s,
        fittings=fittings,
        strikes=(*strikes, *draw.ruins(calm_s, len(strikes))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draw:
    """What is drawn within one script, from streams that do not move each other."""

    dice: Dice
    manner: StoreManner
    ttl_s: float
    drift: float
    members: int
    faults: tuple[str, ...]

    def fittings(self, shards: int) -> dict[str, Fitting]:
        """Zones, weights, limits, clocks. `m1` is near and has no limit: it can hold all."""
        made = self.dice.stream("swarm: members")
        zones = made.choice((0, 2, 3))
        skewed = made.random() < _HALF and not self.manner.one_clock
        weighted = made.random() < _FEW
        limited = made.random() < _SOME
        far = made.randint(2, self.members) if made.random() < _HALF else 0
        far_s = _FAR * Timing.of(self.ttl_s).rpc_timeout_s
        return {
            f"m{number}": Fitting(
                zone=f"z{number % zones + 1}" if zones else "",
                weight=made.choice((0.5, 1.0, 2.0)) if weighted else 1.0,
                max_shards=made.randint(1, shards) if limited and number > 1 else None,
                rate=1 + made.uniform(-_HALF, _HALF) * self.drift if skewed else 1.0,
                far_s=far_s if number == far else 0.0,
            )
            for number in range(1, self.members + 1)
        }

    def strikes(self, *, zones: bool) -> tuple[list[Strike], float]:
        """What strikes and is healed, several at once, and when the last of it has been healed."""
        made = self.dice.stream("swarm: strikes")
        fitting = [name for name, blow in SIMULATED.items() if self._fits(blow)]
        fitting.remove("raise")  # most of what it strikes is poisoned, and rests for minutes
        on = self.faults or [name for name in fitting if made.random() < _SOME]
        beta = made.choice(_BETAS)
        targets = (*_TARGETS, ZONE) if zones else _TARGETS
        found: list[Strike] = []
        at_s = calm_s = 0.0
        for lot in range(made.randint(3, 8)):
            at_s += made.expovariate(1 / self.ttl_s)
            for_s = made.uniform(0.1, 2.5) * self.ttl_s
            strike = Strike(
                at_s=round(at_s, 3),
                fault=made.choice(on or fitting),
                whom=ALL if made.random() < beta else made.choice(targets),
                for_s=round(for_s, 3),
                lot=lot,
            )
            found.append(strike)
            landed_s = 2 * self.ttl_s if strike.fault == _LATE else 0.0
            calm_s = max(calm_s, at_s + for_s + landed_s)
        if made.random() < _FEW and not self.faults:
            found.append(Strike(at_s=0.0, fault=_LATE, whom="all", for_s=calm_s, lot=-1))
            calm_s += 2 * self.ttl_s
        return found, round(calm_s + made.random() * self.ttl_s, 3)

    def ruins(self, calm_s: float, lot: int) -> list[Strike]:
        """What stands to the end: of members outside the core, to which `m1` always belongs."""
        made = self.dice.stream("swarm: ruins")
        outside = [f"m{n}" for n in range(2, self.members + 1) if made.random() < _SOME]
        kinds = [name for name in _RUINS if self._fits(SIMULATED[name])]
        if self.faults:
            kinds = [name for name in kinds if name in self.faults]
        return [
            Strike(
                at_s=calm_s, fault=made.choice(kinds), whom=name, for_s=math.inf, lot=lot + place
            )
            for place, name in enumerate(outside)
            if kinds
        ]

    def _fits(self, blow: Blow) -> bool:
        """Whether a store of this kind has what it strikes."""
        servers = self.manner.death_seen_s is None
        return (servers or not blow.store) and not (blow.clock and self.manner.one_clock)
