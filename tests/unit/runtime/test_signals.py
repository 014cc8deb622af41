"""Signals, exits and interrupts, in processes of their own."""

from __future__ import annotations

import pytest

from tests.unit.runtime.programs import run_program

URL = "memory://signals/g"
_SERVE = """
begun = threading.Event()
left = []

def work(term):
    begun.set()
    while term.wait(20):
        pass
    term.check()
    left.append("in order")
"""


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_run_stops_in_order_on_a_signal_and_puts_the_handlers_back(number: str) -> None:
    printed = run_program(
        _SERVE
        + f"""
before = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
with Coordinator(URL, member="a", timing=QUICK) as fleet:
    fleet.serve("one", work)

    def send():
        begun.wait(20)
        os.kill(os.getpid(), signal.{number})

    threading.Thread(target=send).start()
    fleet.run()
    print(left, fleet.status().phase)
print(before == [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)])
""",
        URL,
    )
    assert printed == ["['in order'] stopped", "True"]


def test_stop_is_safe_in_a_signal_handler_while_any_lock_is_held() -> None:
    """The handler runs on the main thread, in the middle of whatever it was doing."""
    printed = run_program(
        _SERVE
        + """
with Coordinator(URL, member="a", timing=QUICK) as fleet:
    signal.signal(signal.SIGUSR1, lambda *_: fleet.stop())
    fleet.serve("one", work)
    begun.wait(20)
    engine = fleet.engine()
    with engine._lock:
        os.kill(os.getpid(), signal.SIGUSR1)
        for _ in range(1000):
            pass  # the handler has run by now
        print(engine.stopping)
    print(engine.finished.wait(20), left)
""",
        URL,
    )
    assert printed == ["True", "True ['in order']"]


def test_run_on_another_thread_leaves_signals_alone() -> None:
    printed = run_program(
        """
with Coordinator(URL, member="a", timing=QUICK) as fleet:
    before = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
    runner = threading.Thread(target=fleet.run)
    runner.start()
    print(before == [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)])
    fleet.stop()
    runner.join(20)
    print(runner.is_alive())
""",
        URL,
    )
    assert printed == ["True", "False"]


def test_an_interrupt_in_a_loop_over_terms_ends_the_program_in_order() -> None:
    """Without `run`, Ctrl-C raises KeyboardInterrupt wherever the program is."""
    printed = run_program(
        """
class Told(Hooks):
    def term_ended(self, key, token, why):
        print("ended", key.role, flush=True)

try:
    with Coordinator(URL, member="a", timing=QUICK, hooks=Told()) as fleet:
        for term in fleet.terms("one"):
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
            while term.wait(20):
                pass
except KeyboardInterrupt:
    print("interrupted", fleet.status().phase)
""",
        URL,
    )
    assert printed == ["ended one", "interrupted stopped"]


def test_on_overrun_exit_ends_the_process_though_its_work_never_stops() -> None:
    printed = run_program(
        """
def wedge(term):
    print("wedged", flush=True)
    threading.Event().wait(30)

with Coordinator(URL, member="a", timing=QUICK, on_overrun="exit") as fleet:
    fleet.serve(Role("one", progress_timeout_s=0.05), wedge)
    fleet.run()
print("never")
""",
        URL,
        code=70,
    )
    assert printed == ["wedged"]


def test_on_overrun_exit_holds_when_stopping_had_to_be_forced() -> None:
    printed = run_program(
        """
begun = threading.Event()

def wedge(term):
    begun.set()
    threading.Event().wait(30)

with Coordinator(
    URL, member="a", timing=QUICK, on_overrun="exit", stop_timeout_s=0.05
) as fleet:
    fleet.serve("one", wedge)
    begun.wait(20)
threading.Event().wait(30)
""",
        URL,
        code=70,
    )
    assert printed == []


def test_a_program_that_forgets_to_close_ends_all_the_same() -> None:
    printed = run_program(
        """
fleet = Coordinator(URL, member="a", timing=QUICK).start()
fleet.serve("one", lambda term: term.wait(30))
print("end")
""",
        URL,
    )
    assert printed == ["end"]


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_run_of_the_asyncio_coordinator_stops_in_order_on_a_signal(number: str) -> None:
    printed = run_program(
        f"""
async def work(term):
    asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.{number})
    while await term.wait(20):
        pass
    term.check()
    print("in order")

async def main():
    async with AsyncCoordinator(URL, member="a", timing=QUICK) as fleet:
        fleet.serve("one", work)
        await fleet.run()
        print(fleet.status().phase)

before = signal.signal(signal.SIGTERM, lambda *_: None)
mine = signal.getsignal(signal.SIGTERM)
asyncio.run(main())
print(signal.getsignal(signal.SIGTERM) is mine)
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
""",
        URL,
    )
    assert printed == ["in order", "stopped", "True", "True"]
