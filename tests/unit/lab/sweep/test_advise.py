"""What whoever types `coord advise` is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coord.errors import ConfigError
from coord.lab.sweep.prices import dynamodb_dollars, price_of
from tests.unit.cli.commands import answer, run

_QUICK = ("--hours", "0.02", "--stores", "dynamodb")


def test_what_meets_the_limits_is_advised_with_its_cost() -> None:
    told = answer("advise", "--gap-slo", "15s", *_QUICK)
    best = told["best"]
    assert told["met"]
    assert (told["schema"], best["store"], best["meets"]) == ("coord.advice/1", "dynamodb", True)
    assert best["gap_s"]["worst"] <= 15.0
    assert best["split_s"]["worst"] == 0
    assert best["dollars_a_month"] == pytest.approx(
        dynamodb_dollars(members=3, heartbeat_s=best["heartbeat_s"], price=price_of("us-east-1")),
        abs=0.01,
    )
    assert best["requests_a_month"] > 1e6
    ok = [row["meets"] for row in told["candidates"]]
    assert ok == sorted(ok, reverse=True)
    assert {"kill", "pause", "none"} == set(best["trace_hashes"])


def test_where_machines_mostly_stand_still_nothing_is_advised(
    tmp_path: Path,
) -> None:
    file = tmp_path / "pauses.json"
    file.write_text('{"schema": "coord.pauses/1", "for_s": 90, "pauses_s": [20.0, 20.0, 20.0]}')
    words = ("advise", "--gap-slo", "3s", "--split-slo", "0s", "--pauses", file)
    result = run(*words, "--hours", "0.05", "--stores", "etcd")
    assert result.exit_code == 7, result.output
    assert "Nothing that was tried meets these limits." in result.stdout
    assert "gap " in result.stdout
    assert "Take " not in result.stdout


def test_limits_that_no_budget_fits_are_told_as_such() -> None:
    told = answer("advise", "--gap-slo", "0.5s", "--stores", "etcd", "--hours", "0.001", code=7)
    assert (told["met"], told["best"]) == (False, None)
    result = run("advise", "--gap-slo", "0.5s", "--stores", "etcd", "--hours", "0.001")
    assert result.exit_code == 7
    assert "Nothing that was tried" in result.stdout


@pytest.mark.parametrize(
    ("words", "code", "cause", "cure"),
    [
        ((), 2, "--gap-slo is missing", "--help"),
        (("--gap-slo", "15s", "--stores", "etcd,redis"), 5, "'redis' is not", "zookeeper"),
        (("--gap-slo", "15s", "--modes", "queue"), 5, "'queue' is not", "localized"),
        (("--gap-slo", "2h"), 2, "7200 s is not from", "--help"),
        (("--gap-slo", "15s", "--price", "mars"), 5, "no price 'mars'", "0.7,0.14"),
        (("--gap-slo", "15s", "--price", "-1,1"), 5, "no price '-1,1'", "us-east-1"),
        (("--gap-slo", "15s", "--hours", "0"), 2, "0 is not above 0", "--help"),
        (("--gap-slo", "15s", "--pauses", "/none"), 5, "/none cannot be read", "coord meter"),
    ],
)
def test_what_cannot_be_is_refused_with_cause_and_cure(
    words: tuple[str, ...], code: int, cause: str, cure: str
) -> None:
    result = run("advise", *words, "--json")
    assert (result.exit_code, result.stdout) == (code, "")
    told = json.loads(result.stderr)
    assert cause in told["cause"]
    assert cure in told["cure"]


def test_an_empty_file_of_pauses_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "pauses.json"
    file.write_text("")
    result = run("advise", "--gap-slo", "15s", "--pauses", file, "--json")
    assert result.exit_code == 5
    assert "is empty" in json.loads(result.stderr)["cause"]


def test_dollars_are_those_of_the_store_s_own_page() -> None:
    price = price_of("us-east-1")
    for members, heartbeat_s, dollars in ((3, 2.5, 3), (20, 2.5, 19), (200, 2.5, 558)):
        found = dynamodb_dollars(members=members, heartbeat_s=heartbeat_s, price=price)
        assert found == pytest.approx(dollars, rel=0.01, abs=0.6)


def test_a_price_of_one_s_own_is_write_and_read() -> None:
    price = price_of("0.7,0.14")
    assert (price.write, price.read) == (0.7, 0.14)
    for told in ("0.7", "a,b", "1,inf", "nan,1", ""):
        with pytest.raises(ConfigError):
            price_of(told)
