"""A term for the tests of guards: a key, a token, and a life that the test ends."""

from __future__ import annotations

from coord.errors import LeadershipLost
from coord.model import ClaimKey

__all__ = ["FakeTerm", "term"]


class FakeTerm:
    """What a guard sees of a term. `lives` is how many more checks succeed; None: all."""

    def __init__(self, key: ClaimKey, token: int, lives: int | None = None) -> None:
        self.key = key
        self.token = token
        self.lives = lives
        self.checks = 0

    def check(self) -> None:
        """Raise LeadershipLost once `lives` checks have succeeded."""
        self.checks += 1
        if self.lives is not None and self.checks > self.lives:
            raise LeadershipLost("the deadline of this term has passed", cure="Stop acting.")


def term(
    token: int,
    *,
    role: str = "reaper",
    generation: int = 1,
    shard: int = 0,
    seat: int = 0,
    lives: int | None = None,
) -> FakeTerm:
    """A term of the role that most tests speak of."""
    return FakeTerm(ClaimKey(role, generation, shard, seat), token, lives)
