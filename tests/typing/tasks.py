"""Tasks as a user marks them: the mark keeps every type, and takes only what it can use.

Read by the type checkers only, as `api.py` beside it.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import assert_type

from coord.tasks import Job, TaskSpec, spec_of, task


@task
def resize(job: Job, bucket: str, width: int = 100) -> str:
    return f"{bucket}/{width} for {job.tick}"


@task(every="30s", jitter="5s", missed="catch-up", window="1h")
async def refresh(job: Job) -> int:
    return job.attempt


class Janitor:
    @task("sweep", cron="0 3 * * *", zone="Europe/Berlin", parts=4)
    def sweep(self, job: Job) -> None: ...


def a_marked_function_keeps_its_types(job: Job) -> None:
    assert_type(resize(job, "photos", width=3), str)
    assert_type(Janitor().sweep(job), None)
    assert_type(spec_of(resize), TaskSpec)
    later: Awaitable[int] = refresh(job)
    del later


def its_arguments_are_still_checked(job: Job) -> None:
    resize(job, 7)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def a_name_is_text() -> None:
    task(3)  # type: ignore[call-overload] # pyright: ignore[reportCallIssue, reportArgumentType]
