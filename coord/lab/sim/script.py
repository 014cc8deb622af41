"""A script: one fleet, and the blows that strike it, as data that can be kept and played again.

Owns the form (`coord.blows/1`), its reading and writing. Draws nothing and plays nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from coord.config import Role, Timing
from coord.errors import CoordError, UsageError
from coord.lab.sim.blows import blow_named, refuse_misfit
from coord.lab.sim.fleet import Fitting
from coord.lab.sim.manners import MANNERS, StoreManner
from coord.lab.work.modes import PROGRESS_TIMEOUT_S, mode_named

__all__ = ["SCHEMA", "Script", "Strike", "read_script", "script_from_json"]

SCHEMA = "coord.blows/1"
_ASK = "Scripts are written by `coord sim`; docs/sim.md says what stands in them."


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """One blow: when after the fleet was whole, which fault, whom, and for how long.

    `whom`: a target of chaos, `zone`, or names of members with commas between them. `for_s`
    infinite: it stands until all is over, and the others have to recover beside it. `lot` draws
    whom, where several fit; so one strike less leaves the lots of the others as they were.
    """

    at_s: float
    fault: str
    whom: str
    for_s: float
    lot: int = 0

    def __str__(self) -> str:
        lasts = "to the end" if math.isinf(self.for_s) else f"for {self.for_s:.3f} s"
        return f"{self.at_s:9.3f} s  {self.fault} {self.whom} {lasts}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """All that a play depends on. Durations in seconds.

    `calm_s`: when, after the fleet was whole, all that heals has been healed. `peace_s`: how long
    nothing strikes before the first blow, and nobody may be demoted. `work_s`, `rest_s`: how long
    an act takes, and how long a leader rests before the next. `stop_s`: how long its code takes to
    stop when it is asked to. `progress_s`: after how long without progress it counts as wedged.
    `fittings`: members that differ, by name.
    """

    seed: int
    mode: str
    store: str
    ttl_s: float
    heartbeat_s: float
    drift: float
    members: int
    calm_s: float
    stop_s: float = 0.0
    work_s: float = 0.1
    rest_s: float = 1.0
    peace_s: float = 0.0
    progress_s: float = PROGRESS_TIMEOUT_S
    shards: int | None = None
    seats: int | None = None
    fittings: Mapping[str, Fitting] = field(default_factory=dict)
    strikes: tuple[Strike, ...] = ()

    @property
    def role(self) -> Role:
        """The role that all members serve."""
        role = mode_named(self.mode, shards=self.shards, seats=self.seats).role
        return replace(role, progress_timeout_s=self.progress_s)

    @property
    def manner(self) -> StoreManner:
        """The store's. Raises UsageError for a kind that is not known."""
        found = MANNERS.get(self.store)
        if found is None:
            raise UsageError(
                f"no store {self.store!r} is simulated", cure=f"Stores: {', '.join(MANNERS)}."
            )
        return found

    @property
    def timing(self) -> Timing:
        """The budget. Raises ConfigError if it does not add up."""
        timing = Timing.of(self.ttl_s, heartbeat_s=self.heartbeat_s, drift=self.drift)
        timing.check_budget(ttl_s=max(self.ttl_s, self.manner.min_ttl_s), lag_s=self.manner.lag_s)
        return timing

    def checked(self) -> Script:
        """Itself. Raises UsageError or ConfigError where it cannot be played."""
        for strike in self.strikes:
            refuse_misfit(blow_named(strike.fault), self.manner)
            if strike.at_s < 0 or strike.for_s < 0:
                raise UsageError(f"{strike.fault} before the beginning", cure=_ASK)
        if self.members < 1 or self.role.shards < 1 or not self.timing.ttl_s:
            raise UsageError("a fleet of nobody", cure=_ASK)
        return self

    def with_strikes(self, strikes: tuple[Strike, ...]) -> Script:
        """The same fleet under other blows."""
        return replace(self, strikes=strikes)

    def to_json(self) -> dict[str, Any]:
        """As `coord.blows/1`; what stands to the end has `for_s` null."""
        told = {"schema": SCHEMA} | asdict(self)
        told["strikes"] = [
            asdict(one) | ({"for_s": None} if math.isinf(one.for_s) else {}) for one in self.strikes
        ]
        return told


def read_script(file: Path) -> Script:
    """The script in a file. Raises UsageError, with file and line where it is no JSON."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}", cure=_ASK) from error
    try:
        return script_from_json(text)
    except json.JSONDecodeError as error:
        cause = f"{file}, line {error.lineno}, is no JSON: {error.msg}"
        raise UsageError(cause, cure=_ASK) from error
    except CoordError as error:
        raise UsageError(f"{file}: {error}", cure=_ASK) from error


def script_from_json(text: str) -> Script:
    """The script in a text. Raises UsageError, ConfigError or JSONDecodeError."""
    told = json.loads(text)
    if not isinstance(told, dict) or told.get("schema") != SCHEMA:
        seen = told.get("schema") if isinstance(told, dict) else type(told).__name__
        raise UsageError(f"this is {seen}, not {SCHEMA}", cure=_ASK)
    del told["schema"]
    try:
        told["fittings"] = {name: Fitting(**one) for name, one in told["fittings"].items()}
        told["strikes"] = tuple(_strike(one) for one in told["strikes"])
        return Script(**told).checked()
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise UsageError(f"a field is missing, or none of them: {error}", cure=_ASK) from error


def _strike(told: dict[str, Any]) -> Strike:
    lasts_s = math.inf if told["for_s"] is None else float(told["for_s"])
    return Strike(**told | {"for_s": lasts_s, "at_s": float(told["at_s"])})
