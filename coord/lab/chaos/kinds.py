"""What differs from store to store in the demo: the usual ttl, and how silence is found out.

Owns these choices and words. Knows no client and opens nothing; a store that is not listed is shown
with what holds for all of them. All durations in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Kind", "kind_named"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of store.

    `ttl_s` suits a server of the user's own, which may be far away and in its usual settings;
    `own_ttl_s` one that is started for the demo, and `own_options` is what its URL must say.
    `proves_death`: the store can tell a dead process from a silent one. `waits` says why a silent
    worker takes as long to replace as it does.
    """

    ttl_s: float
    own_ttl_s: float
    waits: str
    proves_death: bool = False
    own_options: Mapping[str, str] = field(default_factory=dict)


_USUAL = Kind(
    ttl_s=3.0,
    own_ttl_s=3.0,
    waits="a silent session is waited for, up to its ttl of {ttl:g} s.",
)

_KINDS = {
    "sqlite": Kind(ttl_s=2.0, own_ttl_s=2.0, waits=_USUAL.waits, proves_death=True),
    "etcd": Kind(
        ttl_s=3.0,  # etcd in its usual settings grants 2 s and more
        own_ttl_s=2.0,
        waits="its lease of {ttl:g} s has to run out, and etcd looks for that every half second.",
    ),
    "zookeeper": Kind(
        ttl_s=4.0,  # two ticks of ZooKeeper in its usual settings, the least that it grants
        own_ttl_s=2.0,
        waits="its session of {ttl:g} s has to run out, and ZooKeeper looks for that once a tick.",
    ),
    "dynamodb": Kind(
        ttl_s=3.0,
        own_ttl_s=2.0,
        waits=(
            "nothing in the table ends a session; the other workers evict one whose heartbeat they "
            "have watched stand still for the ttl of {ttl:g} s."
        ),
        own_options={"batch": "10"},  # what DynamoDB Local takes
    ),
}


def kind_named(scheme: str) -> Kind:
    """The kind of store that URLs with this scheme name."""
    return _KINDS.get(scheme, _USUAL)
