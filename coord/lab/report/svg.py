"""SVG as text: elements, a linear axis, and what every figure has.

Owns escaping, and the frame with title and description. Knows no data and no colour: classes say
what a thing is, `figure.css` how it looks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

__all__ = ["Axis", "frame", "number", "tag", "text"]


def number(value: float) -> str:
    """As short as can be seen: tenths of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def tag(name: str, *inside: str, **attributes: str | float) -> str:
    """An element around markup. `class_` is class; an underline in a name is a hyphen."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="'
        f'{escape(value) if isinstance(value, str) else number(value)}"'
        for key, value in attributes.items()
    )
    return f"<{name}{told}>{''.join(inside)}</{name}>"


def text(words: str, x: float, y: float, **attributes: str | float) -> str:
    """A text at a place; the words are escaped."""
    return tag("text", escape(words), x=x, y=y, **attributes)


@dataclass(frozen=True, slots=True)
class Axis:
    """Seconds from 0 to `end_s` along pixels."""

    end_s: float
    left: float
    right: float

    def at(self, moment_s: float) -> float:
        """The pixel of a moment; moments beyond the ends are at the ends."""
        share = moment_s / self.end_s if self.end_s > 0 else 0.0
        return self.left + min(1.0, max(0.0, share)) * (self.right - self.left)

    def ticks(self, most: int = 10) -> list[float]:
        """Round moments, at most so many and one."""
        if self.end_s <= 0:
            return [0.0]
        rough = self.end_s / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(one * power for one in (1, 2, 5, 10) if one * power >= rough * 0.999999)
        return [index * step for index in range(int(self.end_s / step + 1e-9) + 1)]

    def marks(self, top: float, bottom: float, label: str) -> str:
        """The axis below a plot, with lines through it."""
        lines = "".join(
            tag("line", x1=self.at(t), x2=self.at(t), y1=top, y2=bottom, class_="grid")
            + text(f"{t:g}", self.at(t), bottom + 14, class_="tick", text_anchor="middle")
            for t in self.ticks()
        )
        middle = (self.left + self.right) / 2
        name = text(label, middle, bottom + 29, class_="tick", text_anchor="middle")
        return tag("g", lines, name)


def frame(
    name: str,
    size: tuple[float, float],
    words: tuple[str, str],
    inside: Iterable[str],
    *,
    role: str,
) -> str:
    """A whole figure; `words` are its title and description. All ids within begin with `name`."""
    width, height = size
    title, desc = words
    return tag(
        "svg",
        tag("title", escape(title), id=f"{name}-title"),
        tag("desc", escape(desc), id=f"{name}-desc"),
        *inside,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=width,
        height=height,
        role=role,
        id=name,
        aria_labelledby=f"{name}-title",
        aria_describedby=f"{name}-desc",
    )
