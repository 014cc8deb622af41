"""Taking and letting go of claims.

Owns the conditions under which a claim changes hands. Knows no clock and no session's life. Rules:

- A claim is free if nobody owns it, or if its owner is dead. The condition names the owner that was
  found dead (`own = :dead`), by a strong read that began after the claim had been read: a session
  that owned a claim then and is gone now has ended, and ended sessions never come back. Nothing is
  asked of living owners' items, so claims do not get in the way of heartbeats.
- The role's record is checked in the same transaction (`docs/decisions/dynamodb-transactions.md`).
- A try of which nobody knows what became may still be applied until a later transaction of the
  session is. Until then no error says `NOT_APPLIED`, though it be certain of the last try
  (`test_a_claim_of_which_a_try_may_still_land_is_not_called_not_applied`).
- One loser makes DynamoDB refuse the whole transaction. The reasons say who lost, and show what is
  stored there; the others are asked for again, at once, as long as the deadline allows. Whoever
  could not be asked for in time is answered `Held`: not given.
- A refused transaction costs what an applied one does, two write units an item, and a refusal means
  that the view which the requests come from is old: the rest of them may be lost as well. So what
  is still to be sent is read first, for a tenth of the price, and what is lost is answered without
  being sent; after a loss, the next call of the session begins with that
  (`test_after_a_loss_what_is_left_is_looked_at_before_it_is_paid_for`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from coord.codec import note_text
from coord.errors import Certainty, StoreRefused, StoreUnavailable
from coord.model import ClaimKey
from coord.spi import Claimed, ClaimRequest, Held, Tenure
from coord_dynamodb.changes import Change
from coord_dynamodb.cutting import Limit, first_cut
from coord_dynamodb.failures import Cancelled, TooMany
from coord_dynamodb.group import Action, Group
from coord_dynamodb.items import (
    Stored,
    claim_of,
    claim_sk,
    first_token,
    number,
    role_sk,
    session_sk,
    text,
)
from coord_dynamodb.link import Deadline
from coord_dynamodb.pen import Pen
from coord_dynamodb.snapshot import Snapshots

__all__ = ["Taking", "let_go"]


class _Ask(NamedTuple):
    """A request, its place among the answers, and the owner that is known to be dead."""

    place: int
    request: ClaimRequest
    dead: str | None

    @property
    def role(self) -> str:
        return self.request.key.role

    @property
    def token(self) -> int:
        """The token that it gets if it wins."""
        seen = self.request.seen_token
        return seen + 1 if seen else first_token(self.request.key.generation)


class Taking:
    """One `claim` call: from requests to answers."""

    def __init__(
        self, pen: Pen, limit: Limit, known: Snapshots, deadline: Deadline, *, wary: bool = False
    ) -> None:
        """`wary`: whether the last call has lost something."""
        self._pen = pen
        self._group: Group = pen.group
        self._limit = limit
        self._known = known
        self._deadline = deadline
        self._answers: dict[int, Claimed | Held] = {}
        self._may_land = False  # whether a try that was given up may still be applied
        self._wary = wary  # whether to look before the next transaction
        self.lost = False
        """Whether any claim turned out not to be as it was seen."""

    def run(
        self, requests: Sequence[ClaimRequest], dead: Iterable[str | None]
    ) -> list[Claimed | Held]:
        """`dead`: for each request, a dead owner that its key may still have."""
        asks = [_Ask(n, *pair) for n, pair in enumerate(zip(requests, dead, strict=True))]
        asks.sort(key=lambda ask: ask.role)
        while asks:
            size = self._limit.size
            now, later = first_cut(asks, size, lambda ask: ask.role)
            try:
                if self._wary:
                    self._wary = False
                    asks = self._still_free(asks)
                    continue
                again = self._attempt(now)
                asks = [*again, *(self._still_free(later) if self._wary else later)]
                self._wary = False
            except TooMany as error:
                self._limit.lower(error.limit, sent=size)
            except (StoreUnavailable, StoreRefused) as error:
                if self._may_land:
                    raise _partly(error) from None
                won = any(isinstance(answer, Claimed) for answer in self._answers.values())
                if error.certainty is not Certainty.NOT_APPLIED or not won:
                    raise
                break
        return [self._answers.get(n) or Held(request.key) for n, request in enumerate(requests)]

    def _attempt(self, asks: list[_Ask]) -> list[_Ask]:
        """Send one transaction; note who is answered, and return who has to be asked for again."""
        roles = {ask.role: ask.request for ask in asks}
        tokens = {ask.place: ask.token for ask in asks}
        checks = [self._check(request) for request in roles.values()]
        takes = [self._take(ask, tokens[ask.place]) for ask in asks]
        me = self._pen.session
        changes = [
            Change(a.request.key, Stored(tokens[a.place], me, note_text(a.request.note)))
            for a in asks
        ]
        try:
            self._pen.write([*checks, *takes], changes, self._deadline)
        except Cancelled as answer:
            self._may_land = answer.doubtful
            closed = {role for n, role in enumerate(roles, start=1) if answer.failed(n)}
            return self._sorted_out(asks, answer, closed, first=1 + len(roles))
        self._may_land = False  # transactions follow one another (`pen.py`)
        for ask in asks:
            self._answers[ask.place] = Claimed(ask.request.key, tokens[ask.place])
        return []

    def _check(self, request: ClaimRequest) -> Action:
        values = {":v": number(request.role_version), ":g": number(request.key.generation)}
        return self._group.check(
            role_sk(request.key.role), when="ver = :v AND gen = :g", values=values
        )

    def _take(self, ask: _Ask, token: int) -> Action:
        sk = claim_sk(ask.request.key)
        me, note = text(self._pen.session), text(note_text(ask.request.note))
        if not ask.request.seen_token:
            item = {"own": me, "tok": number(token), "note": note}
            return self._group.put(sk, item, when="attribute_not_exists(pk)")
        values = {":me": me, ":t": number(token), ":note": note}
        values[":seen"] = number(ask.request.seen_token)
        free = "attribute_not_exists(own)"
        if ask.dead is not None:
            free = "(attribute_not_exists(own) OR own = :dead)"
            values[":dead"] = text(ask.dead)
        change = "SET own = :me, tok = :t, note = :note"
        return self._group.update(sk, change, when=f"tok = :seen AND {free}", values=values)

    def _sorted_out(
        self, asks: list[_Ask], answer: Cancelled, closed: set[str], *, first: int
    ) -> list[_Ask]:
        """Of a refused transaction: answer who lost or has won before, and return the others."""
        again: list[_Ask] = []
        unsure: list[_Ask] = []
        owned: list[tuple[_Ask, str]] = []
        for n, ask in enumerate(asks, start=first):
            if answer.failed(n):
                self._wary = self.lost = True
                found = claim_of(answer.item(n)) if answer.item(n) else None
                owner = self._judge(ask, found[1] if found else None)
                if owner is not None and ask.role not in closed:
                    owned.append((ask, owner))
            elif ask.role in closed:
                unsure.append(ask)
            else:
                again.append(ask)
        if unsure:  # a claim of ours stays ours, though its role's record has moved on
            sks = {ask.place: claim_sk(ask.request.key) for ask in unsure}
            items = self._group.read_all(list(sks.values()), self._deadline)
            for ask in unsure:
                found = claim_of(items.get(sks[ask.place], {}))
                self._judge(ask, found[1] if found else None)
        return again + self._of_the_dead(owned)

    def _judge(self, ask: _Ask, stored: Stored | None) -> str | None:
        """Answer what can be answered; return the owner on whose life the answer depends.

        Until that is known the answer is `Held`.
        """
        key, seen = ask.request.key, ask.request.seen_token
        self._answers[ask.place] = Held(key)
        if (stored.token if stored is not None else 0) != seen:
            self._known.refused(self._group.name, key, seen, stored)
        if stored is None:
            return None
        if self._is_ours(stored) and stored.token >= seen:
            self._answers[ask.place] = Claimed(key, stored.token)
            return None
        return stored.owner if stored.token == seen and stored.owner != ask.dead else None

    def _still_free(self, asks: list[_Ask]) -> list[_Ask]:
        """Of what was not sent yet: answer what is lost, or ours already, and return the others."""
        sks = {ask.place: claim_sk(ask.request.key) for ask in asks}
        items = self._group.read_all(list(sks.values()), self._deadline)
        free: list[_Ask] = []
        owned: list[tuple[_Ask, str]] = []
        for ask in asks:
            found = claim_of(items.get(sks[ask.place], {}))
            stored = found[1] if found else None
            owner = self._judge(ask, stored)
            token = stored.token if stored is not None else 0
            if owner is not None:
                owned.append((ask, owner))
            elif token == ask.request.seen_token and not self._is_ours(stored):
                free.append(ask)
        left = free + self._of_the_dead(owned)
        self.lost = self.lost or len(left) < len(asks)
        return left

    def _is_ours(self, stored: Stored | None) -> bool:
        return stored is not None and stored.owner == self._pen.session

    def _of_the_dead(self, owned: list[tuple[_Ask, str]]) -> list[_Ask]:
        """Those whose owner is dead: they are to be asked for again, and told of it."""
        if not owned:
            return []
        owners = sorted({owner for _, owner in owned})
        live = self._group.read_all([session_sk(owner) for owner in owners], self._deadline)
        dead = {owner for owner in owners if session_sk(owner) not in live}
        return [ask._replace(dead=owner) for ask, owner in owned if owner in dead]


def let_go(
    pen: Pen, tenures: Sequence[Tenure], limit: Limit, deadline: Deadline, *, keep: bool
) -> None:
    """Leave the note of each tenure that is still ours under its token; free it unless `keep`."""
    me = pen.session
    left = list(tenures)
    applied = False
    while left:
        size = limit.size
        now, later = first_cut(left, size)
        owner = me if keep else None
        changes = [Change(t.key, Stored(t.token, owner, note_text(t.note))) for t in now]
        try:
            pen.write([_leave(pen, tenure, keep=keep) for tenure in now], changes, deadline)
            left, applied = later, True
        except Cancelled as answer:
            left = [t for n, t in enumerate(now, start=1) if not answer.failed(n)] + later
        except TooMany as error:
            limit.lower(error.limit, sent=size)
        except (StoreUnavailable, StoreRefused) as error:
            raise _partly(error) if applied else error from None


def _leave(pen: Pen, tenure: Tenure, *, keep: bool) -> Action:
    values = {
        ":me": text(pen.session),
        ":t": number(tenure.token),
        ":note": text(note_text(tenure.note)),
    }
    change = "SET note = :note" if keep else "SET note = :note REMOVE own"
    sk = claim_sk(ClaimKey(*tenure.key))
    return pen.group.update(sk, change, when="own = :me AND tok = :t", values=values)


def _partly(error: StoreUnavailable | StoreRefused) -> StoreUnavailable | StoreRefused:
    """Some of it is done, or may be: nobody may hear that nothing is."""
    return type(error)(error.cause, cure=error.cure, certainty=Certainty.UNKNOWN)
