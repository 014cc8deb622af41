"""A forked child has no threads that renew, and shares its parent's session: it must not act."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.runtime.programs import run_program


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory://fork/g" if request.param == "memory" else f"sqlite:///{tmp_path}/coord.db"


_LEAD = """
def uses(fleet, term):
    return {
        "check": term.check,
        "wait": lambda: term.wait(30),
        "progress": term.progress,
        "step": lambda: term.step(max_s=1),
        "status": fleet.status,
        "serve": lambda: fleet.serve("other", print),
        "terms": lambda: next(fleet.terms("other")),
        "lead": lambda: fleet.lead("other", timeout_s=30).__enter__(),
        "held": lambda: next(fleet.held("other")),
        "observe": lambda: next(fleet.observe("other")),
        "run": fleet.run,
    }

def refused(fleet, term):
    found = []
    for name, use in uses(fleet, term).items():
        try:
            use()
        except ForkedProcess:
            found.append(name)
    return sorted(found) == sorted(uses(fleet, term))

def goes_on(term):
    before = term.deadline_s
    while term.deadline_s == before:
        assert term.wait(0.05)
    term.check()
"""


def test_a_forked_child_is_refused_everything_and_the_parent_goes_on(url: str) -> None:
    printed = run_program(
        _LEAD
        + """
with Coordinator(URL, member="a", timing=QUICK) as fleet:
    with fleet.lead("one", timeout_s=20) as term:
        pid = os.fork()
        if not pid:
            os._exit(0 if refused(fleet, term) and term.stopping else 1)
        _, status = os.waitpid(pid, 0)
        print("child", os.waitstatus_to_exitcode(status))
        goes_on(term)
        print("parent", fleet.status().phase, len(fleet.status().held))
print("end", fleet.status().phase)
""",
        url,
    )
    assert printed == ["child 0", "parent live 1", "end stopped"]


def test_a_child_leaves_loops_and_contexts_without_hanging_or_harming_the_parent(url: str) -> None:
    printed = run_program(
        _LEAD
        + """
role = Role("one", rest_s=0.0)
with Coordinator(URL, member="a", timing=QUICK) as fleet:
    for term in fleet.terms(role):
        pid = os.fork()
        if not pid:
            sys.exit(3)  # unwinds the loop and the context, and runs what is left of the exit
        _, status = os.waitpid(pid, 0)
        print("child", os.waitstatus_to_exitcode(status), flush=True)
        goes_on(term)
        break
    print("parent", fleet.status().phase)
""",
        url,
    )
    assert printed == ["child 3", "parent live"]


def test_a_child_that_goes_on_looping_is_refused_and_does_not_hang(url: str) -> None:
    printed = run_program(
        _LEAD
        + """
with Coordinator(URL, member="a", timing=QUICK) as fleet:
    terms = fleet.terms(Role("one", rest_s=0.0))
    term = next(terms)
    sets = fleet.held("many")
    next(sets)
    pid = os.fork()
    if not pid:
        for loop in (terms, sets):
            try:
                next(loop)
            except ForkedProcess:
                print("refused", flush=True)
        os._exit(0)
    os.waitpid(pid, 0)
    goes_on(term)
    terms.close()
    sets.close()
""",
        url,
    )
    assert printed == ["refused", "refused"]


def test_a_lock_that_was_held_at_the_fork_hangs_nobody(url: str) -> None:
    """Another thread may be inside the engine at that moment, and in the child it is gone."""
    printed = run_program(
        _LEAD
        + """
with Coordinator(URL, member="a", timing=QUICK) as fleet:
    with fleet.lead("one", timeout_s=20) as term:
        inside, leave = threading.Event(), threading.Event()

        def hold():
            with fleet.engine()._lock:
                inside.set()
                leave.wait(20)

        holder = threading.Thread(target=hold)
        holder.start()
        inside.wait(20)
        pid = os.fork()
        if not pid:
            print(refused(fleet, term), flush=True)
            sys.exit(0)
        leave.set()
        holder.join()
        _, status = os.waitpid(pid, 0)
        print("child", os.waitstatus_to_exitcode(status), flush=True)
        goes_on(term)
""",
        url,
    )
    assert printed == ["True", "child 0"]


def test_multiprocessing_by_fork_is_refused_in_the_child_and_leaves_the_parent_alone(
    url: str,
) -> None:
    printed = run_program(
        _LEAD
        + """
def child(fleet, term):
    sys.exit(0 if refused(fleet, term) else 1)

with Coordinator(URL, member="a", timing=QUICK) as fleet:
    with fleet.lead("one", timeout_s=20) as term:
        process = multiprocessing.get_context("fork").Process(target=child, args=(fleet, term))
        process.start()
        process.join(20)
        print("child", process.exitcode)
        goes_on(term)
""",
        url,
    )
    assert printed == ["child 0"]


def test_a_coordinator_made_after_the_fork_works_in_the_child(url: str) -> None:
    printed = run_program(
        """
with Coordinator(URL, member="a", timing=QUICK) as fleet:
    with fleet.lead("one", timeout_s=20) as term:
        pid = os.fork()
        if not pid:
            with Coordinator(URL, member="child", timing=QUICK) as own:
                with own.lead("two", timeout_s=20) as mine:
                    mine.check()
                    print("led", flush=True)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        print("child", os.waitstatus_to_exitcode(status))
        term.check()
""",
        url,
    )
    assert printed == ["led", "child 0"]
