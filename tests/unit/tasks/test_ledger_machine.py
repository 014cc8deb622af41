"""Many runs on one ledger, stale ones among them, under every fault: driven by hypothesis.

A model beside it checks what the ledger promises whatever happens: a key completes once, its result
never changes, attempts grow, and no two runs of a key trust themselves at once (those apart that a
newer token has fenced).
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from coord.errors import (
    CoordError,
    Fenced,
    InProgress,
    LeadershipLost,
    PayloadMismatch,
    StoreError,
    UsageError,
)
from coord.tasks.ledger import Attempt, Finished
from coord.testing.faults import Fate
from tests.unit.tasks.ledger_desk import LEASE_S, Desk

pytestmark = pytest.mark.timeout(1200)  # a soak runs 20,000 examples

PROCESSES = ("a", "b", "c")
KEYS = ("k", "l")
BUSY = ("k", "k", "k", "l")
RATES = {"a": 0.996, "b": 1.0, "c": 1.004}

processes = st.sampled_from(PROCESSES)
keys = st.sampled_from(BUSY)
tokens = st.sampled_from([0, 0, 0, 1, 2, 3, 4])
payloads = st.sampled_from([None, None, None, None, 1, 2])
waits_s = st.sampled_from([0.1, LEASE_S / 6, LEASE_S / 3, LEASE_S / 2, LEASE_S, 1.02 * LEASE_S])
picks = st.integers(0, 5)


class LedgerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.ledgers = {
            name: self.desk.ledger(name, rate=RATES[name], renew_for_s=150.0) for name in PROCESSES
        }
        self.open: list[Attempt] = []
        self.fenced: set[str] = set()
        self.results: dict[str, Any] = {}
        self.attempts: dict[str, int] = dict.fromkeys(KEYS, 0)
        self.next_result = 0

    # ---------------------------------------------------------------------------- what happens

    @rule(fate=st.sampled_from(Fate), sender=processes, method=st.sampled_from(["read", "write"]))
    def the_next_request_goes_astray(self, fate: Fate, sender: str, method: str) -> None:
        self.desk.plan.add(fate, method, sender=sender)

    @rule(request_s=st.floats(0, 0.8), reply_s=st.floats(0, 0.8), sender=processes)
    def the_next_write_is_slow(self, request_s: float, reply_s: float, sender: str) -> None:
        self.desk.plan.add(
            Fate.DELIVER, "write", sender=sender, request_s=request_s, reply_s=reply_s
        )

    @rule()
    def what_was_held_lands(self) -> None:
        self.desk.plan.land_held()

    @rule(seconds=waits_s)
    def time_passes_and_nobody_renews(self, seconds: float) -> None:
        self.desk.pass_time(seconds)

    @rule(seconds=st.sampled_from([5.0, LEASE_S]), name=processes)
    def time_passes_and_one_process_renews(self, seconds: float, name: str) -> None:
        for _ in range(10):
            self.desk.pass_time(seconds / 10)
            self.ledgers[name].keeper.turn()

    @rule(name=processes, key=keys, token=tokens, payload=payloads)
    def a_process_begins(self, name: str, key: str, token: int, payload: object) -> None:
        scope = "s" if token else ""
        try:
            found = self.ledgers[name].begin(key, scope=scope, token=token, payload=payload)
        except (InProgress, Fenced, PayloadMismatch, StoreError):
            return
        if isinstance(found, Finished):
            self.result_is(key, found.result)
            return
        assert found.number > self.attempts[key], "an attempt's number was given twice"
        self.attempts[key] = found.number
        for one in self.open:  # the tenure of whoever is older in this scope is over
            older = one._record.scope == "s" and one._record.token < token
            if one.key == key and older:
                self.fenced.add(one.run)
        self.open.append(found)

    @rule(pick=picks)
    def a_run_completes(self, pick: int) -> None:
        if self.open:
            attempt = self.open[pick % len(self.open)]
            self.next_result += 1
            mine = {"run": attempt.run, "n": self.next_result}
            try:
                done = attempt.done(mine)
            except CoordError:
                return
            assert done == mine
            self.result_is(attempt.key, mine)

    @rule(pick=picks)
    def a_run_fails(self, pick: int) -> None:
        self.tried(pick, "failed")

    @rule(pick=picks)
    def a_run_renews(self, pick: int) -> None:
        self.tried(pick, "renew")

    @rule(name=processes, key=keys, seconds=waits_s)
    def a_process_watches_and_begins(self, name: str, key: str, seconds: float) -> None:
        """Without a token: what it has seen, and for how long, is all that it goes by."""
        for _ in range(3):
            self.a_process_begins(name, key, 0, None)
            self.desk.pass_time(seconds)
        self.a_process_begins(name, key, 0, None)

    @rule(pick=picks)
    def a_run_dies(self, pick: int) -> None:
        if self.open:
            attempt = self.open.pop(pick % len(self.open))
            for ledger in self.ledgers.values():
                ledger.keeper.drop(attempt)

    def tried(self, pick: int, what: str) -> None:
        if self.open:
            try:
                getattr(self.open[pick % len(self.open)], what)()
            except (StoreError, Fenced, LeadershipLost, UsageError):
                return

    def result_is(self, key: str, result: object) -> None:
        assert self.results.setdefault(key, result) == result, "a result has changed"

    # ------------------------------------------------------------------------ what must hold

    @invariant()
    def what_is_done_stays_done(self) -> None:
        for key, entry in self.desk.store.read(KEYS).items():
            record = json.loads(entry.body)
            if record["state"] == "done":
                self.result_is(key, record["result"])
            else:
                assert key not in self.results, "what was done is not done any more"

    @invariant()
    def one_run_of_a_key_trusts_itself(self) -> None:
        for key in KEYS:
            trusted = [
                one.number
                for one in self.open
                if one.key == key
                and one.is_trusted
                and not one.is_ended
                and one.run not in self.fenced
            ]
            assert len(trusted) <= 1, f"runs {trusted} of {key} may all act"


TestLedgerMachine = LedgerMachine.TestCase
