"""`coord tasks list`: the tasks of a program, and when they are due.

Owns the command and `coord.tasks/1`. Runs no task.
"""

from __future__ import annotations

import time
from typing import Any

import rich_click as click

from coord.cli.apps import app_option, tasks_in
from coord.cli.output import print_json, show
from coord.core.wording import duration_text
from coord.tasks import Cron, Every, TaskSpec, Tick, spec_of

__all__ = ["tasks"]

TASKS = "coord.tasks/1"


@click.group()
def tasks() -> None:
    """Show the tasks of a program."""


@tasks.command("list")
@app_option
@click.option("--json", "as_json", is_flag=True, help="Answer, and err, in JSON.")
def list_tasks(app: str, *, as_json: bool) -> int:
    """List the tasks of --app: schedule, next tick, and how they are treated.

    Times are in UTC. With --json: coord.tasks/1.

    \b
    Example:
      coord tasks list --app housekeeping
    """  # noqa: D301  click's mark for lines that are not to be joined
    specs = sorted(map(spec_of, tasks_in(app)), key=lambda spec: spec.name)
    now = Tick.of(time.time())  # noqa: TID251  when tasks are due, for people
    rows = [_row(spec, now) for spec in specs]
    if as_json:
        print_json({"schema": TASKS, "app": app, "tasks": rows})
        return 0
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("task", "due", "next", "parts", "timeout", "missed", "overlap"):
        table.add_column(column)
    for row in rows:
        shown = {name: "–" if value is None else str(value) for name, value in row.items()}
        timeout = row["timeout_s"]
        limit = "–" if timeout is None else duration_text(timeout)
        if row["next"] is None:
            shown |= {"missed": "–", "overlap": "–", "parts": "–"}
        table.add_row(
            *(shown["task"], shown["due"], shown["next"], shown["parts"], limit),
            *(shown["missed"], shown["overlap"]),
        )
    show(table)
    return 0


def _row(spec: TaskSpec, now: Tick) -> dict[str, Any]:
    schedule = spec.schedule
    upcoming = None if schedule is None else schedule.after(now)
    return {
        "task": spec.name,
        "due": _due(schedule),
        "next": None if upcoming is None else str(upcoming),
        "parts": spec.parts,
        "timeout_s": spec.timeout_s,
        "progress_timeout_s": spec.progress_timeout_s,
        "once": spec.once,
        "missed": spec.missed.value,
        "overlap": spec.overlap.value,
        "jitter_s": spec.jitter_s,
    }


def _due(schedule: Every | Cron | None) -> str:
    if schedule is None:
        return "by message"
    if isinstance(schedule, Every):
        return f"every {duration_text(schedule.period_s)}"
    return f"cron {schedule.expression}" + (f" {schedule.zone}" if schedule.zone != "UTC" else "")
