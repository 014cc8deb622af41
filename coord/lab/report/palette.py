"""The colours of the page, in both themes.

Owns every colour. Text has a contrast of at least 4.5 to the ground, what is drawn at least 3; the
colours of tokens come from a set that stays apart for colour-blind people, and nothing is said by
colour alone: states have hatchings and letters, tokens have their number, parts have dashes.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["DARK", "LIGHT", "TOKENS", "contrast", "variables"]

TOKENS = 5
"""How many colours tokens take turns in."""

_LINEAR_BELOW = 0.04045

LIGHT: Mapping[str, str] = {
    "ground": "#ffffff",
    "panel": "#f5f6f8",
    "ink": "#1a1d21",
    "muted": "#555c66",
    "line": "#c9ced6",
    "link": "#0b57a4",
    "broken": "#b3111f",
    "kept": "#1c6b3a",
    "gap": "#6f7782",
    "split": "#c8102e",
    "faux": "#a86400",
    "fault": "#6d4bb3",
    "token0": "#0072b2",
    "token1": "#b85000",
    "token2": "#007a5a",
    "token3": "#a2387c",
    "token4": "#66611a",
}
DARK: Mapping[str, str] = {
    "ground": "#14171b",
    "panel": "#1d2127",
    "ink": "#e8ebef",
    "muted": "#a9b1bc",
    "line": "#3c434d",
    "link": "#7cb9f5",
    "broken": "#ff8a8f",
    "kept": "#7fd39b",
    "gap": "#98a1ad",
    "split": "#ff6470",
    "faux": "#f0a830",
    "fault": "#b79bf2",
    "token0": "#56b4e9",
    "token1": "#f2935c",
    "token2": "#35c79c",
    "token3": "#e48cc6",
    "token4": "#d3cb5a",
}


def variables(colours: Mapping[str, str]) -> str:
    """The colours as custom properties of CSS."""
    return "".join(f"--{name}:{value};" for name, value in colours.items())


def contrast(one: str, other: str) -> float:
    """The contrast of two colours (#rrggbb) as WCAG defines it: from 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    dark = part <= _LINEAR_BELOW
    return part / 12.92 if dark else float(((part + 0.055) / 1.055) ** 2.4)
