"""`@task`: it marks, it refuses what cannot work, and it changes nothing else."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from types import ModuleType

import pytest

import coord.tasks
from coord.errors import ConfigError
from coord.tasks import Cron, Every, TaskSpec, spec_of, task, tasks_of
from coord.tasks.mark import MARK
from coord.tasks.schedule import Missed, Overlap


def _work(job: object) -> str:
    return f"done by {job}"


def _generates(job: object) -> Iterator[object]:
    yield job


async def _generates_later(job: object) -> AsyncIterator[object]:
    yield job


def _module(**names: object) -> ModuleType:
    module = ModuleType("jobs")
    vars(module).update(names)
    return module


def _fresh(name: str) -> Callable[[object], None]:
    def function(job: object) -> None: ...

    function.__name__ = function.__qualname__ = name
    return function


def test_a_marked_function_is_the_function_it_was() -> None:
    def tidy(job: object) -> str:
        return f"tidied by {job}"

    before = dict(vars(tidy))
    assert task(every="30s")(tidy) is tidy
    assert tidy("me") == "tidied by me"
    assert set(vars(tidy)) - set(before) == {MARK} == {"__coord_task__"}


def test_bare_and_named_marks_are_for_queues() -> None:
    @task
    def resize(job: object) -> None: ...

    @task("clean-up")
    async def clean(job: object) -> None: ...

    assert (spec_of(resize).name, spec_of(resize).schedule) == ("resize", None)
    assert (spec_of(clean).name, spec_of(clean).schedule) == ("clean-up", None)
    assert inspect.iscoroutinefunction(clean)


def test_what_is_not_said_has_the_documented_defaults() -> None:
    spec = spec_of(task(every="30s")(_fresh("sweep")))
    assert spec == TaskSpec(
        name="sweep",
        schedule=Every(30.0),
        timeout_s=None,
        progress_timeout_s=None,
        parts=None,
        once=True,
        missed=Missed.ONCE,
        window_s=3600.0,
        overlap=Overlap.SKIP,
        jitter_s=0.0,
    )


def test_everything_that_is_said_is_recorded() -> None:
    spec = spec_of(
        task(
            "nightly",
            cron="30 2 * * *",
            zone="Europe/Berlin",
            timeout="10m",
            progress_timeout=5,
            parts=8,
            once=False,
            missed="catch-up",
            window="1h30m",
            overlap="replace",
            jitter="20s",
        )(_fresh("whatever"))
    )
    assert spec == TaskSpec(
        name="nightly",
        schedule=Cron("30 2 * * *", "Europe/Berlin"),
        timeout_s=600.0,
        progress_timeout_s=5.0,
        parts=8,
        once=False,
        missed=Missed.CATCH_UP,
        window_s=5400.0,
        overlap=Overlap.REPLACE,
        jitter_s=20.0,
    )
    policies = spec.policies("prod")
    assert (policies.missed, policies.overlap, policies.window_s) == (
        Missed.CATCH_UP,
        Overlap.REPLACE,
        5400.0,
    )
    assert 0 < policies.offset_s < 20
    assert policies.offset_s != spec.policies("test").offset_s


def test_every_may_be_shorter_than_a_second() -> None:
    schedule = spec_of(task(every="0.5s")(_fresh("quick"))).schedule
    assert schedule == Every(0.5)


@pytest.mark.parametrize(
    ("mark", "cause"),
    [
        (lambda: task(every="30s", cron="* * * * *"), "both every and cron are given"),
        (lambda: task("x", every="0s"), "task 'x': every is '0s'"),
        (lambda: task(every=-1), "every is -1"),
        (lambda: task(every="soon"), "every: 'soon' is not a duration"),
        (lambda: task(every=float("nan")), "every is nan"),
        (lambda: task(every=True), "every is True, which is not a duration"),
        (lambda: task(every="0.1ms"), "too short"),
        (lambda: task(cron="30 2 30 2 *"), "never happens"),
        (lambda: task(cron="* * * * *", zone="Mars/Olympus"), "not in the tz database"),
        (lambda: task(every="1m", zone="Europe/Berlin"), "zone 'Europe/Berlin' is given without"),
        (lambda: task(every="1m", missed="all"), "missed cannot be 'all'"),
        (lambda: task(every="1m", overlap="wait"), "overlap cannot be 'wait'"),
        (lambda: task(every="1m", window="0s"), "window is '0s'"),
        (lambda: task(every="1m", timeout="0s"), "timeout is '0s'"),
        (lambda: task(every="1m", progress_timeout="-1s"), "'-1s' is not a duration"),
        (lambda: task(every="1m", jitter="1m"), "jitter 60 s is not shorter than every 60 s"),
        (lambda: task(every="1m", jitter=-1), "jitter is -1"),
        (lambda: task(every="1m", parts=0), "parts is 0"),
        (lambda: task(every="1m", parts=True), "parts is True"),
        (lambda: task(parts=3, overlap="queue"), "parts and overlap given, but neither"),
        (lambda: task(every="1m", once="yes"), "once is 'yes'"),  # type: ignore[call-overload]
        (lambda: task("a/b")(_fresh("f")), "'a/b' cannot name a task"),
        (lambda: task("")(_fresh("f")), "'' cannot name a task"),
        (lambda: task(_fresh("_hidden")), "'_hidden' cannot name a task"),
        (lambda: task(lambda job: job), "a lambda has no name"),
        (lambda: task(print), "@task marks functions, and builtins.print is of type builtin"),
        (lambda: task(TaskSpec), "TaskSpec is of type type"),
        (lambda: task(functools.partial(_work, 1)), "is of type partial"),
        (lambda: task(task(_fresh("f"))), "is marked as a task twice"),
        (lambda: task(_generates), "_generates is a generator"),
        (lambda: task(_generates_later), "_generates_later is a generator"),
        (lambda: spec_of(_work), "is not marked as a task"),
    ],
)
def test_what_cannot_work_is_refused_where_it_is_written(
    mark: Callable[[], object], cause: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        mark()
    assert cause in str(refused.value)
    assert refused.value.cure


def test_methods_are_served_bound() -> None:
    class Janitor:
        @task
        def sweep(self, job: object) -> str:
            return f"{type(self).__name__} sweeps for {job}"

        @staticmethod
        @task("dust")
        def dusting(job: object) -> None: ...

        @classmethod
        @task("wipe")
        def wiping(cls, job: object) -> str:
            return f"{cls.__name__} wipes for {job}"

    janitor = Janitor()
    found = {spec_of(one).name: one for one in tasks_of(janitor)}
    assert set(found) == {"dust", "sweep", "wipe"}
    assert found["sweep"]("me") == "Janitor sweeps for me"
    assert found["wipe"]("me") == "Janitor wipes for me"


def test_a_wrapper_above_the_mark_is_the_task() -> None:
    marked = task("inner")(_fresh("inner"))

    @functools.wraps(marked)
    def wrapper(job: object) -> None:
        marked(job)

    assert spec_of(wrapper) == spec_of(marked)


def test_the_tasks_of_a_module_are_found_in_its_order() -> None:
    first, second = task(every="1s")(_fresh("first")), task(_fresh("second"))
    module = _module(other=1, second=second, first=first, alias=second, plain=_work, spec=TaskSpec)
    assert tasks_of(module) == [second, first]
    assert tasks_of(_module()) == []


def test_two_tasks_of_one_name_are_refused() -> None:
    module = _module(one=task("same")(_fresh("one")), two=task("same")(_fresh("two")))
    with pytest.raises(ConfigError, match=r"one and .*two are both task 'same'"):
        tasks_of(module)


def test_the_public_names_are_there() -> None:
    for name in coord.tasks.__all__:
        assert getattr(coord.tasks, name) is not None
        assert name in dir(coord.tasks)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        coord.tasks.nothing  # type: ignore[attr-defined] # noqa: B018
    assert "coord.tasks.mark" in sys.modules
