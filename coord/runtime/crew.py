"""The user code of one member: which binding serves which role, and which terms are running.

Owns the handing of terms to user code and the asking for their end. Knows no rule of who leads,
no session and no store. `begin`, `stop` and `dismiss` are called on the control thread; single
dictionary operations are all that other threads do here, so there is no lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby

from coord.clock import Clock
from coord.core.commands import StartTerm
from coord.errors import UsageError
from coord.runtime.bindings import Binding
from coord.runtime.hooks import Hooks
from coord.runtime.overruns import Overruns
from coord.runtime.term import Term, TermOwner

__all__ = ["Crew"]


class Crew:
    """Bindings by role, terms by number, and the code that has not ended in time."""

    def __init__(
        self, clock: Clock, hooks: Hooks, *, grace_s: float, on_overrun: Callable[[Term], None]
    ) -> None:
        self._clock = clock
        self._hooks = hooks
        self._bindings: dict[str, Binding] = {}
        self._terms: dict[int, Term] = {}
        self.overruns = Overruns(grace_s, on_overrun)

    def terms(self) -> list[Term]:
        """The terms whose code has not ended. Any thread."""
        return list(self._terms.values())

    def enter(self, binding: Binding) -> None:
        """A binding stands ready for its role. Any thread; one a role."""
        name = binding.role.name
        if self._bindings.setdefault(name, binding) is not binding:
            raise UsageError(
                f"this member serves role {name!r} already",
                cure="Serve a role once in a member; use another role name, or seats.",
            )

    def leave(self, binding: Binding) -> bool:
        """It stands ready no more; False if it did not. Any thread."""
        if self._bindings.get(binding.role.name) is not binding:
            return False
        del self._bindings[binding.role.name]
        return True

    def begin(self, owner: TermOwner, given: Iterable[StartTerm]) -> None:
        """Have the work of new terms begin; without anybody to do it, they end at once."""
        for role, starts in groupby(given, lambda start: start.key.role):
            terms = [self._new(owner, start) for start in starts]
            binding = self._bindings.get(role)
            if binding is not None:
                binding.begin_all(terms)
                continue
            for term in terms:
                term.end(None)

    def _new(self, owner: TermOwner, start: StartTerm) -> Term:
        term = self._terms[start.number] = Term(owner, start)
        self._hooks.term_began(
            term.key, term.token, start.lease.trusted_until_s, asked_s=start.asked_s
        )
        return term

    def stop(self, number: int, why: str, *, now_over: bool) -> None:
        """Ask for the end of a term; `now_over` says that its claim is gone already."""
        term = self._terms.get(number)
        if term is None:
            return
        term.ask_to_stop(why, now_over=now_over)
        binding = self._bindings.get(term.key.role)
        if binding is not None:
            binding.asked_to_stop(term)
        if now_over and number in self._terms:
            self.tell_over(term)
            self.overruns.add(term, self._clock.now())

    def remove(self, term: Term) -> bool:
        """The code of a term has ended; False if that was known. Any thread."""
        return self._terms.pop(term.number, None) is not None

    def over(self, term: Term) -> None:
        """The core has heard that its code has ended. Any thread."""
        self.overruns.done(term)
        self.tell_over(term)

    def tell_over(self, term: Term) -> None:
        """Write down that it acts no more; told once. Any thread."""
        if not term.told_over:
            term.told_over = True
            self._hooks.term_ended(term.key, term.token, term.why)

    def no_more(self) -> None:
        """No further term will come."""
        for binding in list(self._bindings.values()):
            binding.over()

    def dismiss(self, why: str) -> None:
        """Everything is over."""
        for term in self.terms():
            self.stop(term.number, why, now_over=True)
        self.no_more()
