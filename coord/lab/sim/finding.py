"""The smallest script that still breaks the rules that another one broke.

Owns what counts as the same finding: one of the same rules is broken. Plays scripts, changes none
of their fleet: what is left out are blows.
"""

from __future__ import annotations

from collections.abc import Sequence

from coord.lab.sim.script import Script, Strike
from coord.lab.sim.shrink import shrunk
from coord.lab.sim.storm import Played, Storm

__all__ = ["smallest"]


def smallest(played: Played, storm: type[Storm] = Storm) -> Script:
    """The script of a play that broke rules, with as few of its blows as still break one of them.

    After `shrink.TRIES` plays it is what was found by then. Played again, it breaks the rule again.
    """
    script = played.script

    def fails(strikes: Sequence[Strike]) -> bool:
        again = storm(script.with_strikes(tuple(strikes))).run()
        return bool(again.rules & played.rules)

    return script.with_strikes(tuple(shrunk(script.strikes, fails)))
