"""The geometry of the figures, and that they can be told apart and read."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from coord.lab.measure import Shard
from coord.lab.measure.intervals import Spans
from coord.lab.report.ecdf import ecdf, samples, steps
from coord.lab.report.gantt import LEFT, RIGHT, drawn_acts, gantt, overview
from coord.lab.report.model import ActMark, Band, Bar, RoundView, ShardView
from coord.lab.report.palette import DARK, LIGHT, TOKENS, contrast
from coord.lab.report.svg import Axis
from tests.unit.lab.report.pages import made_up, parsed

SVG = "{http://www.w3.org/2000/svg}"
TEXTS = ("ink", "muted", "link", "broken", "kept")


def _by_class(drawn: str, name: str) -> list[ET.Element]:
    return [one for one in parsed(drawn).iter() if name in one.get("class", "").split()]


def _drawn(tmp_path: Path, shard: ShardView) -> str:
    runs, _ = made_up(tmp_path)
    one = RoundView(
        number=1,
        fault="kill",
        length_s=10.0,
        rows=("a", "b"),
        present=(Spans.of([(0, 10)]), Spans.of([(0, 10)])),
        bands=(Band("kill", "a", 0, 5.0, 5.0),),
        shards=(shard,),
    )
    return gantt("g", runs[0], one, shard)


def _shard(**more: object) -> ShardView:
    values: dict[str, object] = {
        "shard": Shard("reaper", 1, 0),
        "bars": (Bar(0, 0.0, 5.0, 0, 7), Bar(1, 7.5, 10.0, 0, 8)),
        "acts": (ActMark(2.5, 0, 7, True, True, False),),
        "frozen": (),
        "gap": Spans.of([(5.0, 7.5)]),
        "split": Spans.of([]),
        "faux": Spans.of([]),
        **more,
    }
    return ShardView(**values)  # type: ignore[arg-type]


def test_bars_acts_and_states_stand_at_their_moments(tmp_path: Path) -> None:
    drawn = _drawn(tmp_path, _shard())
    middle = (LEFT + RIGHT) / 2
    first, second = _by_class(drawn, "bar")
    assert (float(first.attrib["x"]), float(first.attrib["width"])) == (LEFT, (RIGHT - LEFT) / 2)
    assert float(second.attrib["x"]) + float(second.attrib["width"]) == pytest.approx(RIGHT)
    assert float(second.attrib["y"]) > float(first.attrib["y"])
    (gap,) = _by_class(drawn, "gap")
    assert (float(gap.attrib["x"]), float(gap.attrib["width"])) == (middle, (RIGHT - LEFT) / 4)
    (act,) = _by_class(drawn, "act")
    assert act.attrib["d"].startswith(f"M{(LEFT + middle) / 2:g} ")
    assert [one.text for one in _by_class(drawn, "token") if one.tag == f"{SVG}text"] == [
        "token 7",
        "token 8",
    ]


def test_a_split_is_drawn_through_all_rows_and_a_frozen_belief_is_named(tmp_path: Path) -> None:
    shard = _shard(split=Spans.of([(4, 5)]), frozen=((0, Spans.of([(2, 5)])),))
    drawn = _drawn(tmp_path, shard)
    (through,) = _by_class(drawn, "splitting")
    bars = [float(one.attrib["y"]) for one in _by_class(drawn, "bar")]
    top = float(through.attrib["y"])
    assert top < min(bars)
    assert max(bars) < top + float(through.attrib["height"])
    (frozen,) = _by_class(drawn, "frozen")
    assert frozen.attrib["fill"] == "url(#g-frozen)"
    assert "frozen" in [one.text for one in _by_class(drawn, "token")]


def test_each_fate_of_an_act_has_a_form_of_its_own(tmp_path: Path) -> None:
    acts = (
        ActMark(1.0, 0, 7, True, True, False),
        ActMark(2.0, 0, 7, False, True, False),
        ActMark(3.0, 0, 7, True, False, False),
        ActMark(4.0, 0, 7, False, True, True),
    )
    drawn = _drawn(tmp_path, _shard(acts=acts))
    (plain,) = _by_class(drawn, "act")
    assert plain.attrib["d"].count("v-8") == plain.attrib["d"].count("v8") == 1
    assert len(_by_class(drawn, "refused")) == len(_by_class(drawn, "stale")) == 1


def test_only_acts_that_look_the_same_at_the_same_place_are_left_out() -> None:
    axis = Axis(10.0, LEFT, RIGHT)
    one = ActMark(1.0, 0, 7, True, True, False)
    other = one._replace(accepted=False)
    assert drawn_acts([one, one._replace(at_s=1.0001), other], axis) == [one, other]
    assert len(drawn_acts([one, one._replace(at_s=1.1)], axis)) == 2


def test_faults_that_fall_together_have_labels_that_do_not() -> None:
    bands = tuple(Band("kill", name, None, 9.9, 9.9) for name in ("first", "second"))
    one = RoundView(1, "kill", 10.0, ("a",), (Spans.of([]),), bands, (_shard(),))
    labels = _by_class(overview("o", one, ["x"]), "faultname")
    assert len({label.attrib["y"] for label in labels}) == 2


def test_an_axis_has_round_marks_and_no_more_than_it_can_bear() -> None:
    for end_s in (0.0123, 0.9, 1.0, 7.3, 10.0, 86_400.0):
        marks = Axis(end_s, 0, 100).ticks()
        assert 2 <= len(marks) <= 11
        assert marks[-1] <= end_s * 1.000001
    assert Axis(0.0, 0, 100).ticks() == [0.0]
    assert (Axis(10, 0, 100).at(-1), Axis(10, 0, 100).at(11)) == (0, 100)


def test_curves_rise_to_all_in_steps_and_keep_the_last_of_very_many() -> None:
    assert steps([1.0, 2.0], 5.0) == [(1.0, 0.5), (2.0, 1.0)]
    many = [float(value) for value in range(100_001)]
    kept = steps(many, 2e5)
    assert len(kept) <= 401
    assert kept[-1] == (100_000.0, 1.0)
    assert all(share == (at_s + 1) / 100_001 for at_s, share in kept)


def test_failovers_are_pooled_by_setting_and_split_into_parts(tmp_path: Path) -> None:
    runs, _ = made_up(tmp_path)
    once, twice = samples(runs[:1]), samples([runs[0], runs[0]])
    assert [one.title for one in once] == [one.title for one in twice]
    assert [len(one.parts["total"]) for one in once] == [2]
    assert [len(one.parts["total"]) for one in twice] == [4]
    words = {one.text for one in _by_class(ecdf("e", once[0]), "row")}
    assert words == {"detect", "claim", "warm-up", "total"}


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_colours_can_be_read_and_seen_on_their_ground(theme: dict[str, str]) -> None:
    for name in TEXTS:
        assert contrast(theme[name], theme["ground"]) >= 4.5, name
        assert contrast(theme[name], theme["panel"]) >= 4.5, name
    shapes = ["gap", "split", "faux", "fault", *(f"token{n}" for n in range(TOKENS))]
    for name in shapes:
        assert contrast(theme[name], theme["ground"]) >= 3.0, name
    assert LIGHT.keys() == DARK.keys()


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
