"""One session's claims: one transaction a key, many of them under way at once.

Owns the conditions under which a claim changes hands. Reads through the mirror, writes through the
store's own connection, so that no heartbeat waits behind a batch. The rules, each of them a part of
the transaction itself:

- `check sessions/<sid>`: nothing is claimed, kept or let go of for a session that is over, through
  whichever connection and however late the request lands (promise 3;
  `test_what_a_lost_session_had_queued_changes_nothing`).
- `check roles/<role>` at its version: a claim decided under an older record loses.
- `delete claims/<key>=<n>`: the comparison of tokens. A node is there only as it was read, so
  whoever saw another token, or another holder, deletes nothing and loses (promises 1 and 6).
- `create keys/<key>`: the same for a key that was never claimed.
- Taking from a holder whose session is over needs no further check: its end is final, and nobody
  else can have taken the key since, or the node would have another name.
- The token is the new node's czxid: the number of the transaction. It never falls, whatever is
  deleted, and is told in the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum

from coord.errors import SessionLost
from coord.model import Claim
from coord.spi import Claimed, ClaimRequest, Held, Tenure
from coord_zookeeper.changes import Change, next_change, removal
from coord_zookeeper.deadline import Deadline
from coord_zookeeper.failures import in_doubt
from coord_zookeeper.group import Group
from coord_zookeeper.nodes import ClaimNode
from coord_zookeeper.requests import check

__all__ = ["Claims", "lost"]


class _Verdict(Enum):
    """What is known of a request before it is sent."""

    FREE = "free"
    OURS = "ours"
    REFUSED = "refused"


def lost(sid: str) -> SessionLost:
    """The error that says that a session is over, for good."""
    return SessionLost(f"session {sid} is over", cure="Open a new session; it starts with nothing.")


class Claims:
    """What the session `sid` holds in `group`. Any thread."""

    def __init__(self, sid: str, group: Group) -> None:
        self._sid = sid
        self._group = group
        self._mirror = group.mirror
        self._alive = check(group.layout.session(sid))

    def claim(self, requests: Sequence[ClaimRequest], deadline: Deadline) -> list[Claimed | Held]:
        """Give each key or refuse it, by itself, in order."""
        verdicts = [self._judge(request) for request in requests]
        if any(verdict is not _Verdict.FREE for verdict in verdicts):
            self.look(deadline)
            verdicts = [self._judge(request) for request in requests]
        changes = {
            number: self._taking(requests[number])
            for number, verdict in enumerate(verdicts)
            if verdict is _Verdict.FREE
        }
        self._send(list(changes.values()), deadline)
        if not all(change.done for change in changes.values()):
            with in_doubt():
                self.look(deadline)
        return [
            self._answer(request, changes.get(number)) for number, request in enumerate(requests)
        ]

    def release(self, tenures: Sequence[Tenure], deadline: Deadline) -> None:
        """Free each tenure that is still this session's under its token, leaving its note."""
        self._settle(tenures, deadline, self._freeing)

    def amend(self, tenures: Sequence[Tenure], deadline: Deadline) -> None:
        """Replace the note of each tenure that is still this session's under its token."""
        self._settle(tenures, deadline, self._amending)

    def look(self, deadline: Deadline) -> None:
        """Read the group anew. Raises SessionLost if this session is not in it any more."""
        self._mirror.view(deadline)
        if not self._mirror.lives(self._sid):
            raise lost(self._sid)

    # ---------------------------------------------------------------------------------- claiming

    def _judge(self, request: ClaimRequest) -> _Verdict:
        key, seen_token, role_version, _ = request
        node = self._mirror.known(key)
        token, holder = (0, None) if node is None else (node.claim.token, node.claim.session)
        if holder == self._sid and token >= seen_token:
            return _Verdict.OURS
        role = self._mirror.role(key.role)
        if role is None or (role.version, role.generation) != (role_version, key.generation):
            return _Verdict.REFUSED
        if holder is not None and self._mirror.lives(holder):
            return _Verdict.REFUSED
        return _Verdict.FREE if token == seen_token else _Verdict.REFUSED

    def _taking(self, request: ClaimRequest) -> Change:
        key, _, role_version, note = request
        role = check(f"{self._group.layout.roles}/{key.role}", role_version - 1)
        change = self._next(self._mirror.known(key), Claim(key, 0, self._sid, note), fresh=True)
        return change.guarded(self._alive, role)

    def _answer(self, request: ClaimRequest, change: Change | None) -> Claimed | Held:
        if change is not None and change.done and change.node is not None:
            return Claimed(request.key, change.node.claim.token)
        node = self._mirror.known(request.key)
        if node is not None and self._judge(request) is _Verdict.OURS:
            return Claimed(request.key, node.claim.token)
        return Held(request.key)

    # ------------------------------------------------------------------------------- letting go

    def _freeing(self, node: ClaimNode, tenure: Tenure) -> Change:
        role = self._mirror.role(tenure.key.role)
        if role is not None and tenure.key.generation < role.generation:
            layout = self._group.layout
            return Change([self._alive, *removal(layout, [node]), layout.ring()], None)
        claim = Claim(tenure.key, tenure.token, None, tenure.note)
        return self._next(node, claim).guarded(self._alive)

    def _amending(self, node: ClaimNode, tenure: Tenure) -> Change | None:
        if node.claim.note == tenure.note:
            return None
        claim = Claim(tenure.key, tenure.token, self._sid, tenure.note)
        return self._next(node, claim).guarded(self._alive)

    def _settle(
        self,
        tenures: Sequence[Tenure],
        deadline: Deadline,
        change_of: Callable[[ClaimNode, Tenure], Change | None],
    ) -> None:
        """Change what is still ours. What turns out to have moved is looked at again."""
        if any(self._ours(tenure) is None for tenure in tenures):
            self.look(deadline)
        left = self._change(tenures, deadline, change_of)
        with in_doubt():
            while left:
                self.look(deadline)
                left = self._change(left, deadline, change_of)

    def _change(
        self,
        tenures: Sequence[Tenure],
        deadline: Deadline,
        change_of: Callable[[ClaimNode, Tenure], Change | None],
    ) -> list[Tenure]:
        """Change what is ours as far as is known; those that had moved."""
        changes: list[tuple[Tenure, Change]] = []
        for tenure in tenures:
            node = self._ours(tenure)
            change = None if node is None else change_of(node, tenure)
            if change is not None:
                changes.append((tenure, change))
        if not changes:
            self.look(deadline)  # nothing to send that would have told of our end
        self._send([change for _, change in changes], deadline)
        return [tenure for tenure, change in changes if not change.done]

    def _ours(self, tenure: Tenure) -> ClaimNode | None:
        node = self._mirror.known(tenure.key)
        if node is None or (node.claim.session, node.claim.token) != (self._sid, tenure.token):
            return None
        return node

    # ---------------------------------------------------------------------------------- sending

    def _next(self, node: ClaimNode | None, claim: Claim, *, fresh: bool = False) -> Change:
        return next_change(self._group.layout, self._group.acl, node, claim, fresh=fresh)

    def _send(self, changes: Sequence[Change], deadline: Deadline) -> None:
        """Send all; what was done is known from then on. Raises SessionLost."""
        link = self._group.link()
        link.connect(deadline)
        answers = link.commit_all((change.ops for change in changes), deadline)
        try:
            with in_doubt():
                for change, results in zip(changes, answers, strict=True):
                    change.answered(results, link.where)
        finally:
            self._mirror.wrote(change.node for change in changes if change.done and change.node)
        if any(change.refused is not None and change.refused.at == 0 for change in changes):
            raise lost(self._sid)
