"""What co-leaders have in common: how likely all are down, by their number and by beta.

Owns the figure. The chances are those of `coord.lab.redundancy`; `p` is an example, and said so.
"""

from __future__ import annotations

import math
from fractions import Fraction

from coord.lab.redundancy import Redundancy
from coord.lab.report.svg import frame, number, tag, text

__all__ = ["beta_sweep"]

_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 536.0, 56.0, 400.0, 16.0, 232.0
_MOST, _LEAST_POWER = 6, -12
_P = Fraction(1, 100)
_BETAS = (
    (Fraction(0), "detect"),
    (Fraction(1, 100), "claim"),
    (Fraction(1, 20), "warm_up"),
    (Fraction(1, 5), "total"),
)


def beta_sweep(name: str) -> str:
    """The figure: a curve for each beta, one to six co-leaders, the chance as a power of ten."""
    inside = [text("all are down", _LEFT, _TOP - 4, class_="tick")]
    for power in range(_LEAST_POWER, 1, 2):
        y = _y(power)
        inside.append(tag("line", x1=_LEFT, x2=_RIGHT, y1=y, y2=y, class_="grid"))
        inside.append(text(f"1e{power}" if power else "1", _LEFT - 6, y + 4, class_="tick",
                           text_anchor="end"))  # fmt: skip
    inside += [
        text(str(members), _x(members), _BOTTOM + 14, class_="tick", text_anchor="middle")
        for members in range(1, _MOST + 1)
    ]
    middle = (_LEFT + _RIGHT) / 2
    inside.append(text("co-leaders", middle, _BOTTOM + 29, class_="tick", text_anchor="middle"))
    told = []
    for place, (beta, look) in enumerate(_BETAS):
        model = Redundancy(p=_P, beta=beta)
        powers = [math.log10(model.all_down(members)) for members in range(1, _MOST + 1)]
        path = "L".join(f"{number(_x(n + 1))} {number(_y(one))}" for n, one in enumerate(powers))
        inside.append(tag("path", d=f"M{path}", class_=f"part {look}"))
        y = _TOP + 14 + 22 * place
        inside.append(tag("path", d=f"M{_RIGHT + 14} {number(y - 4)}h26", class_=f"part {look}"))
        inside.append(text(f"beta {float(beta):g}", _RIGHT + 46, y, class_="row"))
        told.append(f"beta {float(beta):g}: never below {float(model.floor):.1e}")
    title = f"All co-leaders down, each with p = {float(_P):g}"
    return frame(name, (_WIDTH, _BOTTOM + 38), (title, "; ".join(told)), inside, role="img")


def _x(members: int) -> float:
    return _LEFT + 16 + (members - 1) / (_MOST - 1) * (_RIGHT - _LEFT - 32)


def _y(power: float) -> float:
    return _TOP + max(_LEAST_POWER, power) / _LEAST_POWER * (_BOTTOM - _TOP)
