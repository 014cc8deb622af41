"""The pytest plugin as its users meet it: in a pytest of their own, with a daemon of their own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from _pytest.assertion.rewrite import AssertionRewriter

import coord

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.timeout(180)

_DAEMON = """
    import os, sys, time
    from coord import Coordinator

    with open("pids", "a") as pids:
        print(os.getpid(), file=pids)

    def work(term):
        while term.wait(0.05):
            with fleet.events.acting(term, "table", fenced=False):
                pass
            term.progress()
            if os.environ.get("LEAVES"):
                print("cannot go on", flush=True)
                os._exit(3)

    store, member = os.environ["COORD_STORE"], os.environ["COORD_MEMBER"]
    with Coordinator(store, member=member, ttl_s=2.0, start_timeout_s=30) as fleet:
        fleet.serve("reaper", work)
        fleet.run()
"""
_FLEET = """
    import sys, time, pytest
    DAEMON = [sys.executable, "daemon.py"]
"""


def _project(pytester: pytest.Pytester, test: str) -> None:
    pytester.makepyfile(daemon=_DAEMON, test_it=f"{_FLEET}\n{test}")


def _left(pytester: pytest.Pytester) -> list[int]:
    """Daemons that still run, a moment after pytest has ended."""
    pids = [int(line) for line in (pytester.path / "pids").read_text().split()]
    assert pids, "no daemon was ever there"
    end = time.monotonic() + 5.0
    left = pids
    while left and time.monotonic() < end:
        left = [pid for pid in left if _is_ours(pid)]
        time.sleep(0.05)
    return left


def _is_ours(pid: int) -> bool:
    try:
        return b"daemon.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


# --------------------------------------------------------------------------------- off by default


def test_without_the_option_chaos_tests_are_skipped_and_say_so(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.chaos
        def test_marked():
            raise AssertionError

        def test_that_uses_the_fixture(coord_lab):
            raise AssertionError

        def test_of_another_kind():
            pass
        """
    )
    run = pytester.runpytest_subprocess("-rs", "--strict-markers")
    run.assert_outcomes(passed=1, skipped=2)
    run.stdout.fnmatch_lines(["SKIPPED*needs --chaos"])
    run.stdout.no_fnmatch_line("*chaos on*")


def test_a_project_with_a_marker_chaos_of_its_own_keeps_it(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nmarkers =\n    chaos: monkeys")
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.chaos
        def test_monkeys():
            pass
        """
    )
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=1)


@pytest.mark.parametrize("place", ["monkeys", "conftest"])
def test_whoever_has_the_options_already_keeps_them(pytester: pytest.Pytester, place: str) -> None:
    sources = {
        place: """
        def pytest_addoption(parser):
            parser.addoption("--chaos", action="store_true")
            parser.addoption("--chaos-seed", default="theirs")
        """,
        "test_it": """
        def test_it(request):
            assert request.config.getoption("--chaos-seed") == "theirs"
        """,
    }
    pytester.makepyfile(**sources)
    plugin = ["-p", "monkeys"] if place == "monkeys" else []
    run = pytester.runpytest_subprocess(*plugin, "--chaos", "-W", "error")
    run.assert_outcomes(passed=1)


def test_loading_the_plugin_imports_nothing_else_of_coord() -> None:
    program = (
        "import sys, json, coord.lab.plugin;"
        "print(json.dumps([m for m in sys.modules if m.partition('.')[0].startswith('coord')]))"
    )
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert set(json.loads(told.stdout)) <= {
        "coord",
        "coord._version",
        "coord.errors",
        "coord.lab",
        "coord.lab.plugin",
    }


def test_a_coord_that_was_imported_before_pytest_is_no_warning() -> None:
    """Installed from a wheel, pytest would complain that it cannot rewrite its assertions."""
    assert AssertionRewriter.is_rewrite_disabled(coord.__doc__ or "")


# ------------------------------------------------------------------------------------------ seeds


def test_a_drawn_seed_is_told_and_a_given_one_is_taken(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    drawn = pytester.runpytest_subprocess("--chaos").stdout.str()
    assert re.search(r"coord: chaos on, --chaos-seed \d+", drawn)
    given = pytester.runpytest_subprocess("--chaos", "--chaos-seed", "4711").stdout.str()
    assert "coord: chaos on, --chaos-seed 4711" in given


def test_all_lanes_of_xdist_have_the_same_seed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_it(number, request):
            with open("seeds", "a") as seeds:
                print(request.config.getoption("coord_chaos_seed"), file=seeds)
        """
    )
    pytester.runpytest_subprocess("--chaos", "-n", "2").assert_outcomes(passed=4)
    seeds = (pytester.path / "seeds").read_text().split()
    assert len(seeds) == 4
    assert len(set(seeds)) == 1
    assert seeds[0].isdigit()


# --------------------------------------------------------------------------- what a machine lacks


@pytest.mark.parametrize(("ci", "outcome"), [("", {"skipped": 1}), ("true", {"failed": 1})])
def test_a_server_that_is_not_installed_skips_with_its_cure_and_fails_in_ci(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str, outcome: dict[str, int]
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("COORD_ETCD", "/no/such/etcd")
    _project(
        pytester,
        """
    def test_it(coord_lab):
        coord_lab.fleet(DAEMON, store="etcd")
        """,
    )
    run = pytester.runpytest_subprocess("--chaos", "-rs")
    run.assert_outcomes(**outcome)
    run.stdout.fnmatch_lines(["*etcd-server: COORD_ETCD names /no/such/etcd*unset it*"])


# -------------------------------------------------------------------------------- when tests fail


def test_a_failed_test_says_what_befell_its_fleet_and_where_its_files_are(
    pytester: pytest.Pytester,
) -> None:
    _project(
        pytester,
        """
    def test_it(coord_lab):
        fleet = coord_lab.fleet(DAEMON, members=2)
        fleet.kill("leader", for_s=0.2)
        assert fleet.settle().stale_acts.accepted == 1
        """,
    )
    run = pytester.runpytest_subprocess("--chaos", "--chaos-seed", "3", "--basetemp", "kept")
    run.assert_outcomes(failed=1)
    said = run.stdout.str()
    run.stdout.fnmatch_lines(
        [
            "*assert 0 == 1*",
            "*where 0 = StaleActs(attempted=0, accepted=0, accepted_unfenced=0).accepted*",
            "*<outcome 1 of *kept/test_it0/chaos-1/run>.stale_acts*",
            "*- coord chaos -*",
            '*again: pytest --chaos --chaos-seed 3 "test_it.py::test_it"*',
            "*kill: m*",
            "*recovered; * acts*",
        ]
    )
    [directory] = set(re.findall(r"^run: (\S+)", said, re.MULTILINE))
    assert (Path(directory) / "run.json").is_file()
    assert list(Path(directory).glob("events-m*.jsonl"))
    assert _left(pytester) == []
    judged = subprocess.run(
        [sys.executable, "-m", "coord", "chaos", "check", directory],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_a_daemon_that_ends_by_itself_fails_the_test_with_its_last_words(
    pytester: pytest.Pytester,
) -> None:
    _project(
        pytester,
        """
    def test_that_waits(coord_lab):
        fleet = coord_lab.fleet(DAEMON, members=1, environ={"LEAVES": "1"})
        fleet.wait(30)

    def test_that_sleeps(coord_lab):
        fleet = coord_lab.fleet(DAEMON, members=1, environ={"LEAVES": "1"})
        while "cannot" not in fleet.last_words("m1"):
            time.sleep(0.1)
        time.sleep(0.5)
        """,
    )
    run = pytester.runpytest_subprocess("--chaos")
    run.assert_outcomes(failed=1, passed=1, errors=1)
    run.stdout.fnmatch_lines(["*WorkerFailed: m1 ended by itself*exit code 3: cannot go on*"])
    assert run.stdout.str().count("ERROR at teardown") == 1
    assert _left(pytester) == []


@pytest.mark.parametrize("how", ["raise AssertionError", "raise KeyboardInterrupt"])
def test_whatever_ends_a_test_its_processes_are_gone_even_stopped_ones(
    pytester: pytest.Pytester, how: str
) -> None:
    _project(
        pytester,
        f"""
    def test_it(coord_lab):
        fleet = coord_lab.fleet(DAEMON, members=2)
        with fleet.struck("pause", "leader"):
            {how}
        """,
    )
    run = pytester.runpytest_subprocess("--chaos")
    assert run.ret != 0
    assert _left(pytester) == []
