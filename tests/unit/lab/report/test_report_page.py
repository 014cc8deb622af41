"""The page as a document: whole, offline, and the same for those who see no colours."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from coord.lab.measure.intervals import Spans
from coord.lab.report import RunView, page
from coord.lab.report.gantt import thinned
from tests.unit.lab.report.pages import Outline, made_up, outline, parsed


@pytest.fixture
def made(tmp_path: Path) -> tuple[list[RunView], str]:
    return made_up(tmp_path)


@pytest.fixture
def found(made: tuple[list[RunView], str]) -> Outline:
    return outline(made[1])


def test_each_name_within_the_page_is_there_once_and_each_link_leads_to_one(
    found: Outline,
) -> None:
    assert len(found.ids) == len(set(found.ids))
    links = [one["href"] for one in found.of("a")]
    assert links
    assert {link[1:] for link in links} <= set(found.ids)


def test_the_page_asks_for_nothing_outside_of_it_and_forbids_it(
    made: tuple[list[RunView], str], found: Outline
) -> None:
    assert not [one for tag, one in found.elements if "src" in one or tag in {"link", "iframe"}]
    assert all(one["href"].startswith("#") for one in found.of("a"))
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", made[1]))
    assert addresses == {"http://www.w3.org/2000/svg"}
    (policy,) = [one for one in found.of("meta") if "http-equiv" in one]
    assert policy["content"].startswith("default-src 'none';")


def test_titles_of_runs_are_text_and_never_markup(made: tuple[list[RunView], str]) -> None:
    assert "<b>made-up</b>" not in made[1]
    assert "a &lt;b&gt;made-up&lt;/b&gt; run &amp; more" in made[1]


def test_a_run_that_is_not_kept_names_no_directory(
    made: tuple[list[RunView], str],
) -> None:
    runs, text = made
    assert text.count(str(runs[0].directory)) == 1
    unkept = page([replace(run, directory=None) for run in runs])
    assert str(runs[0].directory) not in unkept
    assert unkept.count("Its event logs were not kept.") == 2


def test_every_figure_is_well_formed_and_says_what_it_shows(
    made: tuple[list[RunView], str],
) -> None:
    drawings = re.findall(r"<svg .*?</svg>", made[1], flags=re.DOTALL)
    assert len(drawings) >= 4
    for drawing in drawings:
        svg = parsed(drawing)
        title, desc = svg[0], svg[1]
        assert (title.get("id"), desc.get("id")) == (
            svg.get("aria-labelledby"),
            svg.get("aria-describedby"),
        )
        assert title.text
        assert desc.text


def test_every_cell_of_the_matrix_opens_a_gantt_and_names_its_seed(
    made: tuple[list[RunView], str], found: Outline
) -> None:
    entries = [one["href"][1:] for one in found.of("a") if "entry" in one.get("class", "")]
    assert len(entries) == 2
    gantts = {one["id"] for one in found.of("figure") if one.get("class") == "gantt"}
    assert set(entries) <= gantts
    assert made[1].count("<small>seed 1</small>") == 2


def test_the_values_behind_a_gantt_are_those_of_the_run(
    made: tuple[list[RunView], str],
) -> None:
    runs, text = made
    scripts = re.findall(r'<script type="application/json">(.*?)</script>', text)
    told = json.loads(scripts[0])
    shard = runs[0].rounds[0].shards[0]
    assert told["rows"] == list(runs[0].rounds[0].rows)
    assert len(told["bars"]) == len(shard.bars)
    assert sum(end - start for start, end in told["states"]["gap"]) == pytest.approx(
        shard.gap.total_s, abs=0.01
    )


def test_without_the_script_everything_is_there_and_no_control_of_it(
    made: tuple[list[RunView], str], found: Outline
) -> None:
    assert not [one for _, one in found.elements if "hidden" in one]
    assert "html:not(.scripted) .needs-script{display:none}" in made[1]


def test_only_very_many_spans_are_thinned() -> None:
    few = Spans.of((float(n), n + 0.5) for n in range(500))
    many = Spans.of((float(n), n + 0.5) for n in range(501))
    assert (thinned(few), thinned(many)) == (False, True)


def test_its_style_and_script_lie_in_the_package() -> None:
    folder = files("coord.lab.report")
    for name in ("page.css", "figure.css", "page.js", "reading.html"):
        assert folder.joinpath(name).is_file()
