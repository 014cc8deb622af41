"""The frame around the commands: the table, errors, exit codes, what is loaded when."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import rich_click as click
from click.testing import CliRunner

from coord import __version__
from coord.cli.app import COMMANDS, CoordGroup, cli
from coord.cli.exits import MEANINGS, ExitCode, exit_code_of
from coord.errors import (
    ConfigError,
    CoordError,
    DuplicateMember,
    Fenced,
    InternalError,
    MissingExtra,
    SessionLost,
    StoreConflict,
    StoreRefused,
    StoreUnavailable,
)
from coord.lab.chaos.fleet import WorkerFailed
from coord.lab.chaos.stage import Unsteady
from coord.testing.servers import ServerFailed
from tests.unit.cli.commands import Group, run

_STORES_AND_HEAVY = ["asyncio", "coord.registry", "coord_sqlite", "sqlite3", "rich.live"]


def _python(program: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=60,
        check=False,
        env={name: os.environ[name] for name in os.environ.keys() - {"COLUMNS"}} | env,
    )


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_version_and_help_load_no_store_and_no_command(option: str, tmp_path: Path) -> None:
    modules = [*_STORES_AND_HEAVY, *(row.target.split(":")[0] for row in COMMANDS.values())]
    program = (
        "import sys\nfrom coord.cli import main\n"
        f"try: main(['{option}'])\n"
        f"finally: print([name for name in {modules} if name in sys.modules], file=sys.stderr)"
    )
    outcome = _python(program, tmp_path)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stderr.strip() == "[]"


def test_the_version_is_the_one_of_the_package() -> None:
    assert run("--version").stdout == f"coord {__version__}\n"


def test_help_lists_every_command_in_the_order_of_the_table_and_every_exit_code() -> None:
    text = run("--help").stdout
    rows = re.findall(r"^│ (\w+) ", text, flags=re.MULTILINE)
    assert [row for row in rows if row in COMMANDS] == list(COMMANDS)
    for code in MEANINGS:
        assert re.search(
            rf"^│ +{code:d} +{re.escape(MEANINGS[code][:20])}", text, flags=re.MULTILINE
        ), code


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_of_the_table_exists_under_its_name_and_takes_json(name: str) -> None:
    module, attribute = COMMANDS[name].target.split(":")
    command = getattr(import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.name == name
    inner = command.commands.values() if isinstance(command, click.Group) else [command]
    assert all(any("--json" in param.opts for param in one.params) for one in inner)
    assert run(name, "--help").exit_code == 0


def test_every_exit_code_has_its_meaning() -> None:
    assert set(MEANINGS) == set(ExitCode)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 5),
        (MissingExtra("x"), 5),
        (StoreUnavailable("x"), 3),
        (StoreRefused("x"), 4),
        (SessionLost("x"), 4),
        (DuplicateMember("x", session="s"), 4),
        (StoreConflict("x"), 6),
        (Fenced("x"), 1),
        (Unsteady("x"), 6),
        (WorkerFailed("x"), 6),
        (ServerFailed("x"), 6),
        (InternalError("x"), 70),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, CoordError) else "",
)
def test_an_error_ends_in_its_code_with_cause_and_cure_and_no_traceback(
    error: CoordError, code: int
) -> None:
    error.cure = "Do this."
    assert exit_code_of(error) == code
    result = CliRunner().invoke(_raising(error), ["fail"])
    assert result.exit_code == code
    assert result.stderr == "error: x\ncure: Do this.\n"
    assert result.stdout == ""


def _raising(error: BaseException) -> CoordGroup:
    @click.command()
    @click.option("--json", "as_json", is_flag=True)
    def fail(*, as_json: bool) -> None:
        raise error

    group = CoordGroup(name="coord")
    group.add_command(fail)
    return group


def test_errors_are_json_where_answers_are() -> None:
    error = StoreUnavailable("no answer", cure="Wait.")
    result = CliRunner().invoke(_raising(error), ["fail", "--json"])
    assert json.loads(result.stderr) == {
        "schema": "coord.error/1",
        "kind": "StoreUnavailable",
        "cause": "no answer",
        "cure": "Wait.",
        "certainty": "unknown",
        "exit_code": 3,
    }


def test_a_fault_of_ours_shows_what_a_report_needs() -> None:
    result = CliRunner().invoke(_raising(KeyError("lost")), ["fail"])
    assert result.exit_code == 70
    assert "Traceback" in result.stderr
    assert "error: KeyError: 'lost'" in result.stderr
    told = json.loads(CliRunner().invoke(_raising(KeyError("lost")), ["fail", "--json"]).stderr)
    assert told["kind"] == "InternalError"
    assert "Traceback" in told["trace"]


def test_an_interrupt_ends_in_130_without_a_word() -> None:
    result = CliRunner().invoke(_raising(KeyboardInterrupt()), ["fail"])
    assert result.exit_code == 130
    assert result.output.strip() == ""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["statsu"], "there is no command 'statsu'; did you mean status?"),
        (["zzz"], "there is no command 'zzz'"),
        (["status"], "missing argument 'URL'"),
        (["status", "memory://", "--jsn"], "no such option '--jsn'. Did you mean '--json'?"),
        (["why", "memory://", "r", "-1"], "coord why has no option -1"),
        (["why", "memory://", "r", "x"], "invalid value for '[SHARD]'"),
        (["status", "memory://", "--timeout", "soon"], "'soon' is not a duration"),
        (["status", "memory://", "--timeout", "0s"], "0s is too short"),
        (["reshape", "memory://", "r"], "missing option '--shards'"),
        (["reshape", "memory://", "r", "--shards", "0"], "0 is not in the range"),
        (["reshape", "memory://", "r", "--shards", "x"], "'x' is not a valid integer"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_line_says_what_is_wrong(words: list[str], says: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert says in result.stderr
    assert "--help` shows how it is used." in result.stderr
    told = json.loads(run(*words, "--json").stderr)
    assert (told["kind"], told["exit_code"]) == ("UsageError", 2)


@pytest.mark.parametrize(
    ("words", "path"),
    [
        (["queue", "run", "sqlite:///q.db", "--app"], "coord queue run"),
        (["tasks", "list", "--app"], "coord tasks list"),
        (["status", "--timeout"], "coord status"),
        (["reshape", "memory://", "r"], "coord reshape"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_line_points_at_the_help_of_its_own_command(
    words: list[str], path: str
) -> None:
    """Also where click does not know which command it was reading."""
    assert f"`{path} --help`" in run(*words).stderr


@pytest.mark.parametrize(
    "words", [["tasks", "list"], ["queue", "run", "sqlite:///q.db"]], ids=["list", "run"]
)
def test_a_task_that_takes_no_job_is_refused_wherever_tasks_are_named(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    name = f"jobless_{words[0]}"
    code = "from coord import task\n\n\n@task('sweep')\ndef sweep(): pass\n"
    (tmp_path / f"{name}.py").write_text(code)
    result = run(*words, "--app", name)
    assert result.exit_code == ExitCode.CONFIG
    assert "task 'sweep': sweep takes no job" in result.stderr
    assert "def task(job, ...)" in result.stderr


@pytest.mark.parametrize(
    ("url", "code", "says"),
    [
        ("x.db", 5, "Write SCHEME://"),
        ("nosuch://x", 5, "there is no store for nosuch://"),
        ("memory://a b", 5, "cannot name a memory store"),
        ("sqlite://", 5, "Write sqlite:///file.db"),
        ("sqlite:///no/such/folder/x.db", 4, "Make it first"),
    ],
)
def test_a_wrong_url_says_what_is_wrong(url: str, code: int, says: str) -> None:
    result = run("status", url)
    assert result.exit_code == code
    assert says in result.stderr


def test_nothing_is_coloured_outside_a_terminal(group: Group) -> None:
    group.role("reaper")
    result = run("status", group.url)
    assert "\x1b" not in result.stdout
    assert "\x1b" not in run("why", group.url, "nope").output


@pytest.mark.parametrize("env", [{}, {"COLUMNS": "80"}], ids=["pipe", "columns"])
def test_what_the_output_cannot_show_breaks_nothing(env: dict[str, str], tmp_path: Path) -> None:
    program = (
        "from coord.model import RoleRecord, Shape\nfrom coord.registry import open_store\n"
        "from coord.cli import main\n"
        "found = open_store('memory://x')\n"
        "found.store.put_role('default', RoleRecord(name='r', shape=Shape(4, 2)))\n"
        "main(['status', 'memory://x'])"
    )
    outcome = _python(program, tmp_path, PYTHONIOENCODING="latin-1", **env)
    assert outcome.returncode == 0, outcome.stderr
    assert "nobody  0?3  never held" in outcome.stdout


def test_the_group_can_be_completed_by_a_shell(tmp_path: Path) -> None:
    env = {"_COORD_COMPLETE": "bash_complete", "COMP_WORDS": "coord st", "COMP_CWORD": "1"}
    outcome = _python("from coord.cli import main; main()", tmp_path, **env)
    assert "plain,status" in outcome.stdout


def test_the_group_runs_the_same_way_under_click() -> None:
    assert isinstance(cli, CoordGroup)
    assert CliRunner().invoke(cli, ["--version"]).exit_code == 0
