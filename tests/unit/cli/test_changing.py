"""`coord pause`, `resume`, `reshape`, `depose` and `tokens raise` on a group in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coord.cli.changing import change_role, telling_doubt
from coord.core.facts import holders
from coord.errors import Certainty, StoreConflict, StoreUnavailable
from coord.model import ClaimKey, EndingKind, Note, RoleRecord, Shape, View
from coord.spi import OpenedStore, Session, Tenure
from tests.unit.cli.commands import Group, answer, run


def _let_go(group: Group, session: Session, role: str) -> None:
    claims = [c for c in group.view().by_session[session.id] if c.key.role == role]
    session.release([Tenure(claim.key, claim.token, Note(member="one")) for claim in claims])


def test_pause_waits_until_nobody_leads(group: Group) -> None:
    group.role("reaper")
    session = group.join("one")
    group.take(session, "reaper", 0)
    group.when(lambda view: view.roles["reaper"].paused, lambda: _let_go(group, session, "reaper"))
    told = answer("pause", group.url, "reaper", "--wait", "20s")
    assert (told["schema"], told["action"]) == ("coord.role/1", "pause")
    assert (told["changed"], told["done"], told["held"]) == (True, True, {})
    assert told["role"]["paused"] is True
    assert group.view().roles["reaper"].paused


def test_pause_tells_who_still_leads_when_the_wait_is_over(group: Group) -> None:
    group.role("reaper")
    group.take(group.join("one"), "reaper", 0)
    result = run("pause", group.url, "reaper", "--wait", "100ms")
    assert result.exit_code == 6
    assert "reaper is paused\nnot done after 100ms: still held: 1 by one" in result.stdout
    assert answer("pause", group.url, "reaper", "--wait", "0s")["held"] == {"one": 1}


def test_pausing_and_resuming_twice_changes_nothing(group: Group) -> None:
    group.role("reaper")
    assert answer("pause", group.url, "reaper")["changed"] is True
    assert answer("pause", group.url, "reaper")["changed"] is False
    assert run("pause", group.url, "reaper").stdout == "reaper was paused before; nobody leads it\n"
    assert answer("resume", group.url, "reaper")["changed"] is True
    assert answer("resume", group.url, "reaper")["changed"] is False
    assert group.view().roles["reaper"].version == 3


def test_reshape_opens_the_next_generation_once_the_old_one_is_free(group: Group) -> None:
    group.role("compactor", 4, 2)
    session = group.join("one")
    tokens = group.take(session, "compactor", 0, 1)
    group.when(
        lambda view: view.roles["compactor"].pending is not None,
        lambda: _let_go(group, session, "compactor"),
    )
    told = answer("reshape", group.url, "compactor", "--shards", 8, "--wait", "20s")
    assert (told["done"], told["changed"]) == (True, True)
    record = group.view().roles["compactor"]
    assert (record.generation, record.shape, record.pending) == (2, Shape(8, 2), None)
    assert told["declared_otherwise"] == {"one": {"shards": 4, "seats": 2}}
    session.update(
        replace(group.view().members[session.id].record, roles={"compactor": Shape(8, 2)})
    )
    assert group.take(session, "compactor", 0)[0] > max(tokens)


def test_reshape_never_opens_a_generation_over_a_held_claim(group: Group) -> None:
    group.role("compactor", 4)
    group.take(group.join("one"), "compactor", 3)
    result = run("reshape", group.url, "compactor", "--shards", 8, "--wait", "200ms")
    assert result.exit_code == 6
    assert "still held: 1 by one" in result.stdout
    record = group.view().roles["compactor"]
    assert (record.generation, record.pending) == (1, Shape(8, 1))


def test_asking_for_the_present_shape_takes_a_reshape_back(group: Group) -> None:
    group.role("compactor", 4, pending=Shape(8, 1))
    result = run("reshape", group.url, "compactor", "--shards", 4)
    assert result.stdout == "compactor stays at 4 shards\n"
    assert group.view().roles["compactor"].pending is None
    again = run("reshape", group.url, "compactor", "--shards", 4)
    assert again.stdout == "compactor already has 4 shards\n"
    assert group.view().roles["compactor"].generation == 1


def test_a_reshape_that_somebody_else_replaced_does_not_wait_for_ever(group: Group) -> None:
    group.role("compactor", 4)
    group.take(group.join("one"), "compactor", 0)

    def outbid() -> None:
        present = group.view().roles["compactor"]
        group.found.store.put_role("g", replace(present, pending=Shape(9, 1)))

    group.when(lambda view: view.roles["compactor"].pending == Shape(8, 1), outbid)
    told = run("reshape", group.url, "compactor", "--shards", 8, "--wait", "20s")
    assert told.exit_code == 6
    assert "somebody else has asked for 9 shards" in told.stderr


def test_depose_frees_the_claim_and_bars_its_holder(group: Group) -> None:
    group.role("compactor", 4, token_base=100)
    session = group.join("one")
    token = group.take(session, "compactor", 2)[0]
    told = answer("depose", group.url, "compactor", 2, "--bar", "5m")
    assert told == {
        "schema": "coord.depose/1",
        "group": "g",
        "store": "memory",
        "role": "compactor",
        "generation": 1,
        "shard": 2,
        "seat": 0,
        "deposed": True,
        "member": "one",
        "token": token + 100,
        "bar_s": 300.0,
    }
    claim = group.view().claims[ClaimKey("compactor", 1, 2, 0)]
    assert claim.session is None
    assert not claim.note.clean
    (ending,) = claim.note.endings
    assert (ending.member, ending.kind, ending.bar_s) == ("one", EndingKind.DEPOSED, 300.0)


def test_there_is_nobody_to_depose_from_a_free_shard(group: Group) -> None:
    group.role("reaper")
    assert answer("depose", group.url, "reaper", 0, code=1)["deposed"] is False
    assert "nothing to depose" in run("depose", group.url, "reaper", 0).stdout


@pytest.mark.parametrize("place", [("4",), ("0", "--seat", "1")], ids=["shard", "seat"])
def test_a_seat_that_the_role_does_not_have_is_refused(
    group: Group, place: tuple[str, ...]
) -> None:
    group.role("compactor", 4)
    result = run("depose", group.url, "compactor", *place)
    assert result.exit_code == 5
    assert "It has 4 shards, both counted from 0." in result.stderr


def test_raised_tokens_exceed_the_number_and_never_shrink(group: Group) -> None:
    group.role("reaper")
    group.role("compactor", 4)
    session = group.join("one")
    group.take(session, "reaper", 0)
    told = answer("tokens", "raise", group.url, "reaper", "--to", 500)
    assert told["schema"] == "coord.tokens/1"
    assert told["roles"] == [{"role": "reaper", "changed": True, "token_base": 500, "held": 1}]
    every = answer("tokens", "raise", group.url, "--all", "--to", 300)["roles"]
    assert [(row["role"], row["changed"], row["token_base"]) for row in every] == [
        ("compactor", True, 300),
        ("reaper", False, 500),
    ]
    assert answer("status", group.url)["roles"][1]["claims"][0]["token"] > 500


def test_tokens_are_raised_for_a_role_or_for_all_but_not_for_neither(group: Group) -> None:
    group.role("reaper")
    assert run("tokens", "raise", group.url, "--to", 5).exit_code == 2
    assert run("tokens", "raise", group.url, "reaper", "--all", "--to", 5).exit_code == 2


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_a_role_that_is_not_known_is_an_error_with_its_likeness(group: Group, command: str) -> None:
    group.role("reaper")
    result = run(command, group.url, "reapr")
    assert result.exit_code == 5
    assert result.stderr == ("error: group g has no role 'reapr'\ncure: Did you mean reaper?\n")
    assert "Known roles: reaper." in run(command, group.url, "zzz").stderr


class _Busy:
    """A store in which a rival is always faster, `times` times."""

    def __init__(self, group: Group, times: int) -> None:
        self._store = group.found.store
        self._left = times

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def put_role(self, group: str, record: RoleRecord) -> RoleRecord:
        if self._left:
            self._left -= 1
            present = self._store.view(group).roles[record.name]
            self._store.put_role(group, replace(present, token_base=present.token_base + 1))
        return self._store.put_role(group, record)


def _paused(record: RoleRecord) -> RoleRecord:
    return replace(record, paused=True)


def test_a_rival_writer_is_not_overwritten(group: Group) -> None:
    group.role("reaper")
    found = OpenedStore(_Busy(group, 3), "g")  # type: ignore[arg-type]
    changed = change_role(found, "reaper", _paused)
    assert changed.made
    assert (changed.after.paused, changed.after.token_base) == (True, 3)


def test_a_rival_that_never_rests_ends_the_tries(group: Group) -> None:
    group.role("reaper")
    found = OpenedStore(_Busy(group, 1000), "g")  # type: ignore[arg-type]
    with pytest.raises(StoreConflict, match="at each of 20 tries"):
        change_role(found, "reaper", _paused)


def test_a_lost_answer_says_that_the_change_may_have_been_made() -> None:
    doubt = pytest.raises(StoreUnavailable, match=r"is not known\. Look\. Asking again is safe")
    with doubt as told, telling_doubt():
        raise StoreUnavailable("no answer", cure="Look.")
    assert told.value.certainty is Certainty.UNKNOWN
    with pytest.raises(StoreUnavailable, match=r"no answer$"), telling_doubt():
        raise StoreUnavailable("no answer", certainty=Certainty.NOT_APPLIED)


class _Silent:
    """A store that answers nothing."""

    def view(self, _group: str) -> View:
        raise StoreUnavailable("no answer", cure="Look.")


def test_where_reading_fails_no_doubt_is_told_for_nothing_was_asked() -> None:
    found = OpenedStore(_Silent(), "g")  # type: ignore[arg-type]
    with pytest.raises(StoreUnavailable, match=r"^no answer\. Look\.$"):
        change_role(found, "reaper", _paused)


def test_holders_of_any_generation_count(group: Group) -> None:
    group.role("compactor", 4)
    session = group.join("one")
    group.take(session, "compactor", 1)
    present = group.view().roles["compactor"]
    group.found.store.put_role("g", replace(present, generation=2))
    assert holders(group.view(), "compactor") == {"one": [ClaimKey("compactor", 1, 1, 0)]}
