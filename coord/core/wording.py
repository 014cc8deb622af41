"""Values of coord as people read them.

Owns the words for durations, shapes and endings. Knows no view and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized

from coord.model import Ending, EndingKind, Shape

__all__ = ["duration_text", "ending_text", "held_text", "listed", "shape_text"]

_UNITS_S = (("d", 86400), ("h", 3600), ("m", 60))
_ENDED = {
    EndingKind.WEDGED: "wedged",
    EndingKind.RAISED: "its code raised",
    EndingKind.LOST: "its session was lost",
    EndingKind.DEPOSED: "deposed",
    EndingKind.RETURNED: "its code returned",
    EndingKind.TENURE: "its longest tenure was over",
}


def duration_text(seconds: float) -> str:
    """Seconds as users write them: "250ms", "15s", "10m", "2h". What it gives can be read back."""
    if 0 < seconds < 1:
        return f"{_short(seconds * 1000)}ms"
    for unit, size in _UNITS_S:
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{_short(seconds)}s"


def _short(number: float) -> str:
    return f"{number:.3f}".rstrip("0").rstrip(".")


def shape_text(shape: Shape) -> str:
    """A shape in words."""
    shards = f"{shape.shards} shard" + ("s" if shape.shards != 1 else "")
    return shards if shape.seats == 1 else f"{shards} × {shape.seats} seats"


def ending_text(ending: Ending) -> str:
    """One member's endings on a claim."""
    times = f" {ending.count}×" if ending.count > 1 else ""
    return f"{ending.member} ({_ENDED[ending.kind]}{times})"


def listed(names: Iterable[str]) -> str:
    """Names in a sentence: "a, b and c". There must be one."""
    *most, last = list(names)
    return f"{', '.join(most)} and {last}" if most else last


def held_text(held: Mapping[str, Sized]) -> str:
    """How many claims each member still holds."""
    if not held:
        return "no claim is held any more"
    return "still held: " + listed(f"{len(claims)} by {name}" for name, claims in held.items())
