"""`coord status`, `why` and `watch` on a group in memory."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import datetime

import pytest
from rich.console import Console

from coord.cli.changes import Change
from coord.cli.displays import Display, Frame, JsonLines, Look, PlainLines
from coord.cli.reading import read
from coord.cli.render import _tokens
from coord.cli.summary import Row
from coord.cli.watch import looks
from coord.errors import Certainty, StoreUnavailable
from coord.model import ClaimKey, Shape
from coord.spi import OpenedStore
from tests.unit.cli.commands import Group, answer, run


def test_status_shows_who_leads_what(group: Group) -> None:
    group.role("compactor", 4)
    one, two = group.join("one", zone="z1"), group.join("two", zone="z2", weight=2.0)
    tokens = [*group.take(one, "compactor", 0, 1, 2), *group.take(two, "compactor", 3)]
    text = run("status", group.url).stdout
    assert "2 members, 1 role, all led" in text
    assert "compactor  4 shards, generation 1, 4 of 4 led" in text
    assert f"one  0–2  3 seats, tokens {tokens[0]} … {tokens[2]}" in text
    assert f"two  3    token {tokens[3]}" in text
    assert [line.split() for line in text.splitlines() if line.startswith("two ")] == [
        ["two", "z2", "2", "1", "1m", "-"]
    ]


def test_status_in_json_has_the_documented_shape(group: Group) -> None:
    group.role("compactor", 2, preferred=("one",), token_base=100)
    session = group.join("one", zone="z1", max_shards=5, host="h", pid=9)
    token = group.take(session, "compactor", 1)[0]
    told = answer("status", group.url)
    assert (told["schema"], told["group"], told["store"]) == ("coord.status/1", "g", "memory")
    assert told["all_led"] is False
    assert told["members"] == [
        {
            "name": "one",
            "session": session.id,
            "incarnation": "one",
            "zone": "z1",
            "weight": 1.0,
            "max_shards": 5,
            "draining": False,
            "host": "h",
            "pid": 9,
            "ttl_s": 60.0,
            "roles": {"compactor": {"shards": 2, "seats": 1}},
            "held": 1,
            "marks": [],
        }
    ]
    assert told["roles"] == [
        {
            "name": "compactor",
            "generation": 1,
            "shape": {"shards": 2, "seats": 1},
            "pending": None,
            "paused": False,
            "preferred": ["one"],
            "token_base": 100,
            "version": 1,
            "seats": 2,
            "led": 1,
            "marks": [],
            "claims": [
                {"shard": 0, "seat": 0, "leader": None, "session": None, "token": None},
                {
                    "shard": 1,
                    "seat": 0,
                    "leader": "one",
                    "session": session.id,
                    "token": token + 100,
                },
            ],
        }
    ]


def test_what_is_unusual_is_said_in_words(group: Group) -> None:
    group.role("held", 1)
    group.role("stopped", 1, paused=True)
    group.role("cut", 4, pending=Shape(8, 1))
    group.role("lonely", 1)
    group.role("narrow", 2)
    shape = Shape(1, 1)
    group.join("one", {"held": shape, "narrow": Shape(2, 1), "cut": Shape(9, 1)}, max_shards=1)
    text = run("status", group.url).stdout
    marks = {line.split()[0]: line for line in text.splitlines() if "[" in line or "one " in line}
    assert "conflict: cut as 9 shards" in marks["one"]
    assert marks["stopped"].endswith("[paused]  [no member serves it]")
    assert "[reshaping to 8 shards]" in marks["cut"]
    assert "[shape conflict]" in marks["cut"]
    assert "[no member serves it]" in marks["lonely"]
    assert "[no capacity for 1]" in marks["narrow"]
    assert "8 seats without a leader" not in text
    assert "9 seats without a leader" in text


def test_a_group_without_anybody_says_so(group: Group) -> None:
    assert run("status", group.url).stdout.strip() == (
        "g  memory  0 members, 0 roles: no member is live"
    )


def test_check_turns_a_missing_leader_into_an_exit_code(group: Group) -> None:
    group.role("reaper")
    session = group.join("one")
    assert run("status", group.url, "--check").exit_code == 1
    assert run("why", group.url, "reaper", "--check").exit_code == 1
    assert run("why", group.url, "reaper").exit_code == 0
    group.take(session, "reaper", 0)
    assert run("status", group.url, "--check").exit_code == 0
    assert run("why", group.url, "reaper", "0", "--check").exit_code == 0


def test_why_tells_shards_of_one_story_together(group: Group) -> None:
    group.role("compactor", 4)
    session = group.join("one", max_shards=3)
    group.take(session, "compactor", 0, 1, 2)
    lines = run("why", group.url, "compactor").stdout.splitlines()
    assert lines[0] == "compactor  4 shards, generation 1"
    assert lines[1].startswith("  one leads shards 0–2 under tokens ")
    assert "  nobody leads shard 3" in lines
    assert any("no member has room for it: one holds 3 of at most 3" in line for line in lines)


def test_why_in_json_has_the_documented_shape(group: Group) -> None:
    group.role("reaper")
    told = answer("why", group.url, "reaper", 0)
    assert told["schema"] == "coord.why/1"
    assert (told["role"], told["shard"], told["led"]) == ("reaper", 0, False)
    assert told["record"]["shape"] == {"shards": 1, "seats": 1}
    assert told["reasons"] == [
        {"code": "no-members", "text": "no member is live in this group", "cure": "Start one."}
    ]
    assert told["seats"] == [
        {
            "shard": 0,
            "seat": 0,
            "leader": None,
            "token": None,
            "reasons": [{"code": "never-held", "text": "nobody has held it yet", "cure": ""}],
        }
    ]


def test_why_about_a_role_that_nobody_made_is_answered(group: Group) -> None:
    told = answer("why", group.url, "reapr", "--check", code=1)
    assert told["record"] is None
    assert [reason["code"] for reason in told["reasons"]] == ["role-unknown"]


def _shown(group: Group, display: Display, then: Callable[[], object]) -> None:
    """Show one look, do something, and show what follows until there is a change."""
    for look in looks(group.found, 60.0):
        display.show(look)
        if look.changes:
            return
        then()


def test_watch_in_json_gives_the_state_and_then_each_change(
    group: Group, capsys: pytest.CaptureFixture[str]
) -> None:
    group.role("reaper")
    _shown(group, JsonLines(), lambda: group.take(group.join("one"), "reaper", 0))
    first, *changes = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert first["schema"] == "coord.status/1"
    assert {change["schema"] for change in changes} == {"coord.change/1"}
    assert [change["kind"] for change in changes] == ["led", "member-joined"]
    led = changes[0]
    assert (led["role"], led["from"], led["to"]) == ("reaper", None, "one")
    assert datetime.fromisoformat(led["at"]).tzinfo is not None


def test_watch_in_plain_text_gives_the_state_and_then_a_line_a_change(
    group: Group, capsys: pytest.CaptureFixture[str]
) -> None:
    group.role("reaper")
    _shown(group, PlainLines(), lambda: group.join("one"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("g  memory  0 members")
    assert lines[-1].endswith(" one joined")


def test_watch_ends_by_itself_when_it_is_told_to(group: Group) -> None:
    result = run("watch", group.url, "--for", "1ms", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout.splitlines()[0])["schema"] == "coord.status/1"


def test_a_frame_is_cut_to_the_height_of_the_terminal_until_it_is_the_last(group: Group) -> None:
    for number in range(30):
        group.role(f"role-{number}")
    frame = Frame()
    frame.take(Look(read(group.found), (Change("led", "something changed", {}),)))
    out = Console(width=80, height=20, file=io.StringIO(), force_terminal=False)
    with out.capture() as shown:
        out.print(frame)
    lines = shown.get().splitlines()
    assert len(lines) <= 20
    assert "more lines" in lines[-3]
    assert lines[-2].endswith("something changed")
    frame.ended = True
    with out.capture() as shown:
        out.print(frame)
    assert "role-29" in shown.get()
    assert shown.get().splitlines()[-1].endswith("something changed")


class _Moody:
    """A store whose views fail for a while."""

    def __init__(self, found: OpenedStore, moods: list[bool]) -> None:
        self._found = found
        self._moods = moods

    def __getattr__(self, name: str) -> object:
        return getattr(self._found.store, name)

    def view(self, group: str) -> object:
        if self._moods and not self._moods.pop(0):
            raise StoreUnavailable("no answer", cure="Wait.", certainty=Certainty.NOT_APPLIED)
        return self._found.store.view(group)


@pytest.mark.parametrize("failures", [1, 2])
def test_watch_says_once_that_the_store_is_silent_and_goes_on(group: Group, failures: int) -> None:
    store = _Moody(group.found, [True, *[False] * failures, True])
    seen = []
    for look in looks(OpenedStore(store, "g"), 10.0):  # type: ignore[arg-type]
        seen += [change.kind for change in look.changes]
        if "store-answers" in seen:
            break
        group.join(f"m{len(group.view().members)}")  # wakes it
    assert seen[:2] == ["store-silent", "store-answers"]


@pytest.mark.parametrize(
    ("tokens", "says"),
    [((7,), "token 7"), ((7, 7), "2 seats, token 7"), ((7, 9), "2 seats, tokens 7 … 9")],
)
def test_claims_of_one_write_may_share_a_token(tokens: tuple[int, ...], says: str) -> None:
    keys = tuple(ClaimKey("r", 1, shard, 0) for shard in range(len(tokens)))
    assert _tokens(Row("one", keys, tokens, "")).plain == says
