"""`coord init`, `doctor` and the like as users run them: real servers, missing and wrong ones."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from coord.testing.proxy import FaultProxy
from coord.testing.servers import KINDS, DynamoDBLocal, Servers, missing
from tests.integration.fleet import until
from tests.integration.stores.kinds import alive
from tests.servers import require

COORD = str(Path(sys.executable).with_name("coord"))
SECRET = "wJalrXUtnFEMI-K7MDENG"  # noqa: S105  made up, and to be found in no output
PATIENCE_S = 60.0
_PARAMS = [pytest.param(kind, marks=pytest.mark.xdist_group(kind)) for kind in KINDS]
_OTHER = {"etcd": "zookeeper", "zookeeper": "etcd", "dynamodb": "etcd"}

pytestmark = pytest.mark.timeout(180)


def _environment() -> dict[str, str]:
    """Ours, without what would change how output looks, and with credentials."""
    unwanted = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "AWS_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return env | {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": SECRET}


@dataclass
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def told(self) -> dict[str, Any]:
        """The answer, or the error, that it printed with --json."""
        value: dict[str, Any] = json.loads(self.out or self.err)
        return value


def coord(*words: str) -> Outcome:
    """Run a command to its end; it prints no trace and no secret."""
    begun = time.monotonic()
    done = subprocess.run(
        [COORD, *words],
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert "Traceback" not in done.stderr + done.stdout
    assert SECRET not in done.stderr + done.stdout
    return Outcome(done.returncode, done.stdout, done.stderr, time.monotonic() - begun)


def _problems(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {finding["name"]: finding for finding in told["findings"] if not finding["ok"]}


@pytest.fixture(params=_PARAMS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each of the stores."""
    found: str = request.param
    return found


@pytest.fixture
def servers(kind: str, request: pytest.FixtureRequest) -> Servers:
    found: Servers = request.getfixturevalue(f"{kind}_server")
    return found


@pytest.fixture
def url(servers: Servers) -> str:
    """A group of the test's own, prepared."""
    address = servers.url(f"cli-{secrets.token_hex(4)}")
    assert coord("init", address).code == 0
    return address


# --- a store that is well --------------------------------------------------------------------


def test_init_may_be_asked_for_again_and_by_several_at_once(servers: Servers) -> None:
    fresh = {"table": f"t-{secrets.token_hex(4)}"} if isinstance(servers, DynamoDBLocal) else {}
    address = servers.url(f"cli-{secrets.token_hex(4)}", **fresh)
    command = [COORD, "init", address, "--json"]
    racing = [
        subprocess.Popen(
            command, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for one in racing:
        out, err = one.communicate(timeout=PATIENCE_S)
        assert one.returncode == 0, err
        assert json.loads(out)["ok"] is True
    again = coord("init", address, "--json")
    assert (again.code, again.told["schema"]) == (0, "coord.init/1")
    assert _problems(again.told) == {}
    status = coord("status", address, "--json")
    assert (status.code, status.told["members"], status.told["roles"]) == (0, [], [])


def test_doctor_finds_a_healthy_server_and_leaves_nothing_behind(
    servers: Servers, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in servers.environment.items():
        monkeypatch.setenv(name, value)
    before = alive(servers)
    outcome = coord("doctor", url, "--json")
    told = outcome.told
    assert told["schema"] == "coord.doctor/1"
    assert _problems(told).keys() <= {"timing"}, "this machine may be busy, nothing else"
    assert outcome.code in (0, 1)
    assert told["session"]["granted_ttl_s"] == 10.0
    assert told["noticed_ms"] is not None
    assert {"view", "open session", "heartbeat", "close session"} <= told["round_trips_ms"].keys()
    assert outcome.seconds < 30
    assert coord("status", url, "--json").told["members"] == []
    if not isinstance(servers, DynamoDBLocal):  # there every item is listed, the group's own too
        assert alive(servers) <= before


def test_doctor_says_in_words_what_it_found(url: str) -> None:
    outcome = coord("doctor", url)
    assert outcome.err == ""
    assert "tokens: " in outcome.out.splitlines()[0]
    assert "Timings for this ttl" in outcome.out


# --- a store that cannot be reached ----------------------------------------------------------


def _at(kind: str, port: int, group: str = "prod") -> str:
    if kind == "dynamodb":
        endpoint = f"http://127.0.0.1:{port}"
        return f"dynamodb://leases/{group}?region=us-east-1&endpoint={endpoint}"
    return f"{kind}://127.0.0.1:{port}/{group}"


@pytest.mark.parametrize("command", ["init", "status", "doctor"])
def test_a_server_that_is_down_is_named_with_a_cure_within_bounded_time(
    kind: str, command: str
) -> None:
    require(kind)
    outcome = coord(command, _at(kind, 9), "--timeout", "1s", "--json")
    _assert_unreachable(outcome, command, "127.0.0.1:9")


@pytest.mark.parametrize("command", ["init", "status", "doctor"])
def test_a_port_where_something_else_answers_is_an_error_like_a_dead_one(
    kind: str, command: str, request: pytest.FixtureRequest
) -> None:
    other = _OTHER[kind]
    if missing(other):
        pytest.skip(f"{other} stands in for something else, and is not installed")
    stranger: Servers = request.getfixturevalue(f"{other}_server")
    port = stranger.members[0].port
    outcome = coord(command, _at(kind, port), "--timeout", "1s", "--json")
    _assert_unreachable(outcome, command, f"127.0.0.1:{port}")


def _assert_unreachable(outcome: Outcome, command: str, place: str) -> None:
    """An error of the store, or with doctor findings; both with the place and what to do."""
    assert outcome.seconds < 25
    if command == "doctor" and outcome.code == 1:
        problems = _problems(outcome.told).values()
        causes = [(found["value"], found["cure"]) for found in problems]
    else:
        assert outcome.code in (3, 4), outcome
        assert outcome.told["schema"] == "coord.error/1"
        causes = [(outcome.told["cause"], outcome.told["cure"])]
    assert causes
    assert all(cure for _, cure in causes), causes
    assert any(place in cause + cure for cause, cure in causes), causes


# --- what is missing or wrong in DynamoDB ----------------------------------------------------


@pytest.fixture
def dynamodb(dynamodb_server: DynamoDBLocal) -> DynamoDBLocal:
    return dynamodb_server


@pytest.mark.xdist_group("dynamodb")
@pytest.mark.parametrize("command", ["status", "watch", "doctor"])
def test_a_missing_table_is_refused_with_init_as_the_cure(
    command: str, dynamodb: DynamoDBLocal
) -> None:
    url = dynamodb.url("prod", table=f"none-{secrets.token_hex(4)}")
    outcome = coord(command, url, "--json")
    if command == "doctor":
        assert outcome.code == 1
        cures = [found["cure"] for found in _problems(outcome.told).values()]
    else:
        assert outcome.code == 4
        cures = [outcome.told["cure"]]
    assert any("coord init" in cure for cure in cures), cures


@pytest.mark.xdist_group("dynamodb")
def test_the_demo_makes_no_table_in_a_store_of_yours(dynamodb: DynamoDBLocal) -> None:
    url = dynamodb.url("prod", table=f"none-{secrets.token_hex(4)}")
    outcome = coord("demo", "--store", url, "--json")
    assert (outcome.code, outcome.out) == (4, "")
    assert "coord init" in json.loads(outcome.err.splitlines()[-1])["cure"]
    assert coord("status", url).code == 4


@pytest.mark.xdist_group("dynamodb")
def test_ctrl_c_ends_the_making_of_a_table_at_once_and_the_next_init_goes_on(
    dynamodb: DynamoDBLocal,
) -> None:
    """The request that makes the table is held on its way: it takes long, and lands late."""
    with FaultProxy((dynamodb.members[0].host, dynamodb.members[0].port)) as proxy:
        made = proxy.on_request(b"CreateTable", "hold")
        options = {"table": f"t-{secrets.token_hex(4)}", "endpoint": f"http://{proxy.hostport}"}
        url = dynamodb.url("prod", **options)
        command = [COORD, "init", url, "--timeout", "40s"]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, env=_environment(), stdout=pipe, stderr=pipe, text=True
        ) as waiting:
            try:
                until(lambda: made.fired == 1)
                begun = time.monotonic()
                waiting.send_signal(signal.SIGINT)
                out, err = waiting.communicate(timeout=PATIENCE_S)
                assert time.monotonic() - begun < 10
            finally:
                waiting.kill()
        proxy.heal()
        assert (waiting.returncode, out) == (130, "")
        assert err.strip() == "interrupted: what was begun may still be made. Ask again."
        again = coord("init", url, "--json")
        assert (again.code, again.told["ok"]) == (0, True)
        assert coord("status", url).code == 0
