"""One round of one contestant under one fault, and what came of it.

Owns the playing and the figures of a round. The fleet is steady; the leader is struck for twice the
ttl; then everybody is looked at for as long again, whether the fleet has recovered or not, so that
what never ends by itself counts alike for all. Judged by the log alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from coord.lab.chaos.contestant import Contestant
from coord.lab.chaos.faults import CATALOGUE, Blow
from coord.lab.chaos.ground import Ground
from coord.lab.chaos.play import await_steady
from coord.lab.chaos.scene import Scene
from coord.lab.chaos.stage import Stage, boundless
from coord.lab.chaos.targets import members_of
from coord.lab.measure import (
    Settings,
    Timeline,
    load,
    measure_rounds,
    rounds_of,
    timeline,
)
from coord.lab.measure.events import End
from coord.lab.measure.intervals import Span

__all__ = ["FAULTS", "MEMBERS", "Outcome", "play_one"]

FAULTS = ("pause", "partition", "partition-replies", "wedge", "kill")
MEMBERS = ("m1", "m2", "m3")

_AT_S = 0.5


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one round came to. Seconds and counts; `noticed_s`: from the blow until the struck
    process said that it does not lead any more, None if it never did.

    `stale_unfenced`, `stale_fenced`: stale acts that such a table took; `refused`: that a fenced
    one did not.
    """

    gap_s: float
    split_s: float
    faux_s: float
    stale_unfenced: int
    stale_fenced: int
    refused: int
    noticed_s: float | None


class _Screen:
    """Shows nothing; whose processes end by themselves are started again."""

    def __init__(self) -> None:
        self.look: Callable[[], None] = lambda: None

    def show(self, scene: Scene) -> None:
        self.look()

    def say(self, text: str, *, style: str = "") -> None:
        return


def play_one(
    contestant: Contestant, kind: str, ground: Ground, folder: Path, *, seed: int
) -> Outcome:
    """Play it in an empty folder, with processes of its own."""
    (work := folder / "work").mkdir(parents=True)
    (events := folder / "events").mkdir()
    screen = _Screen()
    stage = Stage(
        contestant,
        members=MEMBERS,
        ground=ground,
        work=work,
        events=events,
        screen=screen,
        interrupted=lambda: None,
    )
    with stage:
        if getattr(contestant, "exits", False):
            screen.look = lambda: _excuse(stage)
        _round(stage, kind, random.Random(seed))
    line = timeline(load(events))
    settings = Settings(tau_s=contestant.tau_s, aftermath_s=ground.ttl_s, grace_s=0.5)
    [found] = measure_rounds(line, rounds_of(line.log), settings)
    stale = found.stale_acts
    return Outcome(
        gap_s=found.gap_s[0],
        split_s=found.split_s[0],
        faux_s=found.faux_s[0],
        stale_unfenced=stale.accepted_unfenced,
        stale_fenced=stale.accepted,
        refused=stale.attempted - stale.accepted - stale.accepted_unfenced,
        noticed_s=_noticed_s(line, found.round.window),
    )


def _round(stage: Stage, kind: str, dice: random.Random) -> None:
    name, for_s = stage.contestant.name, 2 * stage.ttl_s
    await_steady(stage)
    stage.events.round(1, name, kind, "start")
    stage.until(boundless, _AT_S)
    with ExitStack() as healing:
        blow = Blow(
            members=members_of(stage, "leader", dice),
            servers=(),
            options={option.name: option.default for option in CATALOGUE[kind].options},
            for_s=for_s,
            dice=dice,
        )
        healing.enter_context(CATALOGUE[kind].inject(stage, blow))
        stage.until(boundless, for_s)
    stage.until(boundless, for_s)
    stage.events.round(1, name, kind, "end")
    stage.until(boundless, 0.0)


def _excuse(stage: Stage) -> None:
    """A process may end; then it is started again, as whoever runs such daemons does."""
    for member in stage.fleet.running:

        def ended(_pid: int, member: str = member) -> None:
            stage.fleet.start(member)

        stage.fleet.excuse(member, ended)


def _noticed_s(line: Timeline, window: Span) -> float | None:
    """By the first end that the struck process told of a tenure that it held when it was struck."""
    [fault] = line.faults
    held = {
        (one.who, one.token)
        for one in line.tenures
        if fault.strikes(one.who) and one.lead_s <= fault.begin_s <= one.over_s
    }
    told = [
        end.t - fault.begin_s
        for end in line.log.all(End)
        if (end.who, end.token) in held and fault.begin_s <= end.t <= window.end_s
    ]
    return min(told, default=None)
