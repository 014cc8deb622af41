"""What a kind of fault is: its words, whom it can strike, what it needs, and how it is done.

Owns the form that every family of faults fills in. Strikes nobody.

A fault is a context: entering strikes and returns once it is in force, leaving heals. So whatever
happens meanwhile, it is healed. What cannot be healed, as a death, is made up for: whoever was
killed is started again. Neither may take long: the fleet is fed and watched by the same thread.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

from coord.lab.chaos.stage import Stage
from coord.testing.servers import ServerMember

__all__ = ["MEMBERS", "SERVERS", "Blow", "FaultKind", "Option", "Setting", "anywhere"]

MEMBERS = ("leader", "follower", "one", "half", "all")
"""Selectors of members; see `coord.lab.chaos.targets`."""
SERVERS = ("store-leader", "store-one", "store-all")
"""Selectors of the store's servers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One number that a fault takes besides its times: `seconds`, a `share` (0 to 1), a `count`."""

    name: str
    says: str
    kind: Literal["seconds", "share", "count"]
    default: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where a fault would strike, for telling before anything starts whether it can."""

    store: str
    """The kind: `sqlite`, `etcd`, `zookeeper`, `dynamodb`, or another scheme."""
    own: bool
    """Started for this run."""
    servers: int
    """How many; 0 for a file."""
    mode: str
    """Of the lab's own work; empty for a daemon of the user's."""

    @property
    def daemon(self) -> bool:
        """Whether the processes are a user's."""
        return not self.mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """One stroke: those whom it strikes, by now, and the numbers of the fault."""

    members: tuple[str, ...]
    servers: tuple[ServerMember, ...]
    options: Mapping[str, float]
    for_s: float
    dice: random.Random


def anywhere(_: Setting) -> str | None:
    """It can strike in any setting."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """One kind of fault. `unfit` says why it cannot strike there; None: it can.

    `needs`: capabilities of the machine, by name. `linked`: each member needs a way of its own to
    the store. `own_disks`: the store's data has to lie on small disks made for the run.
    `failpoint`: where a struck process has to look, in order to be struck from inside; a daemon
    that does not take part (`coord.lab.chaos.agent`) is refused. `breaks`: why the store does not
    keep its promises under it, for which stores; a split is then the store's, and reported as such.
    """

    name: str
    says: str
    targets: tuple[str, ...]
    inject: Callable[[Stage, Blow], AbstractContextManager[None]]
    options: tuple[Option, ...] = ()
    needs: tuple[str, ...] = ()
    linked: bool = False
    own_disks: bool = False
    failpoint: str = ""
    unfit: Callable[[Setting], str | None] = anywhere
    breaks: Callable[[Setting], str | None] = anywhere
