"""What a guard is, and the one comparison that all guards make.

Owns the verdict on an offered stamp (generation and token) beside the stamps already seen. Knows no
database, no clock and no session. `coord.fencing.sql` is a guard; others (an object store's
conditional put, a conditional item write) are built from the same `judge`.

Why a guard at all: no check in the worker survives a pause between the check and the act. A worker
that is stopped there for a minute acts for a minute-old term when it goes on. Only the resource can
refuse it, because only the resource sees the order in which acts arrive.

What a guard must do:

1. **Compare and write in one atomic step.** A guard that reads the last stamp, compares, and then
   writes is the worker's own check once more, with the same hole in it.
2. **Refuse an older generation, then an older token.** Equal is welcome, newer is remembered first.
3. **Write nothing when it refuses**, and raise `Fenced`.

*Tokens* are compared within one (role, generation, shard, seat). Two shards of a role have
unrelated tokens, and seats of one shard lead side by side by design: **seats are not fenced against
each other.**

*Generations* are compared for the whole role. Were they kept for each shard, a change of shape
would slip through. With 12 shards row 17 of the resource belongs to shard 5; with 24 it belongs to
shard 17. The new leader's act for row 17 would move the register of shard 17 to generation 2 and
leave the register of shard 5 at generation 1, where the old leader of shard 5 passes, and writes
row 17. So the first act of a newer generation, by whichever shard, closes *all* registers of the
role to the older ones, before that act is done. Test:
`test_a_newer_generation_closes_every_shard_of_the_older`.

The memory of a guard reaches as far as its register. A resource kept in two databases has two
registers, and each learns of a newer stamp from the first act that reaches it, not sooner. Until
its successor acts, a superseded leader passes: at the resource that is the same as having acted a
moment earlier. The order of acts at the resource decides, not the order of elections.
"""

from __future__ import annotations

from enum import Enum
from types import TracebackType
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

from coord.errors import ConfigError, Fenced
from coord.model import ClaimKey, checked_name

__all__ = ["Fenceable", "Guard", "Stamp", "Verdict", "checked_stamp", "judge", "refusal"]

_INT64_MAX = 2**63 - 1
_INT32_MAX = 2**31 - 1

HandleT_co = TypeVar("HandleT_co", covariant=True)


@runtime_checkable
class Fenceable(Protocol):
    """What a guard needs of a term."""

    @property
    def key(self) -> ClaimKey:
        """The scope: role, generation, shard, seat."""
        ...

    @property
    def token(self) -> int:
        """The fencing token of this tenure."""
        ...

    def check(self) -> None:
        """Raise LeadershipLost once the term is over."""
        ...


class Guard(Protocol[HandleT_co]):
    """The form of all guards: `with SomeFence(term, resource) as handle:`.

    Entering runs `term.check()`. What is done through the handle takes effect when the block ends
    without an error, in one atomic step with the comparison, and not at all otherwise. Raises
    Fenced, with nothing written, if the resource has seen a newer generation or token;
    LeadershipLost if the term is over; and the resource's own errors as they come.
    """

    def __enter__(self) -> HandleT_co:
        """Check the term; begin."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        """Make the effects real, or drop them all."""
        ...


class Stamp(NamedTuple):
    """What a guard remembers of an act. Ordered: by generation, then by token."""

    generation: int
    token: int


class Verdict(Enum):
    """What a guard does with an offered stamp."""

    ADMIT = "admit"  # the register shows exactly this stamp
    ADVANCE = "advance"  # a newer token: move the register to it, then admit
    OPEN = "open"  # a newer generation, or a new scope: close the older ones, then admit
    OLD_TOKEN = "older token"  # noqa: S105 - a verdict, not a password
    OLD_GENERATION = "older generation"

    @property
    def refused(self) -> bool:
        """Whether nothing may be written."""
        return self in {Verdict.OLD_TOKEN, Verdict.OLD_GENERATION}


def judge(offered: Stamp, *, seen: Stamp | None, generation: int = 0) -> Verdict:
    """Compare an offered stamp with the register.

    `seen` is the last stamp of the same (role, shard, seat), None if there was none; `generation`
    the newest generation seen anywhere in the role (0: none, or not known apart from `seen`).

    | offered  | seen     | role's generation | verdict        |
    |----------|----------|-------------------|----------------|
    | (2, 70)  | (2, 70)  | 2                 | ADMIT          |
    | (2, 80)  | (2, 70)  | 2                 | ADVANCE        |
    | (2, 60)  | (2, 70)  | 2                 | OLD_TOKEN      |
    | (2, 70)  | none     | 2                 | OPEN           |
    | (2, 70)  | (1, 90)  | 1                 | OPEN           |
    | (2, 70)  | (1, 40)  | 2                 | OPEN           |
    | (1, 90)  | (2, 70)  | 2                 | OLD_GENERATION |
    | (1, 90)  | (1, 90)  | 2                 | OLD_GENERATION |
    | (1, 90)  | none     | 2                 | OLD_GENERATION |

    The generation decides first. Tokens alone would do where all stores keep promise 2 (a newer
    generation's tokens are larger), but a guard does not rest on what it cannot see.
    """
    newest = max(generation, seen.generation if seen else 0)
    if offered.generation < newest:
        return Verdict.OLD_GENERATION
    if seen is None or seen.generation < offered.generation:
        return Verdict.OPEN
    if offered.token < seen.token:
        return Verdict.OLD_TOKEN
    return Verdict.ADMIT if offered.token == seen.token else Verdict.ADVANCE


def checked_stamp(term: Fenceable) -> Stamp:
    """The stamp of a term, after checking that key and token can be stored. Raises ConfigError."""
    key, token = term.key, term.token
    checked_name("role", key.role)
    bounds = (
        ("token", token, 1, _INT64_MAX),
        ("generation", key.generation, 1, _INT64_MAX),
        ("shard", key.shard, 0, _INT32_MAX),
        ("seat", key.seat, 0, _INT32_MAX),
    )
    for name, value, least, most in bounds:
        if type(value) is not int or not least <= value <= most:
            raise ConfigError(
                f"{name} {value!r} of {key} cannot be a fencing stamp",
                cure=f"It must be a whole number from {least} to {most}.",
            )
    return Stamp(key.generation, token)


def refusal(key: ClaimKey, offered: Stamp, verdict: Verdict, newer: Stamp, *, by: str) -> Fenced:
    """The error that a guard raises for a refusing verdict. `by` names the register."""
    if verdict is Verdict.OLD_GENERATION:
        cause = f"generation {newer.generation} of role {key.role!r} has acted already"
    else:
        cause = f"token {newer.token} has acted already"
    return Fenced(
        f"{by} refused {key} with token {offered.token}: {cause}; nothing was written",
        cure="Another member leads now. Let this term end.",
    )
