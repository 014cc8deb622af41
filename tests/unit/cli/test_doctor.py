"""`coord doctor`: what it measures, what it advises, and that it leaves nothing behind."""

from __future__ import annotations

from typing import NoReturn

import pytest

from coord.cli.advice import fits, shortest_ttl_s, timing_finding
from coord.cli.measuring import Measured, RoundTrips, measure
from coord.clock import SYSTEM_CLOCK
from coord.config import Timing
from coord.errors import Certainty, StoreError, StoreUnavailable
from coord.spi import OpenedStore, Proof
from coord.testing.memory import MemoryServer, MemoryStore
from tests.unit.cli.commands import Group, answer, run


def _measured(*, heartbeat_ms: float = 1.0, late_ms: float = 1.0, lag_s: float = 0.0) -> Measured:
    return Measured(
        round_trips=[RoundTrips("heartbeat", (heartbeat_ms / 2, heartbeat_ms))],
        asked_ttl_s=10.0,
        opened=Proof(sent_at_s=0.0, ttl_s=10.0),
        lag_s=lag_s,
        woken_late_ms=late_ms,
    )


def test_a_quick_store_allows_a_short_ttl() -> None:
    assert shortest_ttl_s(MemoryStore().guarantees, _measured()) == 0.5


@pytest.mark.parametrize(
    ("measured", "shortest_s"),
    [
        (_measured(heartbeat_ms=100), 5.0),  # ttl / 10 is to be five times as long
        (_measured(late_ms=100), 10.0),  # ttl / 20 is
        (_measured(lag_s=1.0), 4.0),  # 0.298 × ttl must cover the lag
        (_measured(heartbeat_ms=60_000), None),
    ],
    ids=["slow", "late", "lag", "hopeless"],
)
def test_what_is_slow_late_or_lagging_asks_for_a_longer_ttl(
    measured: Measured, shortest_s: float | None
) -> None:
    guarantees = MemoryStore().guarantees
    assert shortest_ttl_s(guarantees, measured) == shortest_s
    if shortest_s is not None:
        Timing.of(shortest_s).check_budget(ttl_s=shortest_s, lag_s=measured.lag_s)


def test_no_ttl_is_advised_that_the_store_would_not_grant() -> None:
    store = MemoryServer(SYSTEM_CLOCK, min_ttl_s=4.0).store()
    measured = measure(OpenedStore(store, "g"), 10.0)
    assert (measured.error, measured.least_ttl_s) == (None, 4.0)
    assert (shortest_ttl_s(MemoryStore().guarantees, measured) or 0) >= 4.0
    assert store.view("g").members == {}


def test_a_ttl_that_does_not_fit_is_a_problem_with_its_cure() -> None:
    slow = _measured(heartbeat_ms=400)
    assert not fits(10.0, slow)
    finding = timing_finding(MemoryStore().guarantees, slow)
    assert not finding.ok
    assert finding.cure == "Use a ttl of 20s or more."
    hopeless = timing_finding(MemoryStore().guarantees, _measured(heartbeat_ms=60_000))
    assert hopeless.cure.startswith("No ttl up to 5 minutes fits")


def test_measuring_leaves_nothing_behind(group: Group) -> None:
    group.role("reaper")
    before = group.view()
    measured = measure(group.found, 10.0)
    assert measured.error is None
    assert measured.opened is not None
    assert measured.noticed_ms is not None
    assert {trips.what for trips in measured.round_trips} == {
        "view",
        "open session",
        "heartbeat",
        "close session",
    }
    after = group.view()
    assert (after.members, after.claims, after.roles) == ({}, {}, before.roles)


class _Failing:
    """A store whose sessions fail at one method."""

    def __init__(self, found: OpenedStore, method: str) -> None:
        self._store = found.store
        self._method = method
        self._session: object = None

    def __getattr__(self, name: str) -> object:
        return getattr(self._store if self._session is None else self._session, name)

    def open_session(self, *arguments: object) -> object:
        out = _Failing(OpenedStore(self._store, "g"), self._method)
        out._session = self._store.open_session(*arguments)  # type: ignore[arg-type]
        setattr(out, self._method, self._fail)
        return out

    def _fail(self, *_: object) -> None:
        raise StoreUnavailable("no answer", cure="Wait.", certainty=Certainty.UNKNOWN)


def test_a_session_is_closed_though_measuring_failed(group: Group) -> None:
    found = OpenedStore(_Failing(group.found, "heartbeat"), "g")  # type: ignore[arg-type]
    measured = measure(found, 10.0)
    assert isinstance(measured.error, StoreError)
    assert measured.error.cause == "no answer"
    assert group.view().members == {}


def test_a_problem_that_the_store_tells_by_itself_is_told_once(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_store: MemoryStore, _group: str) -> NoReturn:
        raise StoreUnavailable("nobody listens there", cure="Start it.")

    monkeypatch.setattr(MemoryStore, "view", away)
    monkeypatch.setattr(MemoryStore, "probe", away)
    told = answer("doctor", group.url, code=1)
    assert [found["name"] for found in told["findings"] if not found["ok"]] == ["probe"]
    monkeypatch.setattr(MemoryStore, "probe", lambda *_: [])
    told = answer("doctor", group.url, code=1)
    assert [found["name"] for found in told["findings"] if not found["ok"]] == ["requests"]


def test_doctor_finds_a_problem_in_a_store_that_one_process_sees(group: Group) -> None:
    told = answer("doctor", group.url, "--ttl", "20s", code=1)
    assert (told["schema"], told["group"], told["store"]) == ("coord.doctor/1", "g", "memory")
    problems = [finding["name"] for finding in told["findings"] if not finding["ok"]]
    assert problems == ["reach"]
    granted = {"asked_ttl_s": 20.0, "granted_ttl_s": 20.0, "least_ttl_s": 0.5, "lag_s": 0.0}
    assert told["session"] == granted
    assert told["timing"]["heartbeat_s"] == 5.0
    assert told["round_trips_ms"]["heartbeat"]["n"] == 20
    assert told["guarantees"]["expiry"] == "proven"
    assert told["shortest_ttl_s"] <= 20.0


def test_doctor_says_problems_and_cures_in_words(group: Group) -> None:
    result = run("doctor", group.url)
    assert result.exit_code == 1
    assert "problem  reach" in result.stdout
    assert "Elect between processes with sqlite:// or a networked store." in result.stdout
    assert "ttl 10s, heartbeat 2.5s, rpc_timeout 1s, attempts 2" in result.stdout
    assert "drift 0.002" in result.stdout
