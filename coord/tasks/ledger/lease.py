"""How long a run may trust itself, when to renew, and for how long others were watched: pure.

Owns these reckonings. Reads no clock: every `now_s` and `sent_at_s` comes from the caller, all on
one clock of one process.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from coord.tasks.ledger.records import Record

__all__ = ["Lease", "Watched"]

_RENEW_SHARE = 1 / 3
_RETRY_SHARE = 1 / 12


class Lease(NamedTuple):
    """The right of one attempt, as of the last writing that is known to have been stored.

    `sent_at_s` was stamped before that writing was *first* sent: whoever sees it has seen it later
    and waits for longer (`coord.tasks.ledger.records`). `renewed_until_s`: when renewing ends,
    whatever the work does; work that hangs must not keep a key for ever.
    """

    sent_at_s: float
    lease_s: float
    drift: float
    renewed_until_s: float
    tried_at_s: float = -1.0

    @property
    def trusted_until_s(self) -> float:
        """Until when nobody can have taken over."""
        return self.sent_at_s + self.lease_s * (1 - self.drift)

    def next_s(self, now_s: float) -> float:
        """When there is something to do: renew, try that again, or notice that it is over.

        A failed renewal is repeated soon: each costs one request, and the last that arrives in
        time saves the work.
        """
        due_s = self.sent_at_s + self.lease_s * _RENEW_SHARE
        if self.tried_at_s >= self.sent_at_s:
            due_s = max(due_s, self.tried_at_s + self.lease_s * _RETRY_SHARE)
        return due_s if max(now_s, due_s) < self.renewed_until_s else self.trusted_until_s

    def is_due(self, now_s: float) -> bool:
        """Whether to renew now."""
        return self.next_s(now_s) <= now_s < self.trusted_until_s

    def is_over(self, now_s: float) -> bool:
        """Whether the attempt cannot be trusted any more."""
        return now_s >= self.trusted_until_s

    def renewed(self, sent_at_s: float) -> Lease:
        """After a renewal that was stored."""
        return self._replace(sent_at_s=sent_at_s, tried_at_s=-1.0)

    def failed(self, now_s: float) -> Lease:
        """After a renewal of which nobody knows that it was stored."""
        return self._replace(tried_at_s=now_s)


class Watched:
    """The writings of others that were seen, and since when. Not for several threads at once.

    Bounded: what was not looked at for longest is forgotten, and would be watched anew.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._since: OrderedDict[str, tuple[tuple[str, int], float]] = OrderedDict()

    def unmoved_s(self, key: str, record: Record, replied_s: float) -> float:
        """For how long `record` has been seen as it is; `replied_s`: when the reply had come."""
        known = self._since.get(key)
        if known is None or known[0] != record.mark:
            known = (record.mark, replied_s)
            self._since[key] = known
            if len(self._since) > self._most:
                self._since.popitem(last=False)
        self._since.move_to_end(key)
        return replied_s - known[1]

    def forget(self, key: str) -> None:
        """The key is not in progress any more."""
        self._since.pop(key, None)
