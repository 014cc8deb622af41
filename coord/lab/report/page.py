"""The page: one HTML document with everything in it.

Owns its outline and the words on how to read it. Draws no figure itself and touches no file but
its own style and script. Nothing in the page refers to anything outside of it; its own policy
forbids a browser to fetch.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files

from coord._version import __version__
from coord.lab.report.choice import Limits, SweepView
from coord.lab.report.compared import CalibrationView
from coord.lab.report.ecdf import ecdf, samples
from coord.lab.report.gantt import LEFT, RIGHT, drawn_acts, gantt, name_of, overview, thinned
from coord.lab.report.model import RoundView, RunView, ShardView
from coord.lab.report.palette import DARK, LIGHT, variables
from coord.lab.report.reading import values
from coord.lab.report.scatter import counted_rows, scatter, scatter_rows
from coord.lab.report.svg import Axis, tag
from coord.lab.report.tables import figures, gantt_id, matrix, verdict
from coord.lab.report.timings import drawings, words

__all__ = ["page"]

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:"
)
_NO_LIMITS = Limits()
_SECTIONS = (
    ("timings", "Timings"),
    ("calibration", "Simulated against real"),
    ("matrix", "Fault by store"),
    ("failover", "Failover"),
    ("runs", "Leadership"),
    ("figures", "Figures"),
    ("reading", "How to read this"),
)


def page(
    runs: Sequence[RunView],
    sweeps: Sequence[SweepView] = (),
    limits: Limits = _NO_LIMITS,
    calibrations: Sequence[CalibrationView] = (),
) -> str:
    """The whole document, of at least one run, sweep or calibration."""
    broken = sum(not run.verdict.kept for run in runs)
    named = (("sweep", sweeps), ("calibration", calibrations))
    parts = [_count(len(found), name) for name, found in named if found]
    if runs:
        parts.append(f"{_count(len(runs), 'run')}, {broken or 'none'} of them with a broken rule")
    summary = "; ".join(parts)
    inside = {
        "timings": "".join(_sweep(index, one, limits) for index, one in enumerate(sweeps)),
        "calibration": "".join(_calibration(*one) for one in enumerate(calibrations)),
        "reading": _own("reading.html"),
    }
    if runs:
        inside |= {
            "matrix": matrix(runs),
            "failover": "".join(_failovers(runs)),
            "runs": "".join(_run(index, run) for index, run in enumerate(runs)),
            "figures": figures(runs),
        }
    sections = [(name, title) for name, title in _SECTIONS if inside.get(name)]
    links = "".join(tag("a", title, href=f"#{name}") for name, title in sections)
    body = [
        tag("a", "Skip to the content", href=f"#{sections[0][0]}", class_="skip"),
        tag("header", tag("h1", "coord lab report"), tag("p", escape(summary)),
            tag("p", escape(_made()), class_="made"),
            tag("nav", links, aria_label="Sections"), _themes()),
        tag("main", *(tag("section", tag("h2", title), inside[name], id=name)
                      for name, title in sections)),
        tag("script", _own("page.js")),
    ]  # fmt: skip
    return "<!doctype html>\n" + tag("html", _head(summary), tag("body", *body), lang="en") + "\n"


def _sweep(index: int, sweep: SweepView, limits: Limits) -> str:
    told = "".join(tag("p", escape(line), class_="made") for line in words(sweep, limits))
    drawn = (_figure(svg, caption, "half") for caption, svg in drawings(index, sweep, limits))
    return told + "".join(drawn)


def _calibration(index: int, one: CalibrationView) -> str:
    name = f"calibration{index + 1}"
    words = (f"Compared by coord {one.version}.", *one.left_out)
    told = (tag("p", escape(line), class_="made") for line in words)
    drawn = _figure(scatter(name, one), "Medians, simulated against real", "half")
    return "".join([*told, drawn, scatter_rows(name, one), counted_rows(one)])


def _own(name: str) -> str:
    return files("coord.lab.report").joinpath(name).read_text(encoding="utf-8")


def _head(summary: str) -> str:
    dark = f':root:not([data-theme="light"]){{{variables(DARK)}color-scheme:dark}}'
    themes = (
        f":root{{{variables(LIGHT)}color-scheme:light}}"
        f"@media screen and (prefers-color-scheme:dark){{{dark}}}"
        f'@media screen{{:root[data-theme="dark"]{{{variables(DARK)}color-scheme:dark}}}}'
    )
    return tag(
        "head",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        tag("title", escape(f"coord lab report: {summary}")),
        tag("style", themes, _own("page.css")),
        tag("style", _own("figure.css"), id="figure-style"),
    )


def _made() -> str:
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"Page written by coord {__version__} on {machine}; each run names its own versions."


def _themes() -> str:
    choices = "".join(
        tag("option", words, value=value)
        for value, words in (("", "as the system"), ("light", "light"), ("dark", "dark"))
    )
    return tag("label", "Theme ", tag("select", choices, id="theme"), class_="theme needs-script")


def _failovers(runs: Sequence[RunView]) -> Iterator[str]:
    found = samples(runs)
    for index, sample in enumerate(found):
        name = f"failover{index + 1}"
        yield _figure(ecdf(name, sample), f"{sample.title}", "half")
    if not found:
        yield tag("p", "No claim changed hands because of a fault in these runs.")


def _run(index: int, run: RunView) -> str:
    facts = run.facts
    name = f"run{index + 1}"
    told = (
        f"{facts.fault} on {facts.store}, mode {facts.mode}, {_count(facts.members, 'member')}, "
        f"{_count(facts.shards, 'shard')}, {_count(facts.seats, 'seat')}, ttl {facts.ttl_s:g} s, "
        f"seed {facts.seed}. {run.directory or 'Its event logs were not kept.'}"
    )
    versions = ", ".join(f"{key} {version}" for key, version in facts.versions.items())
    rounds = "".join(_round(index, place, run, one) for place, one in enumerate(run.rounds))
    return tag(
        "section",
        tag("h3", escape(f"{index + 1}. {facts.title}")),
        tag("p", escape(told), tag("br"), escape(versions), class_="made").replace("</br>", ""),
        verdict(run),
        _choices(index, run),
        rounds,
        id=name,
        class_="run",
    )


def _choices(index: int, run: RunView) -> str:
    """Which round and shard is shown, for the script; the worst is what it begins with."""
    rounds = "".join(
        tag("option", f"{one.number}: {escape(one.fault)}", value=str(place))
        for place, one in enumerate(run.rounds)
    )
    worst = run.rounds[run.worst] if run.rounds else None
    start = f"{run.worst},{worst.worst if worst else 0}"
    return tag(
        "div",
        tag("label", "Round ", tag("select", rounds, class_="pick-round")),
        tag("label", "Shard ", tag("select", class_="pick-shard")),
        class_="pick needs-script",
        data_run=f"run{index + 1}",
        data_start=start,
    )


def _round(index: int, place: int, run: RunView, one: RoundView) -> str:
    names = [gantt_id(index, place, shard) for shard in range(len(one.shards))]
    parts = []
    if len(one.shards) > 1:
        name = f"run{index + 1}-round{place + 1}-all"
        drawn = _figure(overview(name, one, names), f"All shards, round {one.number}")
        parts.append(drawn)
    if one.left_off:
        words = f"{one.left_off} shards that suffered less are not drawn; all figures count them."
        parts.append(tag("p", words, class_="note"))
    parts += [_gantt(name, run, one, shard) for name, shard in zip(names, one.shards, strict=True)]
    return tag("div", *parts, class_="round", data_round=str(place))


def _gantt(name: str, run: RunView, one: RoundView, shard: ShardView) -> str:
    title = f"{name_of(shard)}, round {one.number}"
    notes = "".join(tag("p", words, class_="note") for words in _notes(one, shard))
    script = f'<script type="application/json">{values(one, shard)}</script>'
    extra = notes + tag("output", class_="told needs-script", aria_live="off") + script
    drawn = gantt(f"{name}-svg", run, one, shard)
    return _figure(drawn, title, "gantt", name=name, extra=extra, shard=name_of(shard))


def _notes(one: RoundView, shard: ShardView) -> Iterator[str]:
    drawn = len(drawn_acts(shard.acts, Axis(one.length_s, LEFT, RIGHT)))
    if drawn < len(shard.acts):
        yield (
            f"{drawn} of {len(shard.acts)} act ticks are drawn: the others look the same and fall "
            "on the same half pixel. All of them are in the figures."
        )
    if shard.joined:
        yield f"The bars of {shard.joined} tenures are joined by member, without their tokens."
    states = {"gap": shard.gap, "split": shard.split, "faux": shard.faux}
    for state, spans in states.items():
        if thinned(spans):
            yield (
                f"Of {len(spans.parts)} spans of {state}, those that begin in the same pixel are "
                "drawn as one. All of them are in the figures."
            )


def _figure(
    drawn: str, caption: str, look: str = "", *, name: str = "", extra: str = "", shard: str = ""
) -> str:
    """A figure that can be scrolled where it is narrow, and exported."""
    buttons = "".join(
        tag("button", kind.upper(), type="button", data_export=kind,
            aria_label=f"Save as {kind.upper()}: {caption}")
        for kind in ("svg", "png")
    )  # fmt: skip
    attributes = {"class_": look or "figure"}
    if name:
        attributes |= {"id": name, "data_shard": shard, "tabindex": "-1"}
    head = tag("span", escape(caption)) + tag("span", buttons, class_="export needs-script")
    frame = tag("div", drawn, class_="scroll")
    return tag("figure", tag("figcaption", head), frame, extra, **attributes)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
