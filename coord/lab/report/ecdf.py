"""Failovers as shares over time: how many were detected, claimed, warmed up within so long.

Owns how samples of several runs are pooled (same fault, store, mode and ttl), and the figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from coord.lab.measure.failover import stats
from coord.lab.report.model import RunView
from coord.lab.report.svg import Axis, frame, number, tag, text

__all__ = ["Sample", "ecdf", "samples", "steps"]

_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 536.0, 46.0, 330.0, 14.0, 194.0
_MOST_STEPS = 400
_PARTS = (("detect", "detect"), ("claim", "claim"), ("warm_up", "warm-up"), ("total", "total"))


@dataclass(frozen=True, slots=True)
class Sample:
    """All failovers of one fault on one store in one mode, by part; in seconds."""

    fault: str
    store: str
    mode: str
    ttl_s: float
    parts: dict[str, tuple[float, ...]]

    @property
    def title(self) -> str:
        """What it is of."""
        return f"{self.fault} on {self.store} ({self.mode}), ttl {self.ttl_s:g} s"


def samples(runs: Iterable[RunView]) -> list[Sample]:
    """What was measured, pooled over runs of the same setting; those without a failover not."""
    pools: dict[tuple[str, str, str, float], dict[str, list[float]]] = {}
    for run in runs:
        facts = run.facts
        for result in run.verdict.results:
            setting = result.round.fault, facts.store, facts.mode, facts.ttl_s
            for one in result.failovers:
                pool = pools.setdefault(setting, {name: [] for name, _ in _PARTS})
                for name, _ in _PARTS:
                    value = getattr(one, f"{name}_s")
                    if value is not None:
                        pool[name].append(value)
    return [
        Sample(*setting, {name: tuple(sorted(values)) for name, values in pool.items()})
        for setting, pool in sorted(pools.items())
    ]


def steps(values: Sequence[float], end_s: float) -> list[tuple[float, float]]:
    """(seconds, share) at each step up; of very many, evenly chosen ones and the last."""
    count = len(values)
    every = max(1, -(-count // _MOST_STEPS))
    chosen = [index for index in range(count) if (index + 1) % every == 0 or index == count - 1]
    return [(min(values[index], end_s), (index + 1) / count) for index in chosen]


def ecdf(name: str, sample: Sample) -> str:
    """The figure: a stepped line for each part, told apart by dashes and by their names."""
    longest = max((values[-1] for values in sample.parts.values() if values), default=1.0)
    axis = Axis(longest * 1.04 or 1.0, _LEFT, _RIGHT)
    inside = [axis.marks(_TOP, _BOTTOM, "seconds after the fault"), *_shares()]
    for place, (key, words) in enumerate(_PARTS):
        values = sample.parts[key]
        y = _TOP + 14 + 34 * place
        inside.append(tag("path", d=f"M{_RIGHT + 16} {y - 4}h26", class_=f"part {key}"))
        inside.append(text(words, _RIGHT + 48, y, class_="row"))
        inside.append(text(_summary(values), _RIGHT + 48, y + 13, class_="tick"))
        if values:
            inside.append(tag("path", d=_line(values, axis), class_=f"part {key}"))
    count = len(sample.parts["total"])
    desc = "; ".join(f"{words}: {_summary(sample.parts[key])}" for key, words in _PARTS)
    title = f"Failovers, {sample.title}, n = {count}"
    return frame(name, (_WIDTH, _BOTTOM + 38), (title, desc), inside, role="img")


def _summary(values: Sequence[float]) -> str:
    figures = stats(values)
    if figures.p50 is None or figures.max is None:
        return "none"
    return f"p50 {figures.p50:.3f} s, max {figures.max:.3f}"


def _y(share: float) -> float:
    return _BOTTOM - share * (_BOTTOM - _TOP)


def _line(values: Sequence[float], axis: Axis) -> str:
    drawn = [f"M{number(axis.left)} {number(_y(0))}"]
    for moment_s, share in steps(values, axis.end_s):
        drawn.append(f"H{number(axis.at(moment_s))}V{number(_y(share))}")
    return "".join([*drawn, f"H{number(axis.right)}"])


def _shares() -> Iterator[str]:
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        yield tag("line", x1=_LEFT, x2=_RIGHT, y1=_y(share), y2=_y(share), class_="grid")
        yield text(f"{share:.0%}", _LEFT - 6, _y(share) + 4, class_="tick", text_anchor="end")
