"""Work that goes on while workers are killed, stopped and restarted: real processes.

What was done is in a ledger and in a journal, so what was lost, doubled or begun twice without
reason is counted there, whatever the workers say.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.integration.queue.chaos import rage
from tests.integration.queue.depot import Depot, Hauler
from tests.integration.queue.places import KINDS, SqsPlace, place_of

pytestmark = pytest.mark.xdist_group("queue")

_EVERY_S = {"sqlite": 0.6, "sqs": 1.0}  # a worker on boto3 takes longer to begin
_VISIBILITY_S = {"sqlite": 1.5, "sqs": 2.0}  # SQS counts whole seconds
_WORKERS = 3
_CUT_S = 1.0
_GROUPS = 30
_BRIEF = 1000  # messages up to which so many strikes do; soaks are struck throughout
_STRIKES = 12


def _worked_off(
    depot: Depot,
    kind: str,
    count: int,
    *,
    url: str,
    more: Sequence[Callable[[], None]],
    groups: int = 0,
    work_s: float = 0.04,
) -> None:
    visibility_s = _VISIBILITY_S[kind]

    def start() -> Hauler:
        return depot.begin(
            visibility_s=visibility_s, concurrency=6, ledger=depot.ledger_url, drain_s=1.0, url=url
        )

    depot.send("haul", count, groups=groups, s=work_s)
    struck = rage(
        depot,
        start,
        _WORKERS,
        pause_s=1.7 * visibility_s,
        within_s=7000.0,
        more=more,
        every_s=_EVERY_S[kind],
        most=_STRIKES if count <= _BRIEF else float("inf"),
    )
    why = depot.second_starts()
    sys.stdout.write(f"struck {dict(struck)}; second starts {dict(why)}\n")
    assert depot.lost(count) == [], depot.logs()
    assert not groups or depot.overtaken(groups) == []
    assert depot.doubled() == {}
    assert why["untold"] == 0
    assert struck["killed"] > 0, "all was done before the first look"
    assert why["expired"] > 0, "what a killed worker had begun was begun again"
    assert depot.queue.depth().dead == 0


def _while(failing: Callable[[], AbstractContextManager[None]]) -> Callable[[], None]:
    def strike() -> None:
        with failing():
            time.sleep(_CUT_S)

    return strike


def _brief(count: int) -> object:
    return pytest.param(count, marks=pytest.mark.timeout(300))


def _soak(count: int) -> object:
    return pytest.param(count, marks=[pytest.mark.soak, pytest.mark.timeout(7200)])


# No timeout beside these marks: one of the function's own would win, for the long runs too.
@pytest.mark.parametrize("count", [_brief(500), _soak(5000)])
def test_nothing_is_lost_or_completed_twice_while_workers_die_and_stand_still(
    tmp_path: Path, count: int
) -> None:
    with place_of("sqlite", tmp_path) as place:
        depot = place.depot()
        try:
            _worked_off(depot, "sqlite", count, url="", more=())
        finally:
            depot.close()


@pytest.mark.parametrize("count", [_brief(1000), _soak(20_000), _soak(200_000)])
def test_nothing_is_lost_or_completed_twice_while_the_way_to_the_queue_fails_too(
    tmp_path: Path, count: int
) -> None:
    """All workers lose their way to SQS now and then, for half a lease."""
    with place_of("sqs", tmp_path) as place:
        depot = place.depot()
        try:
            _worked_off(depot, "sqs", count, url=place.way(), more=[_while(place.cut)])
        finally:
            depot.close()


@pytest.mark.parametrize("count", [_brief(180), _soak(5000)])
@pytest.mark.parametrize("kind", KINDS)
def test_no_message_overtakes_another_of_its_group_while_workers_die_and_lose_their_way(
    tmp_path: Path, kind: str, count: int
) -> None:
    """Nor is any lost or completed twice: a group goes on where its worker was struck."""
    with place_of(kind, tmp_path) as place:
        depot = place.depot(ordered=True)

        more = [_while(place.cut), _while(place.mute)] if isinstance(place, SqsPlace) else []
        try:
            _worked_off(depot, kind, count, url=place.way(), more=more, groups=_GROUPS, work_s=0.2)
        finally:
            depot.close()
