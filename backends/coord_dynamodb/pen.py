"""The transactions by which one session changes claims: numbered, logged, and its own only.

Owns the member's item as the head of each transaction. Knows no claim's condition. Rules:

- The head is conditional on the member's item still naming this session. So nothing that a session
  sends has an effect once it has ended, however late it lands
  (`test_a_late_claim_of_a_dead_session_lands_nowhere`), though the session's own item, which
  heartbeats write all the time, is not touched.
- Transactions are numbered, and each is conditional on a smaller number being stored. So one that
  was held on its way cannot land after a later one of the same session, and the number is the nonce
  that tells an applied transaction from a refused one: stored by this session, it can only be ours
  (`test_a_claim_whose_answer_was_lost_is_recognised_as_ours`).
- What became of a transaction may stay unknown. Then its number is used up, and the log begins anew
  after it: readers who do not know that number read all claims.
"""

from __future__ import annotations

from collections.abc import Sequence

from coord.errors import Certainty, SessionLost, StoreUnavailable
from coord_dynamodb.changes import Change, Log
from coord_dynamodb.failures import Cancelled
from coord_dynamodb.group import Action, Group
from coord_dynamodb.items import member_of, member_sk, number, text
from coord_dynamodb.link import Deadline
from coord_dynamodb.own import OwnChanges

__all__ = ["Pen", "lost"]


def lost(session: str) -> SessionLost:
    """The error for a session that is over."""
    return SessionLost(
        f"session {session!r} is over", cure="Open a new session; it starts with nothing."
    )


class Pen:
    """One session's transactions, one at a time: the caller locks."""

    def __init__(
        self, group: Group, own: OwnChanges, *, session: str, name: str, last: int
    ) -> None:
        self.group = group
        self.session = session
        self.name = name
        self._own = own
        self._last = last
        self._log = Log(last)

    def write(
        self, actions: Sequence[Action], changes: Sequence[Change], deadline: Deadline
    ) -> None:
        """Do all of it in one transaction with the head.

        Raises Cancelled (the head is action 0), TooMany, SessionLost, and what `Link.call` does.
        """
        this = self._last + 1
        log = self._log.with_entry(this, changes)
        try:
            self.group.transact([self._head(this, log), *actions], deadline)
        except Cancelled as answer:
            if not answer.failed(0):
                if answer.doubtful:  # the first try may still be on its way
                    self._forget(this)
                raise
            if not self._is_ours(answer, this):
                raise lost(self.session) from None
        except StoreUnavailable as error:
            if error.certainty is not Certainty.NOT_APPLIED:
                self._forget(this)
            raise
        self._last, self._log = this, log
        self._own.note(self.group.name, self.name, this, changes)

    def shorten(self, deadline: Deadline) -> None:
        """Take the log away once it is of no use: every poll of every member reads it."""
        if not self._log.entries:
            return
        action = self.group.update(
            member_sk(self.name),
            "REMOVE lg",
            when="sid = :me AND k = :k",
            values={":me": text(self.session), ":k": number(self._last)},
        )
        self.group.write(action, deadline)
        self._log = Log(self._last)

    def _head(self, this: int, log: Log) -> Action:
        return self.group.update(
            member_sk(self.name),
            "SET n = n + :one, k = :k, lg = :log",
            when="sid = :me AND k < :k",
            values={
                ":one": number(1),
                ":k": number(this),
                ":log": text(log.text()),
                ":me": text(self.session),
            },
        )

    def _is_ours(self, answer: Cancelled, this: int) -> bool:
        stored = member_of(answer.item(0)) if answer.item(0) else None
        return stored is not None and (stored.session, stored.claims) == (self.session, this)

    def _forget(self, this: int) -> None:
        """Nobody knows what became of transaction `this`."""
        self._last, self._log = this, Log(this)
        self._own.forget(self.group.name, self.name)
