"""A budget: a leader that decides badly runs out of budget before it runs out of hosts.

    python examples/budget.py            # in two terminals; kill -9 the one that leads

The health check of this fleet is broken: it calls every host unhealthy. The leader replaces hosts
as fast as it can, and is stopped after three: that is what the whole fleet may replace in any hour,
whoever leads. Its successor gets nothing either.
"""

from __future__ import annotations

import os

from coord import BudgetSpent, Coordinator, Job, Role, task

HOSTS = [f"host-{number}" for number in range(40)]


def say(text: str) -> None:
    """Print a line with the process id, at once."""
    print(f"[{os.getpid()}] {text}", flush=True)


def is_healthy(host: str) -> bool:
    """The bug."""
    return host.startswith("hast")


@task(every="1s")
def replace_hosts(job: Job) -> None:
    """Replace what is unhealthy, as far as the budget goes."""
    for host in HOSTS:
        if is_healthy(host):
            continue
        job.check()
        try:
            job.budget("replace-host", per_hour=3)
        except BudgetSpent as error:
            say(f"token {job.token}: {error}")
            return
        say(f"token {job.token}: replaced {host}")
        job.progress()


def main() -> None:
    """Lead, or stand by, until SIGINT or SIGTERM."""
    with Coordinator("sqlite:///fleet.db", ttl_s=3) as fleet:
        fleet.serve(Role("replacer"), replace_hosts)
        say("a candidate")
        fleet.run()
    say("stopped")


if __name__ == "__main__":
    main()
