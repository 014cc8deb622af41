"""`coord sim --script` and `--swarm`: scripts of blows, played and told.

Owns their words. What is drawn, played and made smaller is `coord.lab.sim`'s.
"""

from __future__ import annotations

import json
from pathlib import Path

from rich.text import Text

from coord.cli.exits import ExitCode
from coord.cli.output import print_json, say, show
from coord.lab.sim.finding import smallest
from coord.lab.sim.script import Script, read_script
from coord.lab.sim.storm import Played, Storm
from coord.lab.sim.swarm import swarm

__all__ = ["play_script", "play_swarm", "print_least"]

_SHOWN = 5


def play_script(file: Path, *, as_json: bool) -> int:
    """One script, as it stands."""
    played = Storm(read_script(file)).run()
    if as_json:
        print_json(_told(played, None))
    else:
        _print(played)
        say(f"trace {played.trace_hash}: the same script gives it again")
    return ExitCode.OK if played.kept else ExitCode.NO


def play_swarm(count: int, seed: int, *, as_json: bool) -> int:
    """So many storms, from this seed on, to the first that breaks a rule: told with its script."""
    for number in range(seed, seed + count):
        played = Storm(swarm(number)).run()
        if played.kept:
            continue
        least = smallest(played)
        if as_json:
            print_json({"seed": number, "played": number - seed + 1} | _told(played, least))
        else:
            say(f"seed {number}, storm {number - seed + 1} of {count}")
            _print(played)
            print_least(least)
        return ExitCode.NO
    if as_json:
        print_json({"seed": seed, "played": count, "kept": True, "violations": []})
    else:
        show(Text(f"{count} storms from seed {seed} on: all rules kept", style="bold green"))
    return ExitCode.OK


def _told(played: Played, least: Script | None) -> dict[str, object]:
    found: dict[str, object] = {
        "kept": played.kept,
        "violations": [
            {"rule": one.rule, "at_s": one.at_s, "detail": one.detail} for one in played.violations
        ],
        "excused": len(played.excused),
        "simulated_s": round(played.simulated_s, 6),
        "trace_hash": played.trace_hash,
    }
    return found if least is None else found | {"script": least.to_json()}


def _print(played: Played) -> None:
    script = played.script
    say(
        f"{script.members} members, mode {script.mode}, {script.store} (simulated), ttl "
        f"{script.ttl_s:g} s, seed {script.seed}: {len(script.strikes)} blows in "
        f"{played.simulated_s:.0f} simulated s"
    )
    if played.excused:
        show(Text(f"excused {len(played.excused)}: {played.excused[0].reason}", style="yellow"))
    if played.kept:
        show(Text("all rules kept", style="bold green"))
        return
    show(Text(f"rules broken: {len(played.violations)}", style="bold red"))
    for violation in played.violations[:_SHOWN]:
        show(Text(f"  {violation}", style="red"))


def print_least(least: Script) -> None:
    """The blows that are enough to break a rule, and their script on a line of its own."""
    say(f"these {len(least.strikes)} blows are enough:")
    for strike in least.strikes:
        say(f"  {strike}")
    say("save the next line as blows.json; it is played again by: coord sim --script blows.json")
    print(json.dumps(least.to_json()))  # noqa: T201  one line, whatever the terminal's width
