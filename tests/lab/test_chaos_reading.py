"""Scenario files: what they may say, what holds if they do not, and how each mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.errors import ConfigError
from coord.lab.chaos.faults import CATALOGUE, MEMBERS
from coord.lab.chaos.lines import lines_of
from coord.lab.chaos.reading import Overrides, parse, read
from coord.lab.chaos.scenario import FaultPlan, FleetPlan, Scenario, StorePlan
from coord.lab.chaos.writing import to_toml
from coord.lab.work.modes import MODES
from tests.documents import ROOT

LEAST = """\
title = "x"
[[fault]]
kind = "kill"
"""
WHOLE = """\
# A comment with [brackets] and "quotes".
title = "a \\"title\\" # no comment"
rounds = 2
seed = 7
ttl = "3s"

[store]   # [[fault]]
kind = "etcd"
servers = 3

[fleet]
members = 4
mode = "localized"
shards = 6

[[fault]]
kind = "pause"
target = "half"
at = "250ms"
for = "1m"

[[fault]]
kind = "kill"
"""


def test_a_scenario_is_read_with_all_that_it_says() -> None:
    assert parse(WHOLE, "x.toml") == Scenario(
        title='a "title" # no comment',
        rounds=2,
        seed=7,
        ttl_s=3.0,
        store=StorePlan(place="etcd", servers=3),
        fleet=FleetPlan(members=4, mode="localized", shards=6),
        faults=(
            FaultPlan(kind="pause", target="half", at_s=0.25, for_s=60.0),
            FaultPlan(kind="kill", target="leader", at_s=1.0, for_s=6.0),
        ),
    )
    assert [fault.line for fault in parse(WHOLE, "x.toml").faults] == [16, 22]


def test_what_is_not_said_has_a_usual_value() -> None:
    assert parse(LEAST, "x.toml") == Scenario(
        title="x",
        store=StorePlan(place="sqlite"),
        fleet=FleetPlan(members=3, mode="single"),
        faults=(FaultPlan(kind="kill", target="leader", at_s=1.0, for_s=4.0),),
    )


@pytest.mark.parametrize(
    ("store", "for_s"),
    [("memory://h:1/g", 6.0), ("etcd", 4.0), ("etcd://h/g", 6.0), ("zookeeper://h/g", 8.0)],
)
def test_a_fault_stands_for_two_ttls_of_the_store_that_is_used(store: str, for_s: float) -> None:
    assert parse(LEAST, "x.toml", Overrides(store=store)).faults[0].for_s == for_s


@pytest.mark.parametrize("file", sorted((ROOT / "examples" / "chaos").glob("*.toml")), ids=str)
def test_an_example_can_be_read_and_written_again(file: Path) -> None:
    scenario = read(file)
    assert parse(to_toml(scenario), "again") == scenario


@pytest.mark.parametrize("kind", list(CATALOGUE))
def test_every_kind_of_fault_can_be_said_with_all_its_options(kind: str) -> None:
    text = LEAST.replace("kill", kind)
    scenario = parse(text, "x.toml")
    assert scenario.faults[0].options == {one.name: one.default for one in CATALOGUE[kind].options}
    assert parse(to_toml(scenario), "again") == scenario


_DURATIONS = st.floats(min_value=0.001, max_value=600, allow_nan=False)
_FLEETS = st.one_of(
    st.builds(
        FleetPlan,
        members=st.integers(3, 32),
        mode=st.sampled_from([mode.name for mode in MODES]),
    ),
    st.builds(
        FleetPlan,
        members=st.integers(1, 32),
        command=st.lists(st.text(min_size=1), min_size=1).map(tuple),
        roles=st.lists(st.from_regex(r"[a-z]{1,9}", fullmatch=True)).map(tuple),
    ),
)


@given(
    st.builds(
        Scenario,
        title=st.text(st.characters(codec="utf-8")).filter(lambda t: t.strip() and t.isprintable()),
        rounds=st.integers(1, 1000),
        seed=st.integers(-(2**63), 2**63),
        ttl_s=st.none() | st.floats(0.5, 60),
        store=st.sampled_from(
            [
                StorePlan(place="memory"),
                StorePlan(place="sqlite"),
                StorePlan(place="zookeeper", servers=3),
                StorePlan(place="etcd://127.0.0.1:2379/lab?ca=/tmp/x%20y"),
            ]
        ),
        fleet=_FLEETS,
        faults=st.lists(
            st.builds(
                FaultPlan,
                kind=st.sampled_from(["kill", "sigterm", "pause", "wedge"]),
                target=st.sampled_from(MEMBERS),
                at_s=_DURATIONS,
                for_s=_DURATIONS,
            ),
            min_size=1,
            max_size=3,
        ).map(tuple),
    )
)
def test_what_was_written_is_read_again_as_it_was(scenario: Scenario) -> None:
    assert parse(to_toml(scenario), "again") == scenario


# --- lines -----------------------------------------------------------------------------------


def test_lines_are_found_below_strings_arrays_and_comments_that_look_like_tables() -> None:
    text = (
        "s = '''\n[store]\nkind = 1'''\n"
        'm = """\\"""\n[[fault]] """ # [x]\n'
        "a = [ # ]\n  1,\n  { b = 2 },\n]\n"
        '[store] # ["]\n"kind" = 1\n'
        "[[fault]]\n[ fault . sub ]\nx.y = 1\n[[fault]]\n[fault.sub]\nx = 1\n"
    )
    lines = lines_of(text)
    assert lines["s",] == 1
    assert lines["m",] == 4
    assert lines["a",] == 6
    assert (lines["store",], lines["store", "kind"]) == (10, 11)
    assert (lines["fault", 0], lines["fault", 0, "sub"], lines["fault", 1]) == (12, 13, 15)
    assert (lines["fault", 0, "sub", "x", "y"], lines["fault", 1, "sub", "x"]) == (14, 17)


# --- mistakes --------------------------------------------------------------------------------

HEAD = 'title = "x"\n'
KILL = '[[fault]]\nkind = "kill"\n'

MISTAKES: dict[str, tuple[str, int, str, str]] = {
    # what is wrong: the text, its line, words of the cause, words of the cure
    "no title": (KILL, 1, "title is missing", 'title = "…"'),
    "empty title": ('title = " "\n' + KILL, 1, "title is empty", "title"),
    "title of two lines": ('title = "a\\nb"\n' + KILL, 1, "more than one line", "one line"),
    "title no text": ("title = 3\n" + KILL, 1, "title is a whole number", "text"),
    "unknown key": (HEAD + "round = 2\n" + KILL, 2, "no key 'round'", "Did you mean 'rounds'?"),
    "unknown table": (HEAD + "[stor]\n" + KILL, 2, "no key 'stor'", "'store'"),
    "unknown key of a table": (HEAD + '[store]\nkid = "etcd"\n' + KILL, 3, "'kid'", "'kind'"),
    "rounds a text": (HEAD + 'rounds = "2"\n' + KILL, 2, "rounds is a text", "whole number"),
    "rounds a flag": (HEAD + "rounds = true\n" + KILL, 2, "true or false", "whole number"),
    "rounds a fraction": (HEAD + "rounds = 1.5\n" + KILL, 2, "fraction", "whole number"),
    "no rounds": (HEAD + "rounds = 0\n" + KILL, 2, "rounds is 0", "1 to 1000"),
    "seed a text": (HEAD + 'seed = "a"\n' + KILL, 2, "seed is a text", "whole number"),
    "ttl a number": (HEAD + "ttl = 3\n" + KILL, 2, "a duration is a text", '"5s"'),
    "ttl without unit": (HEAD + 'ttl = "3"\n' + KILL, 2, "with a unit", '"5s"'),
    "ttl of no unit": (HEAD + 'ttl = "3 sec"\n' + KILL, 2, "not a duration", '"15s"'),
    "ttl too long": (HEAD + 'ttl = "1h"\n' + KILL, 2, "ttl is 1h", "0.5 s to 60 s"),
    "store no table": (HEAD + 'store = "etcd"\n' + KILL, 2, "store is a text", "[store]"),
    "unknown store": (HEAD + '[store]\nkind = "ectd"\n' + KILL, 3, "'ectd'", "'etcd'"),
    "memory's url": (HEAD + '[store]\nurl = "memory://"\n' + KILL, 3, "one process", '"memory"'),
    "url of nothing": (HEAD + '[store]\nurl = "paper://x"\n' + KILL, 3, "paper://", "etcd"),
    "url without scheme": (HEAD + '[store]\nurl = "h:1"\n' + KILL, 3, "no URL", "SCHEME://"),
    "kind and url": (
        HEAD + '[store]\nkind = "etcd"\nurl = "etcd://h/g"\n' + KILL,
        3,
        "kind is of a store that is made for the run",
        "Leave kind or url out",
    ),
    "servers of a url": (
        HEAD + '[store]\nurl = "etcd://h/g"\nservers = 3\n' + KILL,
        4,
        "servers is of a store that is made for the run",
        "Leave servers or url out",
    ),
    "servers of a file": (HEAD + "[store]\nservers = 3\n" + KILL, 3, "is a file", "etcd"),
    "servers of one process": (
        HEAD + '[store]\nkind = "dynamodb"\nservers = 3\n' + KILL,
        4,
        "one process",
        "etcd",
    ),
    "two servers": (HEAD + '[store]\nkind = "etcd"\nservers = 2\n' + KILL, 4, "is 2", "1 or 3"),
    "nine servers": (HEAD + '[store]\nkind = "etcd"\nservers = 9\n' + KILL, 4, "is 9", "1 to 3"),
    "nobody": (HEAD + "[fleet]\nmembers = 0\n" + KILL, 3, "members is 0", "1 to 32"),
    "unknown mode": (HEAD + '[fleet]\nmode = "locale"\n' + KILL, 3, "'locale'", "'localized'"),
    "shards of one": (HEAD + "[fleet]\nshards = 2\n" + KILL, 3, "no shards", '"localized"'),
    "too many shards": (
        HEAD + '[fleet]\nmode = "localized"\nshards = 13\n' + KILL,
        4,
        "shards is 13",
        "1 to 12",
    ),
    "seats of a queue": (
        HEAD + '[fleet]\nmode = "queue"\nseats = 2\n' + KILL,
        4,
        "no seats",
        '"co-leaders"',
    ),
    "more seats than members": (
        HEAD + '[fleet]\nmode = "co-leaders"\nseats = 4\n' + KILL,
        4,
        "4 seats cannot be filled by 3 members",
        "members = 4",
    ),
    "fewer members than usual seats": (
        HEAD + '[fleet]\nmode = "co-leaders"\nmembers = 2\n' + KILL,
        3,
        "3 seats cannot be filled by 2 members",
        "members = 3",
    ),
    "empty command": (HEAD + "[fleet]\ncommand = []\n" + KILL, 3, "command is empty", "program"),
    "command a text": (HEAD + '[fleet]\ncommand = "a b"\n' + KILL, 3, "is a text", '["…", "…"]'),
    "command with mode": (
        HEAD + '[fleet]\ncommand = ["a"]\nmode = "single"\n' + KILL,
        4,
        "mode is of the lab's own work",
        "Leave mode or command out",
    ),
    "roles of nobody": (HEAD + '[fleet]\nroles = ["a"]\n' + KILL, 3, "no command", "command = "),
    "bad role": (
        HEAD + '[fleet]\ncommand = ["a"]\nroles = ["a/b"]\n' + KILL,
        4,
        "a/b",
        "",
    ),
    "no fault": (HEAD, 1, "there is no fault", "[[fault]]"),
    "fault in single brackets": (HEAD + "[fault]\n", 2, "one table", "double brackets"),
    "fault a text": (HEAD + 'fault = "kill"\n', 2, "fault is no table", "[[fault]]"),
    "fault without kind": (HEAD + KILL + '[[fault]]\nat = "1s"\n', 4, "kind is missing", "kind"),
    "kind no text": (HEAD + "[[fault]]\nkind = 1\n", 3, "kind is a whole number", "text"),
    "unknown fault": (HEAD + '[[fault]]\nkind = "puase"\n', 3, "no fault 'puase'", "'pause'"),
    "unknown key of a fault": (HEAD + KILL + 'form = "5s"\n', 4, "no key 'form'", "'for'"),
    "unknown target": (HEAD + KILL + 'target = "lead"\n', 4, "no target 'lead'", "'leader'"),
    "target of others": (
        HEAD + KILL + 'target = "store-leader"\n',
        4,
        "kill cannot strike store-leader",
        "leader, follower, one, half, all",
    ),
    "at a number": (HEAD + KILL + "at = 1\n", 4, "a duration is a text", '"5s"'),
    "at a day": (HEAD + KILL + "at = 1979-05-27\n", 4, "at is a date or a time", '"5s"'),
    "at a flag": (HEAD + KILL + "at = true\n", 4, "at is true or false", '"5s"'),
    "a million members more": (
        HEAD + '[[fault]]\nkind = "grow"\ncount = 1000000\n',
        4,
        "count is 1000000",
        "0 to 32",
    ),
    "for ever": (HEAD + KILL + 'for = "1d"\n', 4, "for is 1d", "600 s"),
    "for no time": (HEAD + KILL + 'for = "0s"\n', 4, "for is 0s", "more than 0"),
    "before the round": (HEAD + KILL + 'at = "-1s"\n', 4, "not a duration", "15s"),
    "inline": (HEAD + "\nfault = [\n  { kind = 'kill', at = 1 },\n]\n", 3, "duration", '"5s"'),
    # TOML itself
    "open text": ('title = "x\n' + KILL, 1, "no TOML", "quotes"),
    "text without quotes": (HEAD + "[store]\nkind = etcd\n", 3, "no TOML", "quotes"),
    "twice": (HEAD + HEAD, 2, "no TOML", "no key stands twice"),
    "open table": (HEAD + "\n[store\n", 3, "no TOML", "[[fault]]"),
    "open array": (HEAD + "\nfault = [\n\n", 4, "no TOML", "[[fault]]"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_line_cause_and_cure(mistake: str) -> None:
    text, line, cause, cure = MISTAKES[mistake]
    with pytest.raises(ConfigError) as refused:
        parse(text, "x.toml")
    assert refused.value.cause.startswith(f"x.toml:{line}: "), refused.value.cause
    assert cause in refused.value.cause
    assert cure in refused.value.cure
    assert refused.value.cure


@pytest.mark.parametrize(
    ("overrides", "cause"),
    [
        (Overrides(store="ectd"), "--store: there is no store 'ectd'"),
        (Overrides(store="memory://x"), "--store: a store in memory"),
        (Overrides(store="paper://x"), "--store: there is no store for paper://"),
        (Overrides(ttl="3"), "--ttl: ttl is '3'"),
        (Overrides(ttl="1h"), "--ttl: ttl is 1h"),
        (Overrides(mode="local"), "--mode: there is no mode 'local'"),
        (Overrides(rounds=0), "--rounds: rounds is 0"),
    ],
)
def test_what_is_wrong_on_the_command_line_is_told_by_its_option(
    overrides: Overrides, cause: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(WHOLE, "x.toml", overrides)
    assert refused.value.cause.startswith(cause)


def test_the_command_line_goes_before_the_file() -> None:
    overrides = Overrides(store="zookeeper", seed=1, rounds=5, ttl="4s", mode="co-leaders")
    scenario = parse(WHOLE, "x.toml", overrides)
    assert scenario.store == StorePlan(place="zookeeper", servers=3)
    assert (scenario.seed, scenario.rounds, scenario.ttl_s) == (1, 5, 4.0)
    assert scenario.fleet == FleetPlan(members=4, mode="co-leaders")
    assert parse(WHOLE, "x.toml", Overrides(store="sqlite")).store == StorePlan(place="sqlite")
    assert parse(WHOLE, "x.toml", Overrides(mode="localized")).fleet.shards == 6


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file") as refused:
        read(tmp_path / "none.toml")
    assert refused.value.cure
    with pytest.raises(ConfigError, match="cannot be read: Is a directory") as refused:
        read(tmp_path)
    assert "coord chaos check DIR" in refused.value.cure
    binary = tmp_path / "x.toml"
    binary.write_bytes(b"\xef\xbb\xbf" + LEAST.replace("\n", "\r\n").encode())
    assert read(binary) == parse(LEAST, "x.toml")  # as some editors save it
    binary.write_bytes(b"title = 'x'\n\xff\n")
    with pytest.raises(ConfigError, match=r"x\.toml:2: this is no text in UTF-8"):
        read(binary)
    binary.write_bytes(b"#" * (1 << 20 | 1))
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        read(binary)
