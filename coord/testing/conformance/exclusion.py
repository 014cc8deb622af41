"""Checks of promise 1: at most one live session holds a claim key.

Owns who wins a claim, on which conditions, alone, in batches and in races. Tokens have a module
of their own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from coord.model import ClaimKey, Note
from coord.spi import Claimed, ClaimRequest, Held, Session, Tenure
from coord.testing.conformance.harness import Checks
from coord.testing.conformance.kit import Kit, shown

checks = Checks()


@checks.add()
def a_held_key_is_refused_to_everyone_else(kit: Kit) -> None:
    """Promise 1: while one session holds a key, another process's session is answered Held."""
    key = kit.role().claim_keys()[0]
    first, second = kit.member("a"), kit.member("b", store=kit.other)
    [token] = kit.take(first, key)
    for seen_token in (token, 0, token + 1):
        version = kit.record_of(key.role).version
        [answer] = second.claim([ClaimRequest(key, seen_token, version, Note())])
        assert answer == Held(key), f"a held key was given away to seen_token {seen_token}"
    assert kit.claim_of(key).session == first.id


@checks.add()
def each_seat_and_shard_is_a_key_of_its_own(kit: Kit) -> None:
    """ClaimKey: role, generation, shard and seat are claimed apart, by different sessions."""
    keys = [*kit.role("r", shards=2, seats=2).claim_keys(), *kit.role("r2", shards=2).claim_keys()]
    members = [kit.member(f"m{n}", store=kit.store if n % 2 else kit.other) for n in range(6)]
    for member, key in zip(members, keys, strict=True):
        kit.take(member, key)
    view = kit.view()
    assert [shown(view, key).session for key in keys] == [member.id for member in members]


@checks.add()
def a_claim_on_a_stale_token_loses(kit: Kit) -> None:
    """ClaimRequest: it wins only if the key's last token is still the one that was seen."""
    key = kit.role().claim_keys()[0]
    first, second = kit.member("a"), kit.member("b", store=kit.other)
    before = kit.request(key)
    [token] = kit.take(first, key)
    kit.drop(first, key, token)
    assert second.claim([before]) == [Held(key)], "a free key went to a request that saw no token"
    too_new = before._replace(seen_token=token + 1)
    assert second.claim([too_new]) == [Held(key)], "a key went to a token that nobody was given"
    assert kit.claim_of(key).session is None
    assert isinstance(kit.try_take(second, key), Claimed)


@checks.add()
def a_claim_on_a_stale_role_record_loses(kit: Kit) -> None:
    """ClaimRequest: it wins only under the role version it was decided on."""
    role = kit.role()
    key = role.claim_keys()[0]
    session = kit.member("a")
    before = kit.request(key)
    kit.other.put_role(kit.group, kit.record_of("r"))
    assert session.claim([before]) == [Held(key)], "a claim won under a role record that is gone"
    assert kit.claim_of(key).session is None
    assert isinstance(kit.try_take(session, key), Claimed)


@checks.add()
def in_a_batch_each_key_wins_or_loses_alone_and_in_order(kit: Kit) -> None:
    """Session.claim: one answer per request, in order; a loser takes no other key with it."""
    size = min(6, kit.guarantees.batch_size)
    keys = kit.role(shards=size).claim_keys()
    first, second = kit.member("a"), kit.member("b", store=kit.other)
    taken = keys[::2]
    kit.take(first, *taken)
    answers = second.claim([kit.request(key) for key in reversed(keys)])
    assert [answer.key for answer in answers] == list(reversed(keys))
    for answer in answers:
        kind = Held if answer.key in taken else Claimed
        assert isinstance(answer, kind), f"{answer.key}: {answer}"
    view = kit.view()
    for key in keys:
        assert shown(view, key).session == (first if key in taken else second).id


@checks.add()
def empty_batches_are_no_error(kit: Kit) -> None:
    """Session: a batch of nothing does nothing."""
    session = kit.member()
    revision = kit.view().revision
    assert session.claim([]) == []
    session.release([])
    session.amend([])
    assert kit.view().revision == revision


@checks.add()
def repeating_a_claim_answers_with_the_present_token(kit: Kit) -> None:
    """Session.claim: a key that is ours under the seen token or a later one is Claimed again."""
    key = kit.role().claim_keys()[0]
    session = kit.member()
    request = kit.request(key)
    [first] = session.claim([request])
    assert isinstance(first, Claimed)
    assert session.claim([request]) == [first], "the request that won was refused when repeated"
    now_seen = request._replace(seen_token=first.token)
    assert session.claim([now_seen]) == [first], "our own key was refused under its own token"
    assert kit.claim_of(key).token == first.token


@checks.add()
def racing_threads_never_hold_one_key_together(kit: Kit) -> None:
    """Promises 1 and 2 under load: handles race for keys; holders never overlap, tokens grow.

    Each racer notes its holding after it was answered and takes the note back before it lets go,
    so notes that overlap are holdings that overlapped.
    """
    keys = kit.role(shards=min(4, kit.guarantees.batch_size)).claim_keys()
    ledger = _Ledger()
    stores = [kit.handle() for _ in range(kit.harness.threads)]
    racers = [kit.member(f"racer-{n}", store=store) for n, store in enumerate(stores)]
    wins = kit.race(*(_racer(kit, racer, keys, ledger) for racer in racers))
    assert ledger.faults == []
    assert all(isinstance(count, int) for count in wins), f"a racer failed: {wins}"
    assert sum(count for count in wins if isinstance(count, int)) > 0, "nobody won anything"


class _Ledger:
    """Who holds what by its own belief, and the last token of each key."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._lock = threading.Lock()
        self._holders: dict[ClaimKey, str] = {}
        self._tokens: dict[ClaimKey, int] = {}

    def enter(self, session: str, key: ClaimKey, token: int) -> None:
        with self._lock:
            if key in self._holders:
                self.faults.append(f"{key}: {session} beside {self._holders[key]}")
            if token <= self._tokens.get(key, 0):
                self.faults.append(f"{key}: token {token} after {self._tokens[key]}")
            self._holders[key] = session
            self._tokens[key] = token

    def leave(self, key: ClaimKey) -> None:
        with self._lock:
            self._holders.pop(key, None)


def _racer(
    kit: Kit, session: Session, keys: Sequence[ClaimKey], ledger: _Ledger
) -> Callable[[], int]:
    def run() -> int:
        wins = 0
        for _ in range(15):
            answers = session.claim([kit.request(key) for key in keys])
            won = [answer for answer in answers if isinstance(answer, Claimed)]
            for answer in won:
                ledger.enter(session.id, answer.key, answer.token)
            for answer in won:
                ledger.leave(answer.key)
            session.release([Tenure(answer.key, answer.token, Note()) for answer in won])
            wins += len(won)
        return wins

    return run


@checks.add()
def a_stale_release_never_hits_a_later_tenure(kit: Kit) -> None:
    """Promise 6: a release carries the token; for another token or holder it does nothing."""
    key = kit.role().claim_keys()[0]
    first, second = kit.member("a"), kit.member("b", store=kit.other)
    [old] = kit.take(first, key)
    kit.drop(first, key, old)
    [new] = kit.take(first, key)
    kit.drop(first, key, old)
    assert kit.claim_of(key).session == first.id, "an old token's release freed a later tenure"
    kit.drop(second, key, new)
    assert kit.claim_of(key).session == first.id, "a release by somebody else freed the key"
    kit.drop(first, key, new)
    kit.drop(first, key, new)
    assert kit.claim_of(key).session is None


@checks.add()
def a_stale_amend_never_hits_a_later_tenure(kit: Kit) -> None:
    """Promise 6: an amendment carries the token; for another token or holder it does nothing."""
    key = kit.role().claim_keys()[0]
    first, second = kit.member("a"), kit.member("b", store=kit.other)
    [old] = kit.take(first, key)
    kit.drop(first, key, old)
    mine = Note(member="a", lock_delay_s=1.5)
    [new] = kit.take(first, key, note=mine)
    first.amend([Tenure(key, old, Note(member="stale"))])
    second.amend([Tenure(key, new, Note(member="b"))])
    claim = kit.claim_of(key)
    assert (claim.session, claim.token, claim.note) == (first.id, new, mine)


@checks.add()
def a_stale_depose_never_hits_a_later_tenure(kit: Kit) -> None:
    """Promise 6: a deposal carries the token; it answers True when that tenure is not held."""
    key = kit.role().claim_keys()[0]
    session = kit.member()
    [old] = kit.take(session, key)
    assert kit.other.depose(kit.group, Tenure(key, old, Note(member="a", clean=False)))
    assert kit.claim_of(key).session is None, "a deposed tenure is still held"
    assert kit.live(session) is not None, "deposing one tenure ended the session"
    [new] = kit.take(session, key)
    late = Tenure(key, old, Note(member="late"))
    assert kit.other.depose(kit.group, late), "that tenure is not held any more: True"
    claim = kit.claim_of(key)
    assert (claim.session, claim.token) == (session.id, new), "a stale depose hit a later tenure"
    assert claim.note != late.note
