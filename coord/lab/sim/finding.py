"""The smallest script that still breaks the rules that a play broke.

Owns what counts as the same finding: one of the same rules is broken. Plays scripts, changes none
of their fleet: what is left out are blows. The rounds of a setting are first told as a script.
"""

from __future__ import annotations

from collections.abc import Sequence

from coord.lab.sim.blows import ALL, ZONE
from coord.lab.sim.dice import Dice
from coord.lab.sim.run import Outcome, Setting
from coord.lab.sim.script import Script, Strike
from coord.lab.sim.shrink import TRIES, shrunk
from coord.lab.sim.storm import Played, Storm

__all__ = ["smallest", "smallest_of"]

_ROUNDS = 4
"""How many rounds of a setting one script has: an earlier one may leave what breaks a rule."""


def smallest(played: Played, storm: type[Storm] = Storm) -> Script:
    """The script of a play that broke rules, with as few of its blows as still break one of them.

    After `shrink.TRIES` plays it is what was found by then. Played again, it breaks the rule again.
    """
    script = played.script

    def fails(strikes: Sequence[Strike]) -> bool:
        again = storm(script.with_strikes(tuple(strikes))).run()
        return bool(again.rules & played.rules)

    return script.with_strikes(tuple(shrunk(script.strikes, fails)))


def smallest_of(outcome: Outcome, storm: type[Storm] = Storm) -> Script | None:
    """A smallest script for a setting that broke rules; None if no script was seen to break one.

    A setting draws moments round after round, and a script is a few rounds from the beginning. So
    scripts with other moments are played, at most `shrink.TRIES`, to the first that breaks one of
    the same rules. Pauses of a file, and a setting without a fault, cannot be told as blows.
    """
    setting = outcome.setting
    rules = {violation.rule for violation in outcome.violations}
    if not setting.strikes or setting.pauses is not None:
        return None
    for lot in range(TRIES):
        played = storm(_told(setting, lot)).run()
        if played.rules & rules:
            return smallest(played, storm)
    return None


def _told(setting: Setting, lot: int) -> Script:
    """A few rounds of a setting as a script, with moments of their own."""
    timing, bound_s = setting.timing, setting.manner.bound_s(setting.timing)
    dice = Dice(setting.seed).stream(f"script {lot}")
    whom = ZONE if setting.zones else ALL
    strikes: list[Strike] = []
    began_s = 0.0
    for _ in range(_ROUNDS):
        began_s += dice.random() * timing.heartbeat_s
        for _, plan in setting.strikes:
            strikes.append(
                Strike(
                    at_s=round(began_s + plan.at_s, 3),
                    fault=plan.kind,
                    whom=whom if dice.random() < setting.beta else plan.target,
                    for_s=plan.for_s,
                    lot=len(strikes),
                )
            )
        began_s = max(one.at_s + one.for_s for one in strikes) + bound_s
    return Script(
        seed=lot,
        mode=setting.mode,
        store=setting.store,
        ttl_s=timing.ttl_s,
        heartbeat_s=timing.heartbeat_s,
        drift=timing.drift,
        members=setting.members,
        calm_s=round(began_s, 3),
        work_s=setting.pace.work.work_s,
        rest_s=setting.pace.work.rest_s,
        shards=setting.shards,
        seats=setting.seats,
        fittings=setting.fittings,
        strikes=tuple(strikes),
    )
