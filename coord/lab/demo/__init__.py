"""The demo: a fleet of real processes, a real job, real faults, and what each of them cost.

Owns `coord demo` but for its options. Every figure that it prints comes from `coord.lab.measure`,
out of the event log that the workers and the injector wrote; the live display shows the same log
while it grows. Nothing here decides who leads, and nothing tells a worker what will strike it.
"""
