"""Lots: one stream for each purpose, all from one seed.

Owns the derivation. What is drawn for one purpose never moves what another gets, so a fault more or
a member more leaves all other lots as they were. No `hash()`, no order of a set.
"""

from __future__ import annotations

import hashlib
import random

__all__ = ["Dice"]


class Dice:
    """All streams of one seed. Equal seeds and purposes give equal lots, on every machine."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._streams: dict[str, random.Random] = {}

    def stream(self, purpose: str) -> random.Random:
        """The stream of a purpose: the same object for the same words."""
        found = self._streams.get(purpose)
        if found is None:
            words = f"{self.seed}\n{purpose}".encode()
            digest = hashlib.blake2b(words, digest_size=16).digest()
            found = self._streams[purpose] = random.Random(int.from_bytes(digest, "big"))
        return found
