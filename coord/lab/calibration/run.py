"""A calibration: all pairs, really and simulated, into a file that is always whole.

Owns the order of things: what is done already is not done again, each pair is kept as soon as it is
ready. Knows no command; real processes are played by whoever calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from coord.errors import StoreError
from coord.lab.calibration.cell import cells_of
from coord.lab.calibration.plan import Pair
from coord.lab.calibration.saved import (
    MEASURED,
    NO_VERDICT,
    UNFIT,
    calibration_json,
    pairs_of,
    write_calibration,
)
from coord.lab.chaos.saved import load_run
from coord.lab.chaos.scenario import Scenario
from coord.lab.chaos.verdict import Verdict, judge
from coord.lab.errors import Unplayed
from coord.lab.measure import Log
from coord.lab.pauses import refuse_place
from coord.lab.sim.run import Outcome, Setting, simulate
from coord.lab.sim.tally import Tally
from coord.testing.servers.errors import ServerFailed

__all__ = ["Perform", "calibrated", "compared"]

Perform = Callable[[Scenario], Verdict]
"""Plays a scenario with real processes."""


def calibrated(
    pairs: Sequence[Pair],
    out: Path,
    *,
    perform: Perform,
    look: Callable[[str], None],
    progress: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """Play what is left, and keep each pair in the file; the calibration.

    `look` gets the name of each pair that begins, `progress` the share that is simulated; what they
    raise ends it. Raises ConfigError for a file that is not of these pairs, or cannot be written.
    """
    rows = pairs_of(out, pairs)
    refuse_place(out)
    for pair in pairs:
        before = rows.get(pair.name)
        if before is not None and before["state"] != NO_VERDICT:
            continue
        look(pair.name)
        rows[pair.name] = _row(pair, perform, progress)
        write_calibration(out, calibration_json(rows.values()))
    return calibration_json(rows.values())


def _row(pair: Pair, perform: Perform, progress: Callable[[float], None] | None) -> dict[str, Any]:
    if pair.setting is None:
        return _told(pair, UNFIT, pair.cause)
    try:
        verdict = perform(pair.scenario) if pair.kept is None else _judged(pair.kept)
    except (Unplayed, ServerFailed, StoreError) as error:
        return _told(pair, NO_VERDICT, str(error))
    outcome = simulate(pair.setting, progress=progress)
    return compared(pair, pair.setting, verdict, outcome)


def _judged(directory: Path) -> Verdict:
    facts, log = load_run(directory)
    return judge(log, facts)


def compared(pair: Pair, setting: Setting, verdict: Verdict, outcome: Outcome) -> dict[str, Any]:
    """The row of a pair that was played in both worlds."""
    real = Tally()
    real.add(verdict.results, Log.of(()))
    facts = verdict.facts
    return {
        **_told(pair, MEASURED, ""),
        "mode": facts.mode,
        "members": facts.members,
        "ttl_s": facts.ttl_s,
        "heartbeat_s": setting.timing.heartbeat_s,
        "real": {
            "rounds": real.rounds,
            "broken": _counted(one.rule for one in verdict.violations),
            "figures": verdict.report["runs"][0],
            "versions": dict(facts.versions),
        },
        "simulated": {
            "rounds": outcome.tally.rounds,
            "broken": _counted(one.rule for one in outcome.violations),
            "figures": outcome.report["runs"][0],
            "trace_hash": outcome.trace_hash,
        },
        "cells": cells_of(real, outcome.tally),
    }


def _counted(rules: Iterable[str]) -> Mapping[str, int]:
    return dict(sorted(Counter(rules).items()))


def _told(pair: Pair, state: str, cause: str) -> dict[str, Any]:
    return {
        "fault": pair.fault,
        "store": pair.store,
        "title": pair.scenario.title,
        "digest": pair.digest,
        "state": state,
        "cause": cause,
        "cells": [],
    }
