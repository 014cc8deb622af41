"""Checks of promise 2: tokens are 64-bit, and grow from holder to holder and generation to
generation, whatever happens to sessions, handles, servers and records in between.
"""

from __future__ import annotations

from dataclasses import replace

from coord.model import ClaimKey, Note, RoleRecord
from coord.spi import Tenure
from coord.testing.conformance.harness import Checks
from coord.testing.conformance.kit import Kit, shown

checks = Checks()


def _key(kit: Kit) -> ClaimKey:
    return kit.role().claim_keys()[0]


@checks.add()
def tokens_are_64_bit_and_what_the_view_shows(kit: Kit) -> None:
    """Promise 2: above 0, below 2⁶³; the view shows the same number as the answer did."""
    session = kit.member()
    keys = kit.role(shards=3).claim_keys()
    tokens = kit.take(session, *keys)
    assert all(0 < token < 2**63 for token in tokens), tokens
    view = kit.view()
    assert [shown(view, key).token for key in keys] == tokens


@checks.add()
def a_free_key_keeps_its_last_token_in_the_view(kit: Kit) -> None:
    """Claim: `token` is the last one given out, kept while the claim is free."""
    session, key = kit.member(), _key(kit)
    [token] = kit.take(session, key)
    kit.drop(session, key, token)
    claim = kit.view().claims.get(key)
    assert claim is not None, "a released claim left the view with its token"
    assert (claim.session, claim.token) == (None, token)


@checks.add()
def tokens_grow_across_releases(kit: Kit) -> None:
    """Promise 2: each new tenure has a larger token, for the same and for another session."""
    key = _key(kit)
    sessions = [kit.member("a"), kit.member("b", store=kit.other)]
    last = 0
    for turn in range(6):
        session = sessions[turn // 2 % 2]
        [token] = kit.take(session, key)
        assert token > last, f"token {token} after {last}"
        kit.drop(session, key, token)
        last = token


@checks.add()
def tokens_grow_across_deposals(kit: Kit) -> None:
    """Promise 2, after somebody else took the tenure away."""
    session, key = kit.member(), _key(kit)
    [first] = kit.take(session, key)
    kit.other.depose(kit.group, Tenure(key, first, Note(clean=False)))
    [second] = kit.take(session, key)
    assert second > first, f"token {second} after {first}"


@checks.add()
def tokens_grow_across_closed_sessions(kit: Kit) -> None:
    """Promise 2, after the holder closed, alone in its group."""
    key = _key(kit)
    last = 0
    for _ in range(3):
        session = kit.member()
        [token] = kit.take(session, key)
        assert token > last, f"token {token} after {last}"
        session.close()
        last = token


@checks.add()
def tokens_grow_across_expired_sessions(kit: Kit) -> None:
    """Promise 2, after the holder died silently."""
    key = _key(kit)
    silent = kit.member("a", ttl_s=kit.harness.ttl_s)
    [first] = kit.take(silent, key)
    kit.let_die(silent)
    [second] = kit.take(kit.member("b", store=kit.other), key)
    assert second > first, f"token {second} after {first}"


@checks.add("reopen")
def tokens_grow_across_a_restart_of_the_store(kit: Kit) -> None:
    """Promise 2, after every handle was closed and the backing store restarted."""
    key = _key(kit)
    last = 0
    for _ in range(2):
        session = kit.member()
        [token] = kit.take(session, key)
        assert token > last, f"token {token} after {last}"
        session.close()
        kit.reopen()
        claim = kit.claim_of(key)
        assert (claim.session, claim.token) == (None, token), "the restart forgot a token"
        last = token


@checks.add("forget")
def tokens_grow_across_deletion(kit: Kit) -> None:
    """Promise 2, after an operator deleted the whole group behind the store's back."""
    assert kit.harness.forget is not None
    last = 0
    for _ in range(3):
        key = _key(kit)
        session = kit.member()
        [token] = kit.take(session, key)
        assert token > last, f"token {token} after {last}"
        session.close()
        kit.harness.forget(kit.group)
        last = token


def _next_generation(kit: Kit, role: RoleRecord) -> RoleRecord:
    current = kit.record_of(role.name)
    return kit.other.put_role(kit.group, replace(current, generation=current.generation + 1))


@checks.add()
def every_token_of_a_newer_generation_is_larger(kit: Kit) -> None:
    """Promise 2: a guard that has seen the newer generation can refuse all of the older one."""
    role = kit.role(shards=3)
    session, keys = kit.member(), role.claim_keys()
    older: list[int] = []
    for _ in range(4):
        for key in keys:
            [token] = kit.take(session, key)
            kit.drop(session, key, token)
            older.append(token)
    newer_role = _next_generation(kit, role)
    newer = kit.take(session, *newer_role.claim_keys())
    assert min(newer) > max(older), f"newer tokens {newer}, older ones up to {max(older)}"
    newest = _next_generation(kit, role)
    assert min(kit.take(session, *newest.claim_keys())) > max(newer)


@checks.add()
def a_newer_generation_starts_with_free_keys(kit: Kit) -> None:
    """Claims of one generation are nothing to the next: same shard and seat, another key."""
    role = kit.role(shards=2)
    session, other = kit.member("a"), kit.member("b", store=kit.other)
    for key, token in zip(role.claim_keys(), kit.take(session, *role.claim_keys()), strict=True):
        kit.drop(session, key, token)
    newer = _next_generation(kit, role).claim_keys()
    assert newer != role.claim_keys()
    view = kit.view()
    assert all(view.claims.get(key) is None for key in newer)
    kit.take(other, *newer)


@checks.add()
def a_token_base_leaves_the_tokens_of_the_store_alone(kit: Kit) -> None:
    """RoleRecord.token_base is added by the core: a held tenure keeps the token it was given.

    A store that added it would show another token for a tenure that began before the base was
    raised, and the release of that tenure would find nothing.
    """
    role = kit.role()
    key = role.claim_keys()[0]
    session = kit.member()
    [before] = kit.take(session, key)
    base = before + 10**9
    kit.other.put_role(kit.group, replace(kit.record_of("r"), token_base=base))
    assert kit.claim_of(key).token == before
    kit.drop(session, key, before)
    assert kit.claim_of(key).session is None, "the tenure lost its token"
    [after] = kit.take(session, key)
    assert before < after < base
