"""The transactions by which one session changes claims: numbered, logged, and its own only.

Owns the member's item as the head of each transaction. Knows no claim's condition. Rules:

- The head is conditional on the member's item still naming this session. So nothing that a session
  sends has an effect once it has ended, however late it lands
  (`test_a_late_claim_of_a_dead_session_lands_nowhere`), though the session's own item, which
  heartbeats write all the time, is not touched.
- Transactions are numbered, and each is conditional on the number before its own. So of two that
  follow the same one at most one is ever applied, and one that was held on its way cannot land
  after a later one (`test_a_late_claim_is_overtaken_by_any_later_transaction`).
- Each carries a random nonce. A refused head shows the stored one, which tells whether this very
  transaction is what was applied (`test_a_claim_whose_answer_was_lost_is_recognised_as_ours`). The
  number cannot tell that: two transactions may have borne it
  (`test_a_claim_that_was_applied_though_its_repetition_was_refused_is_not_taken_for_another`).
- What became of a transaction may stay unknown. Nothing rests on guessing it: if it was applied,
  the head of the next one is refused and shows number and log as they are stored. They are taken
  over, and the next one is sent again after them.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress

from coord.errors import SessionLost
from coord_dynamodb.changes import Change, Log, log_of
from coord_dynamodb.failures import Cancelled, ConditionFailed
from coord_dynamodb.group import Action, Group
from coord_dynamodb.items import MemberItem, member_of, member_sk, number, text
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
        while not self._written(actions, changes, deadline):
            pass  # an earlier one turned out to have been applied: it is taken in now

    def _written(
        self, actions: Sequence[Action], changes: Sequence[Change], deadline: Deadline
    ) -> bool:
        this, nonce = self._last + 1, secrets.token_hex(8)
        log = self._log.with_entry(this, changes)
        try:
            self.group.transact([self._head(log, nonce), *actions], deadline)
        except Cancelled as answer:
            if not answer.failed(0):
                raise
            stored = self._sitting(answer)
            if stored.request != nonce:
                self._last, self._log = stored.claims, log_of(stored.log, upto=stored.claims)
                return False
        self._last, self._log = this, log
        self._own.note(self.group.name, self.name, this, changes)
        return True

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
        with suppress(
            ConditionFailed
        ):  # the session is over, or has gone on: it is of use, or gone
            self.group.write(action, deadline)
            self._log = Log(self._last)

    def _head(self, log: Log, nonce: str) -> Action:
        return self.group.update(
            member_sk(self.name),
            "SET n = n + :one, k = k + :one, lg = :log, req = :nonce",
            when="sid = :me AND k = :last",
            values={
                ":one": number(1),
                ":last": number(self._last),
                ":log": text(log.text()),
                ":nonce": text(nonce),
                ":me": text(self.session),
            },
        )

    def _sitting(self, answer: Cancelled) -> MemberItem:
        """The member's item as a refused head shows it. Raises SessionLost if it is another's."""
        stored = member_of(answer.item(0)) if answer.item(0) else None
        if stored is None or stored.session != self.session:
            raise lost(self.session) from None
        return stored
