"""A script that breaks a rule, made smaller for as long as it still breaks it.

Owns the search (delta debugging over the list of blows) and its limit. Plays through a function
that it is given, and knows neither fleets nor rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["TRIES", "shrunk"]

T = TypeVar("T")

TRIES = 200
"""How many plays a search takes at most."""


def shrunk(
    items: Sequence[T], fails: Callable[[Sequence[T]], bool], *, tries: int = TRIES
) -> list[T]:
    """A part of `items`, in their order, of which `fails` still holds; it must hold of all.

    Of none of the single items less, unless `tries` ran out before that was known.
    """
    left = list(items)
    parts = 2
    while left and tries > 0:
        size = max(1, -(-len(left) // parts))
        for start in range(0, len(left), size):
            rest = left[:start] + left[start + size :]
            tries -= 1
            if fails(rest):
                left, parts = rest, max(2, parts - 1)
                break
            if tries <= 0:
                break
        else:
            if size == 1:
                break
            parts = min(len(left), parts * 2)
    return left
