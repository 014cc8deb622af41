"""One key's next node, as a transaction.

Owns how a key changes: its node is deleted, the next one made, and the bell rung, which tells
watchers of the change and us the number of the transaction. Sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from coord.codec import note_text
from coord.model import Claim, ClaimKey
from coord_zookeeper.failures import refused
from coord_zookeeper.layout import Layout, claim_name
from coord_zookeeper.nodes import ClaimNode, claim_text
from coord_zookeeper.requests import (
    BAD_VERSION,
    NO_NODE,
    NODE_EXISTS,
    Op,
    Refused,
    Stat,
    create,
    delete,
    refusal,
    zxid_of,
)

__all__ = ["Change", "next_change", "removal"]

_MOVED = frozenset({NO_NODE, NODE_EXISTS, BAD_VERSION})


@dataclass(slots=True)
class Change:
    """What is to be sent; once answered, `node` is how the key stands if it was `done`."""

    ops: list[Op]
    node: ClaimNode | None
    fresh: bool = False
    done: bool = False
    refused: Refused | None = None

    def guarded(self, *checks: Op) -> Change:
        """The same, but only if these hold."""
        self.ops = [*checks, *self.ops]
        return self

    def answered(self, results: Sequence[Stat | Refused | None], where: str) -> None:
        """Take in the answer. Raises what no rule of ours expects, such as missing rights."""
        self.refused = refusal(results)
        self.done = self.refused is None
        if self.refused is not None and self.refused.code not in _MOVED:
            raise refused(self.refused.code, where)
        if self.done and self.fresh and self.node is not None:
            claim = self.node.claim
            claim = Claim(claim.key, zxid_of(results), claim.session, claim.note)
            self.node = self.node._replace(claim=claim)


def next_change(
    layout: Layout, acl: bytes, node: ClaimNode | None, claim: Claim, *, fresh: bool = False
) -> Change:
    """Put `claim` in place of `node`, or first. `fresh`: its token is the transaction's number."""
    key: ClaimKey = claim.key
    if node is None:
        number = 1
        before = create(layout.key(key), b"", acl)
    else:
        number = node.number + 1
        before = delete(layout.claim(node.name))
    name = claim_name(key, number)
    text = claim_text(claim, note_text(claim.note), fresh=fresh)
    made = create(layout.claim(name), text, acl)
    return Change([before, made, layout.ring()], ClaimNode(name, number, claim), fresh)


def removal(layout: Layout, nodes: Iterable[ClaimNode]) -> list[Op]:
    """Remove keys for good: those of an older generation, which nobody can claim any more."""
    paths = ((layout.claim(node.name), layout.key(node.claim.key)) for node in nodes)
    return [delete(path) for pair in paths for path in pair]
