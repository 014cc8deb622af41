"""A leader's steady acts are judged in bulk, with the figures of judging each by itself."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from coord.fencing import Stamp, judge
from coord.lab.measure import judge_log, timeline
from coord.lab.measure.effects import Units, stale_acts
from coord.lab.measure.events import Act, Backlog, Lead, Log, Record, Who
from coord.lab.measure.intervals import Span
from coord.model import ClaimKey

_ALWAYS = Span(float("-inf"), float("inf"))
_WHO = st.sampled_from([Who("a", 1), Who("a", 2), Who("b", 3)])
_KEYS = st.builds(
    ClaimKey,
    st.sampled_from(["r", "s"]),
    st.integers(1, 3),
    st.integers(0, 1),
    st.integers(0, 1),
)
_OFFERS = st.lists(
    st.tuples(
        st.floats(0, 20, allow_nan=False),
        _WHO,
        _KEYS,
        st.integers(1, 3),
        st.booleans(),
        st.sampled_from(["", "Fenced", "OSError"]),
        st.integers(1, 4),
    ),
    max_size=12,
)


def _acts(offers: list[tuple[float, Who, ClaimKey, int, bool, str, int]]) -> list[Act]:
    """Each offer is made so often in a row, at moments of its own."""
    return [
        Act(t + i * 0.5, who, key, token, "table", True, accepted, t, None, (), error)
        for t, who, key, token, accepted, error, often in offers
        for i in range(often)
    ]


class _Guard:
    """What is remembered, with no shortcut."""

    def __init__(self) -> None:
        self.stamps: dict[tuple[str, int, int], Stamp] = {}
        self.generations: dict[str, int] = {}

    def takes(self, act: Act, *, commit: bool) -> bool:
        key, stamp = act.key, Stamp(act.key.generation, act.token)
        place = key.role, key.shard, key.seat
        newest = self.generations.get(key.role, 0)
        if judge(stamp, seen=self.stamps.get(place), generation=newest).refused:
            return False
        if commit:
            self.stamps[place], self.generations[key.role] = stamp, key.generation
        return True


def _stale_one_by_one(acts: list[Act]) -> list[Act]:
    order = sorted(acts, key=lambda act: act.t)
    guard = _Guard()
    found = [act for act in order if act.accepted and not guard.takes(act, commit=True)]
    guard = _Guard()
    for act in order:
        taken = guard.takes(act, commit=act.accepted)
        if not act.accepted and (act.error == "Fenced" or not taken):
            found.append(act)
    return found


@settings(deadline=None)
@given(_OFFERS)
def test_stale_acts_are_those_that_are_found_one_by_one(
    offers: list[tuple[float, Who, ClaimKey, int, bool, str, int]],
) -> None:
    acts = _acts(offers)
    log = Log.of(acts)
    assert list(stale_acts(log, _ALWAYS).found) == _stale_one_by_one(acts)
    assert stale_acts(log, _ALWAYS) == stale_acts(Log.of(acts), _ALWAYS), "asked a second time"


@settings(deadline=None)
@given(_OFFERS, st.lists(st.tuples(st.floats(0, 20), _WHO, _KEYS, st.integers(1, 3)), max_size=6))
def test_acts_without_tenure_are_those_that_are_found_one_by_one(
    offers: list[tuple[float, Who, ClaimKey, int, bool, str, int]],
    begun: list[tuple[float, Who, ClaimKey, int]],
) -> None:
    acts = _acts(offers)
    leads: list[Record] = [Lead(t, who, key, token, t + 5, t) for t, who, key, token in begun]
    found = [
        violation.at_s
        for violation in judge_log(timeline(Log.of([*leads, *acts])))
        if violation.rule == "act-without-tenure"
    ]
    since: dict[tuple[Who, ClaimKey, int], float] = {}
    for t, who, key, token in begun:
        since[who, key, token] = min(t, since.get((who, key, token), t))
    alone = [a.t for a in acts if a.t < since.get((a.who, a.key, a.token), float("inf"))]
    assert found == sorted(alone)


def test_units_of_a_log_are_read_once_and_those_of_another_log_are_others() -> None:
    due = Backlog(1.0, Who("a", 1), "r", 0, ("u",))
    log = Log.of([due])
    assert Units.of(log) is Units.of(log)
    assert Units.of(log) is not Units.of(Log.of([due]))
