"""Starting and stopping: in order, and nothing is left behind, whatever fails."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from coord import (
    ConfigError,
    Coordinator,
    DuplicateMember,
    NotElected,
    Role,
    StoreRefused,
    StoreUnavailable,
    Term,
    UsageError,
)
from tests.unit.runtime.conftest import QUICK, Put, Start
from tests.unit.runtime.support import BOUND_S, ONE, Recorder, within


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("coord")}


# --- starting ---------------------------------------------------------------------------------


def test_a_started_member_is_live(start: Start) -> None:
    fleet, told = start()
    assert fleet.status().phase == "live"
    assert threads() == {"coord-control", "coord-heartbeat"}
    assert told.count("member", "start") == 1


@pytest.mark.parametrize("method", ["open_session", "watch"])
def test_a_start_that_is_refused_leaves_nothing(start: Start, behind: Put, method: str) -> None:
    server, gates = behind()
    before = descriptors()
    gates.break_with(method, lambda: StoreRefused("no rights", cure="Ask for them."))
    with pytest.raises(StoreRefused, match=r"no rights\. Ask for them"):
        start()
    assert threads() == set()
    assert descriptors() == before
    assert server.store().view("g").members == {}


def test_a_start_without_an_answer_ends_with_its_timeout(start: Start, behind: Put) -> None:
    _, gates = behind()
    entered = gates.shut("open_session")
    opener = threading.Timer(0.1, gates.open, ("open_session",))
    gates.break_with("close", lambda: StoreUnavailable("the way back is shut, too"))
    opener.start()
    with pytest.raises(StoreUnavailable, match="no session within 0 s"):
        start(start_timeout_s=0.0)
    within(entered)
    assert threads() == set()
    opener.join(BOUND_S)


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("nowhere://x", {}),
        ("memory://x/bad group", {}),
        ("memory://x/g", {"member": "no spaces"}),
        ("memory://x/g", {"zone": "no spaces"}),
        ("memory://x/g", {"weight": -1.0}),
        ("memory://x/g", {"weight": float("nan")}),
        ("memory://x/g", {"max_shards": -1}),
        ("memory://x/g", {"on_overrun": "panic"}),
        ("memory://x/g", {"stop_timeout_s": -1.0}),
        ("memory://x/g", {"start_timeout_s": float("inf")}),
        ("memory://x/g", {"ttl_s": 0.0}),
    ],
    ids=str,
)
def test_bad_settings_are_refused_before_anything_is_touched(
    url: str, settings: dict[str, object]
) -> None:
    with pytest.raises(ConfigError):
        Coordinator(url, **settings).start()  # type: ignore[arg-type]
    assert threads() == set()


def test_an_event_log_that_cannot_be_written_is_refused_and_nothing_is_left(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("COORD_EVENTS", str(tmp_path / "file" / "events.jsonl"))
    with pytest.raises(ConfigError, match="COORD_EVENTS"):
        Coordinator(url, member="a").start()
    assert threads() == set()


def test_two_live_members_cannot_share_a_name(start: Start) -> None:
    start("a")
    with pytest.raises(DuplicateMember, match="'a'"):
        start("a")
    assert threads() == {"coord-control", "coord-heartbeat"}


def test_a_coordinator_starts_once(start: Start) -> None:
    fleet, _ = start()
    with pytest.raises(UsageError, match="started before"):
        fleet.start()
    assert fleet.status().phase == "live"


def test_stop_before_the_start_is_not_forgotten(url: str) -> None:
    fleet = Coordinator(url, member="a", timing=QUICK)
    fleet.stop()
    with fleet:
        assert list(fleet.terms("one")) == []
        fleet.run()


# --- stopping ---------------------------------------------------------------------------------


def test_a_whole_life_leaves_no_thread_and_no_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/coord.db"

    def live() -> None:
        with Coordinator(url, member="a", timing=QUICK) as fleet:
            with fleet.lead("one", timeout_s=BOUND_S) as term:
                term.check()
            next(fleet.observe("one"))

    live()
    before = descriptors()
    for _ in range(3):
        live()
    assert descriptors() == before
    assert threads() == set()


def test_closing_twice_or_from_several_threads_is_closing_once(start: Start) -> None:
    fleet, told = start()
    closers = [threading.Thread(target=fleet.close) for _ in range(4)]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join(BOUND_S)
    fleet.close()
    assert told.count("member", "stop") == 1
    assert told.count("close", "") == 1
    assert told.count("called", "CloseSession") == 1


def test_claims_are_released_before_the_session_is_closed(start: Start) -> None:
    """In order: the work stops, its claim is handed over, and only then the session ends."""
    fleet, told = start()
    order: list[str] = []

    def work(term: Term) -> None:
        while term.wait(BOUND_S):
            pass
        term.check()
        order.append("work")

    fleet.serve("one", work)
    told.await_told("began", "one")
    fleet.close()
    calls = [t.kind for t in told.told if t.what == "called"]
    assert order == ["work"]
    assert calls.index("Release") < calls.index("CloseSession")
    assert fleet.status().held == ()


def test_a_successor_starts_as_soon_as_the_work_has_stopped(start: Start) -> None:
    first, told = start("a")
    second, other = start("b")
    stopping, go_on = threading.Event(), threading.Event()

    def work(term: Term) -> None:
        while term.wait(BOUND_S):
            pass
        stopping.set()
        within(go_on)

    first.serve("one", work)
    told.await_told("began", "one")
    second.serve("one", lambda term: term.wait(BOUND_S))
    first.stop()
    within(stopping)
    told.await_told("called", "Heartbeat", times=told.count("called", "Heartbeat") + 1)
    assert other.count("began", "one") == 0, "the work still runs"
    go_on.set()
    other.await_told("began", "one")


def test_a_store_that_cannot_close_does_not_keep_the_rest_open(start: Start, behind: Put) -> None:
    _, gates = behind()
    fleet, told = start()
    gates.break_with("close", lambda: StoreUnavailable("gone already"))
    fleet.close()
    assert threads() == set()
    assert told.count("member", "stop") == 1


def uses(fleet: Coordinator) -> dict[str, Callable[[], object]]:
    return {
        "terms": lambda: list(fleet.terms("late")),
        "held": lambda: [terms for terms in fleet.held("late") if len(terms)],
        "observe": lambda: list(fleet.observe("late")),
        "serve": lambda: fleet.serve("late", print),
        "run": fleet.run,
    }


@pytest.mark.parametrize("use", ["terms", "held", "observe", "serve", "run"])
@pytest.mark.parametrize("closed", [False, True], ids=["stopped", "closed"])
def test_what_is_asked_after_the_end_ends_at_once(start: Start, use: str, closed: bool) -> None:
    fleet, told = start()
    fleet.stop()
    if closed:
        fleet.close()
    assert uses(fleet)[use]() in (None, [])
    assert told.count("began", "late") == 0


def test_lead_after_the_end_says_so(start: Start) -> None:
    fleet, _ = start()
    fleet.close()
    with pytest.raises(NotElected, match="stops"), fleet.lead("one", timeout_s=BOUND_S):
        pytest.fail("the body ran")


def test_a_term_is_over_once_its_coordinator_is_closed(start: Start) -> None:
    fleet, _ = start(stop_timeout_s=0.0)
    kept: list[Term] = []
    go_on = threading.Event()

    def work(term: Term) -> None:
        kept.append(term)
        within(go_on)

    fleet.serve(Role("one", progress_timeout_s=None), work)
    while not kept:
        assert not go_on.wait(0.001)
    fleet.close()
    assert kept[0].stopping
    assert kept[0].deadline_s == float("-inf")
    go_on.set()


# --- hooks ------------------------------------------------------------------------------------


class Broken(Recorder):
    """Raises from everything it is told."""

    def _keep(self, what: str, kind: str, detail: str) -> None:
        super()._keep(what, kind, detail)
        raise RuntimeError("a hook with a bug")


def test_a_hook_that_raises_influences_nothing(url: str, caplog: pytest.LogCaptureFixture) -> None:
    told = Broken()
    with Coordinator(url, member="a", timing=QUICK, hooks=told) as fleet:
        with fleet.lead("one", timeout_s=BOUND_S) as term:
            term.progress()
            term.check()
            assert fleet.status().held == (ONE,)
        told.await_told("called", "Heartbeat")
    assert {"began", "ended", "called", "member", "close"} <= {t.what for t in told.told}
    assert "a hook with a bug" in caplog.text


def test_the_log_tells_who_led_what_and_why_it_ended(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="coord")

    def fail(_: Term) -> None:
        raise ValueError("no such bucket")

    with Coordinator(url, member="a", timing=QUICK) as fleet:
        fleet.serve("one", fail)
        done = threading.Event()
        fleet.serve("two", lambda _: done.set())
        within(done)
        with fleet.lead("three", timeout_s=BOUND_S):
            pass
        engine = fleet.engine()
        assert engine.wait_for(lambda: "no such bucket" in caplog.text, BOUND_S)
    lines = [record.getMessage() for record in caplog.records]
    assert any("event='leading'" in line and "claim='two/1/0/0'" in line for line in lines)
    assert any("event='led'" in line and "its work ended" in line for line in lines)
    failures = [record for record in caplog.records if "work-raised" in record.getMessage()]
    assert failures[0].levelname == "ERROR"
    assert failures[0].exc_info is not None
    assert "ValueError: no such bucket" in caplog.text
    assert all("member='a'" in line and "group='g'" in line for line in lines)
