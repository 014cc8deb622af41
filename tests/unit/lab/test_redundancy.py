"""How many co-leaders it takes: the closed form against every state there is, and against draws."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.errors import ConfigError
from coord.lab.redundancy import MOST_MEMBERS, Redundancy, estimate

_P, _TARGET = Fraction(1, 100), Fraction(1, 10**6)
_SHARED = Redundancy(p=_P, beta=Fraction(1, 20))
_PROBABILITIES = st.fractions(Fraction(1, 1000), Fraction(99, 100), max_denominator=1000)
_SHARES = st.fractions(0, 1, max_denominator=100)


@st.composite
def _models(draw: st.DrawFn) -> Redundancy:
    zones = draw(st.integers(0, 4))
    zone_p = draw(st.fractions(0, Fraction(9, 10), max_denominator=100)) if zones else Fraction(0)
    return Redundancy(p=draw(_PROBABILITIES), beta=draw(_SHARES), zones=zones, zone_p=zone_p)


def _counted(model: Redundancy, members: int) -> Fraction:
    """The sum over every state of what strikes all, of the zones and of the members."""

    def chance(down: bool, of: Fraction) -> Fraction:
        return of if down else 1 - of

    total = Fraction(0)
    for common, *rest in product((False, True), repeat=1 + model.zones + members):
        zones, own = rest[: model.zones], rest[model.zones :]
        struck = (zones[place % model.zones] if model.zones else False for place in range(members))
        if common or all(mine or other for mine, other in zip(own, struck, strict=True)):
            weight = chance(common, model.common)
            for down in zones:
                weight *= chance(down, model.zone_p)
            for down in own:
                weight *= chance(down, model.own)
            total += weight
    return total


@given(_models(), st.integers(1, 5))
def test_the_closed_form_is_the_sum_over_all_states(model: Redundancy, members: int) -> None:
    assert model.all_down(members) == _counted(model, members)


@given(_PROBABILITIES, _SHARES)
def test_a_single_member_is_down_with_p_whatever_is_shared(p: Fraction, beta: Fraction) -> None:
    assert Redundancy(p=p, beta=beta).all_down(1) == p


@given(_models(), st.integers(1, 20))
def test_more_members_are_never_worse_and_never_below_the_floor(
    model: Redundancy, members: int
) -> None:
    assert model.floor <= model.all_down(members + 1) <= model.all_down(members)


@given(_models(), st.fractions(Fraction(1, 10**9), Fraction(1, 2), max_denominator=10**9))
def test_so_many_as_are_needed_do_and_one_fewer_does_not(
    model: Redundancy, target: Fraction
) -> None:
    needed = model.needed(target)
    if needed is None:
        assert model.all_down(MOST_MEMBERS) > target
    else:
        assert model.all_down(needed) <= target
        assert needed == 1 or model.all_down(needed - 1) > target


def test_the_usual_approximation_is_close_and_not_the_same() -> None:
    exact, usual = float(_SHARED.all_down(2)), _SHARED.approximation(2)
    assert usual is not None
    assert exact == pytest.approx(usual, rel=1e-3)
    assert exact != usual
    assert Redundancy(p=_P, zones=2).approximation(2) is None


def test_three_of_a_hundredth_are_a_millionth_and_not_a_rounding_error_more() -> None:
    assert 0.01**3 > 1e-6  # in floating point, and then a fourth one would be asked for
    assert Redundancy(p=_P).needed(_TARGET) == 3


def test_what_strikes_all_is_a_floor_that_no_number_gets_below() -> None:
    assert _SHARED.floor == Fraction(5, 10_000)
    assert _SHARED.needed(_TARGET) is None
    limit = _SHARED.beta_limit(_TARGET)
    assert limit == Fraction(1, 10_000)
    assert Redundancy(p=_P, beta=limit).needed(_TARGET) is None  # the limit itself is not below
    assert Redundancy(p=_P, beta=limit * Fraction(9, 10)).needed(_TARGET) == 4


def test_zones_that_are_down_too_often_together_leave_no_beta_that_helps() -> None:
    model = Redundancy(p=_P, zones=2, zone_p=Fraction(1, 100))
    assert model.floor == Fraction(1, 10_000)
    assert model.beta_limit(_TARGET) is None


# --- the simulation ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "members"),
    [
        (_SHARED.independent, 3),
        (_SHARED.independent, 7),  # 1e-14: plain draws would never see it
        (_SHARED, 1),
        (_SHARED, 5),
        (Redundancy(p=_P, beta=Fraction(1, 10**6), zones=3, zone_p=Fraction(1, 1000)), 4),
        (Redundancy(p=_P, zones=2, zone_p=Fraction(1, 10)), 3),
        (Redundancy(p=Fraction(3, 4), beta=Fraction(1, 10)), 20),
        (Redundancy(p=_P, beta=Fraction(1)), 3),
    ],
    ids=str,
)
def test_intervals_hold_the_closed_form_as_often_as_they_say_and_are_narrow(
    model: Redundancy, members: int
) -> None:
    """99 in 100; of 60 seeds at most 5 may miss, which true intervals do once in 3,000 times."""
    truth = float(model.all_down(members))
    found = [estimate(model, members, seed=seed, draws=2_000) for seed in range(60)]
    assert sum(not one.holds(truth) for one in found) <= 5
    assert all(one.high - one.low < truth for one in found)


def test_the_same_seed_draws_the_same_and_another_another() -> None:
    one, again, other = (estimate(_SHARED, 2, seed=seed, draws=2_000) for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_an_interval_is_wide_enough_to_be_wrong_about_another_model() -> None:
    """What the simulation is there for: a closed form that left the shared part out is caught."""
    found = estimate(_SHARED, 3, seed=1, draws=2_000)
    assert not found.holds(float(_SHARED.independent.all_down(3)))
    assert math.isclose(found.chance, float(_SHARED.all_down(3)), rel_tol=0.2)


# --- refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"p": Fraction(0)}, "p is 0"),
        ({"p": Fraction(1)}, "p is 1"),
        ({"p": Fraction(-1)}, "p is -1"),
        ({"p": Fraction(1, 10**12)}, "p is 1e-12"),
        ({"p": _P, "beta": Fraction(-1, 10)}, "beta is -0.1"),
        ({"p": _P, "beta": Fraction(2)}, "beta is 2"),
        ({"p": _P, "zones": 17}, "zones is 17"),
        ({"p": _P, "zones": -1}, "zones is -1"),
        ({"p": _P, "zones": 2, "zone_p": Fraction(1)}, "zone_p is 1"),
        ({"p": _P, "zone_p": _P}, "there are no zones"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_probability_is_refused(settings: dict[str, Fraction], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as refused:
        Redundancy(**settings)  # type: ignore[arg-type]  # a table of wrong settings
    assert refused.value.cure


@pytest.mark.parametrize("target", [Fraction(0), Fraction(1), Fraction(-1), Fraction(1, 10**20)])
def test_a_target_that_is_nothing_or_certain_is_refused(target: Fraction) -> None:
    with pytest.raises(ConfigError, match="target is"):
        _SHARED.needed(target)


@pytest.mark.parametrize("draws", [0, 999, 10**8])
def test_too_few_or_too_many_draws_are_refused(draws: int) -> None:
    with pytest.raises(ConfigError, match="draws is"):
        estimate(_SHARED, 1, seed=1, draws=draws)
