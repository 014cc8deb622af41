"""How soon a leader that goes is followed, on each store, and how many missed the bound."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import pytest

from tests.bench.figures import Figures
from tests.bench.places import Place
from tests.integration.fleet import Fleet
from tests.integration.lines import Line
from tests.integration.stores.kinds import KINDS

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]

ROUNDS = 15


@contextmanager
def fleet(place: Place, folder: Path) -> Iterator[Fleet]:
    found = Fleet(folder, url=place.url())
    try:
        yield found
    finally:
        found.close()


def _late(gaps: list[float], limit: float) -> str:
    return f"{sum(gap > limit for gap in gaps)} of them were beyond the target"


def test_a_killed_leader_is_followed_within_the_promised_time(
    place: Place, figures: Figures, tmp_path: Path
) -> None:
    kind = KINDS[place.kind]
    with fleet(place, tmp_path) as members:
        gaps = list(Line(members, ttl_s=kind.ttl_s).kills(ROUNDS))
    place.section.add(
        "from a leader's SIGKILL to its successor's first act",
        "s",
        gaps,
        limit=kind.killed_s,
        remark=f"ttl {kind.ttl_s:g} s, work every 10 ms, two processes, {ROUNDS} kills at random "
        f"moments between two heartbeats; {_late(gaps, kind.killed_s)}.",
    )
    assert median(gaps) < kind.killed_s


def test_a_leader_that_is_asked_to_go_is_followed_within_the_promised_time(
    place: Place, figures: Figures, tmp_path: Path
) -> None:
    kind = KINDS[place.kind]
    with fleet(place, tmp_path) as members:
        rounds = list(Line(members, ttl_s=kind.ttl_s).handovers(ROUNDS))
    gaps = [round_.gap_s for round_ in rounds]
    place.section.add(
        "from the end of the work of a leader that got SIGTERM to the next act",
        "s",
        gaps,
        limit=kind.asked_s,
        remark=f"the same fleet, {ROUNDS} rounds; {_late(gaps, kind.asked_s)}.",
    )
    assert not any(round_.overlapped for round_ in rounds)
    assert median(gaps) < kind.asked_s
