"""The demo on stores that are reached over a network: what it shows, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from coord.lab.chaos.ground import Ground, ground
from coord.lab.chaos.scene import Scene
from coord.lab.demo.run import ROLES, Plan, perform
from coord.lab.demo.summary import notes
from coord.lab.measure import Report, judge_log, load, report_from_json, timeline
from coord.lab.measure.report import Run
from coord.lab.work.modes import MODES, PROGRESS_TIMEOUT_S, mode_named
from coord.registry import open_store
from coord.testing.servers import KINDS, Servers
from tests.integration.stores.kinds import DRIFT, POLL_S, alive
from tests.integration.stores.kinds import KINDS as STORES
from tests.servers import require

pytestmark = [pytest.mark.serial, pytest.mark.timeout(240)]

NOISE_S = 1.0  # what this machine may add to any duration
MODES_SHOWN = ("localized",)

_WAITS = {"etcd": "its lease of", "zookeeper": "its session of", "dynamodb": "stand still for"}


def _bound_s(kind: str, ttl_s: float) -> float:
    """From a leader's silence to its successor's first act, at most."""
    return ttl_s * (1 + DRIFT) + POLL_S + 1.0 if kind == "dynamodb" else ttl_s + 1.0


@dataclass
class Shown:
    """A mode of the demo, played on a real server."""

    kind: str
    servers: Servers
    here: Ground
    report: Report
    events: Path
    said: list[str]

    def runs(self, fault: str) -> list[Run]:
        return [run for run in self.report["runs"] if run["fault"] == fault]


class _Told:
    """A screen that keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def show(self, scene: Scene) -> None:
        pass

    def say(self, text: str, *, style: str = "") -> None:
        self.said.append(text)


@pytest.fixture(scope="module", params=KINDS)
def shown(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shown]:
    """A group at the URL of a server that runs already, as `coord demo --store URL` plays there."""
    kind = str(request.param)
    servers: Servers = request.getfixturevalue(f"{kind}_server")
    folder = tmp_path_factory.mktemp(f"demo-{kind}")
    (events := folder / "events").mkdir()
    screen = _Told()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in servers.environment.items():
            patch.setenv(name, value)
        with _ground(STORES[kind].url(servers), folder, screen.say) as here:
            plan = Plan(
                ground=here,
                seed=1,
                rounds=1,
                work=folder,
                events=events,
                modes=[mode_named(name) for name in MODES_SHOWN],
            )
            report = perform(plan, screen, lambda: None)
        yield Shown(kind, servers, here, report, events, screen.said)


def _ground(url: str, work: Path, say: Callable[[str], None]) -> AbstractContextManager[Ground]:
    return ground(url, 2.0, work=work, say=say, roles=ROLES)


# --- what it shows ---------------------------------------------------------------------------


def test_the_fenced_table_takes_no_stale_act_and_the_unfenced_one_does(shown: Shown) -> None:
    stale = [run["stale_acts"] for run in shown.report["runs"]]
    assert sum(one["accepted"] for one in stale) == 0
    assert sum(one["accepted_unfenced"] for one in stale) > 0


@pytest.mark.parametrize("fault", ["kill", "pause"])
def test_a_silent_leader_is_followed_within_the_bound_of_its_store(
    shown: Shown, fault: str
) -> None:
    bound_s = _bound_s(shown.kind, shown.here.ttl_s) + NOISE_S
    for run in shown.runs(fault):
        total = run["failover_s"]["total"]
        assert total["n"] >= 1, run
        assert total["max"] is not None
        assert total["max"] <= bound_s, run
        assert total["max"] > shown.here.ttl_s / 2, "nothing but waiting can tell"


def test_a_wedged_leader_is_followed_although_it_renews(shown: Shown) -> None:
    for run in shown.runs("wedge"):
        total = run["failover_s"]["total"]
        assert total["n"] >= 1, run
        assert total["max"] is not None
        assert total["max"] <= PROGRESS_TIMEOUT_S + POLL_S + 0.5 + NOISE_S, run


def test_no_two_leaders_could_act_at_once(shown: Shown) -> None:
    assert {run["split_s"]["worst"] for run in shown.report["runs"]} == {0}


def test_the_logs_break_no_rule(shown: Shown) -> None:
    for name in MODES_SHOWN:
        line = timeline(load(shown.events / name))
        assert [str(violation) for violation in judge_log(line)] == []


def test_nobody_is_said_to_be_provably_dead(shown: Shown) -> None:
    told = notes(shown.report)
    assert _WAITS[shown.kind] in told[0]
    assert "proven" not in " ".join([*told, *shown.said])


def test_the_group_is_left_without_members_and_claims_and_may_be_played_in_again(
    shown: Shown, tmp_path: Path
) -> None:
    found = open_store(shown.here.url, timeout_s=5.0)
    with closing(found.store):
        view = found.store.view(found.group)
    assert view.members == {}
    assert {key.role for key, claim in view.claims.items() if claim.session} == set()
    assert set(view.roles) == {mode.role.name for mode in MODES if mode.name in MODES_SHOWN}
    said: list[str] = []
    with _ground(shown.here.url, tmp_path, said.append) as again:
        assert again.ttl_s == shown.here.ttl_s
    assert said == []


# --- as users run it -------------------------------------------------------------------------


def _coord(*words: str, folder: Path, **streams: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-m", "coord", *words],
        env={**os.environ, "TMPDIR": str(folder)},
        **streams,
    )


def _below(pid: int) -> list[int]:
    """The processes that a process has started, directly."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def _await(condition: Callable[[], bool], timeout_s: float) -> bool:
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


_STRUCK, _EARLY = "kill -9", "started for this run alone"


@pytest.mark.parametrize(
    ("kind", "moment", "sent", "code"),
    [
        *((kind, _EARLY, "SIGINT", 130) for kind in KINDS),
        *((kind, _STRUCK, "SIGTERM", 143) for kind in KINDS),
        ("etcd", _STRUCK, "SIGKILL", -signal.SIGKILL),
    ],
)
def test_ending_a_demo_with_a_server_of_its_own_leaves_no_process(
    kind: str, moment: str, sent: str, code: int, tmp_path: Path
) -> None:
    require(kind)
    said = tmp_path / "stderr"
    with said.open("wb") as stderr:
        demo = _coord(
            *("demo", "--store", kind),
            folder=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
    started: list[int] = []
    try:
        assert _await(lambda: moment in said.read_text() or demo.poll() is not None, 90)
        started = _below(demo.pid)
        assert started, said.read_text()
        demo.send_signal(signal.Signals[sent])
        assert demo.wait(30) == code, said.read_text()
        assert _await(lambda: not any(_lives(pid) for pid in started), 10)
    finally:
        demo.kill()
        demo.wait(10)
    assert "Traceback" not in said.read_text()
    if sent != "SIGKILL":
        assert [path.name for path in tmp_path.iterdir()] == ["stderr"]


def _lives(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_is_down_is_said_at_once_with_a_cure(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require(kind)
    query = "?region=us-east-1&endpoint=http://127.0.0.1:9"
    urls = {"dynamodb": f"dynamodb://leases/demo{query}"}
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    url = urls.get(kind, f"{kind}://127.0.0.1:9/demo")
    begun = time.monotonic()
    demo = _coord(
        *("demo", "--store", url, "--json"),
        folder=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = demo.communicate(timeout=60)
    assert time.monotonic() - begun < 30
    assert (demo.returncode, out) == (3, b""), err
    told = json.loads(err.splitlines()[-1])
    assert told["cause"]
    assert told["cure"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("own", [True, False], ids=["own", "url"])
def test_the_whole_demo_of_three_rounds(
    kind: str,
    own: bool,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    servers: Servers = request.getfixturevalue(f"{kind}_server")
    for name, value in servers.environment.items():
        monkeypatch.setenv(name, value)
    url = STORES[kind].url(servers)
    before = alive(servers)
    (scratch := tmp_path / "scratch").mkdir()
    demo = _coord(
        *("demo", "--store", kind if own else url, "--rounds", "3", "--json"),
        folder=scratch,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = demo.communicate(timeout=800)
    assert demo.returncode == 0, err
    report = report_from_json(out.decode())
    assert sum(run["stale_acts"]["accepted"] for run in report["runs"]) == 0
    assert {run["split_s"]["worst"] for run in report["runs"]} == {0}
    bound_s = _bound_s(kind, report["ttl_s"]) + NOISE_S
    silent = [run for run in report["runs"] if run["fault"] != "wedge"]
    assert max(run["failover_s"]["total"]["max"] or 0 for run in silent) <= bound_s
    assert kind == "dynamodb" or alive(servers) <= before
    assert list(scratch.iterdir()) == []
