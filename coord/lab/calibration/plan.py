"""What is to be compared: each scenario on each store, and runs that were kept.

Owns what does not apply (a partition of a file), and what is refused, before anything is started:
what cannot be simulated, or not be played on this machine. A pair's digest tells whether a file has
it already.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from coord.errors import ConfigError, UsageError
from coord.lab.chaos.preflight import check as preflight
from coord.lab.chaos.preflight import refusals
from coord.lab.chaos.reading import Overrides, read
from coord.lab.chaos.saved import RUN, SCENARIO, load_facts
from coord.lab.chaos.scenario import Scenario
from coord.lab.chaos.writing import to_toml
from coord.lab.sim.manners import MANNERS
from coord.lab.sim.run import Setting
from coord.lab.sim.scenario import setting_of

__all__ = ["STORES", "Pair", "Rounds", "planned"]

STORES = ("sqlite", "etcd", "zookeeper")
"""What is usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """How many, really and simulated."""

    real: int
    simulated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A scenario on a store. `setting` None: it does not apply there, and `cause` says why.

    `kept`: where it was played for real already; None: it is to be.
    """

    scenario: Scenario
    setting: Setting | None
    cause: str = ""
    kept: Path | None = None

    @property
    def fault(self) -> str:
        """What strikes."""
        return self.scenario.name

    @property
    def store(self) -> str:
        """On what kind of store."""
        return self.scenario.store.place

    @property
    def name(self) -> str:
        """Of both."""
        return f"{self.fault} on {self.store}"

    @property
    def digest(self) -> str:
        """Of all that is asked for."""
        simulated = self.setting.rounds if self.setting else 0
        run = (self.kept / RUN).read_text(encoding="utf-8") if self.kept else ""
        asked = f"{to_toml(self.scenario)}simulated = {simulated}\n{run}"
        return hashlib.blake2b(asked.encode(), digest_size=8).hexdigest()


def planned(
    sources: Iterable[Path],
    stores: Iterable[str],
    rounds: Rounds,
    *,
    check: Callable[[Scenario, str], None] = preflight,
) -> tuple[Pair, ...]:
    """All pairs, in the order of `sources`: files of scenarios, and directories of kept runs.

    Files are played on all stores; a kept run was on its own. Raises ConfigError and UsageError.
    """
    names = tuple(dict.fromkeys(stores))
    for store in names:
        if store not in MANNERS:
            raise UsageError(
                f"no store {store!r} is simulated", cure=f"Stores: {', '.join(MANNERS)}."
            )
    pairs = tuple(
        pair
        for source in sources
        for pair in (
            [_kept(source, rounds)]
            if source.is_dir()
            else [_pair(source, store, rounds, check) for store in names]
        )
    )
    seen: dict[str, Pair] = {}
    for pair in pairs:
        if seen.setdefault(pair.name, pair) is not pair:
            raise ConfigError(
                f"{pair.name} is asked for twice",
                cure="Give one scenario of each kind of fault; what strikes is what tells them "
                "apart.",
            )
    if all(pair.setting is None for pair in pairs):
        raise ConfigError(
            f"there is nothing to compare: {pairs[0].name}: {pairs[0].cause}",
            cure="Choose another store with --store, or another scenario.",
        )
    return pairs


def _pair(file: Path, store: str, rounds: Rounds, check: Callable[[Scenario, str], None]) -> Pair:
    scenario = read(file, Overrides(store=store, rounds=rounds.real))
    misfits = [] if scenario.fleet.command else refusals(scenario, lacks=lambda _: "")
    if misfits:
        return Pair(scenario=scenario, setting=None, cause=misfits[0].cause)
    setting = setting_of(scenario, str(file))
    check(scenario, str(file))
    return Pair(scenario=scenario, setting=replace(setting, rounds=rounds.simulated))


def _kept(directory: Path, rounds: Rounds) -> Pair:
    """A run is refused here if anything of it is missing; it is judged when its turn comes."""
    load_facts(directory)
    file = directory / SCENARIO
    scenario = read(file)
    setting = setting_of(scenario, str(file))
    return Pair(
        scenario=scenario, setting=replace(setting, rounds=rounds.simulated), kept=directory
    )
