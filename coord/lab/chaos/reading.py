"""From a TOML file to a scenario, complete and checked.

Owns which keys there are, what they may say, and what holds if they say nothing. Whatever is wrong
is refused with a ConfigError that names the file, the line, the cause and the cure. Whether this
machine and this store can do it is `preflight`'s to say. `docs/chaos.md` describes the form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from coord.config import Timing
from coord.lab.chaos.faults import CATALOGUE, MEMBERS, SERVERS, FaultKind, Option
from coord.lab.chaos.kinds import kind_named
from coord.lab.chaos.scenario import FaultPlan, FleetPlan, Scenario, StorePlan
from coord.lab.chaos.tables import Source, Table, listed
from coord.lab.work.app import PARTITIONS
from coord.lab.work.modes import MODES, mode_named
from coord.model import checked_name
from coord.registry import known_schemes
from coord.testing.servers import KINDS

__all__ = ["LONGEST_S", "MOST_ROUNDS", "OWN_KINDS", "Overrides", "parse", "read", "usual_ttl_s"]

LONGEST_S = 600.0
"""The latest that a fault may begin, the longest that it may stand, and the longest option."""
MOST_ROUNDS = 1000
_MOST_MEMBERS = 32
_TTL_LEAST_S, _TTL_MOST_S = 0.5, 60.0
OWN_KINDS = ("sqlite", *KINDS, "memory")
"""The kinds of store that can be made for a run."""
_CLUSTERS = ("etcd", "zookeeper")
"""Of which there can be three of our own."""

_TOP = ("title", "rounds", "seed", "ttl", "store", "fleet", "fault")
_STORE = ("kind", "url", "servers")
_FLEET = ("members", "mode", "shards", "seats", "command", "roles")
_FAULT = ("kind", "target", "at", "for")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What the command line says instead of the file; None: nothing.

    `store`: a kind or a URL, in place of the whole table; the number of servers stays where that
    kind can have it. `mode`: another mode, with what is usual for it.
    """

    store: str | None = None
    seed: int | None = None
    rounds: int | None = None
    ttl: str | None = None
    mode: str | None = None


def read(path: Path, overrides: Overrides | None = None) -> Scenario:
    """The scenario in a file. Raises ConfigError."""
    return _scenario(Source.read(path), overrides or Overrides())


def parse(text: str, name: str, overrides: Overrides | None = None) -> Scenario:
    """The scenario in a text; errors call it by that name."""
    return _scenario(Source.parse(text, name), overrides or Overrides())


def _scenario(source: Source, overrides: Overrides) -> Scenario:
    _override(source, overrides)
    top = source.table((), _TOP)
    title = top.text("title")
    if not title.isprintable():
        top.refuse("title", "title has more than one line", "Write one line of plain text.")
    store = _store(source)
    ttl_s = _ttl_s(top)
    fleet = _fleet(source)
    return Scenario(
        title=title,
        store=store,
        fleet=fleet,
        faults=_faults(top, 2 * (ttl_s or usual_ttl_s(store.place))),
        ttl_s=ttl_s,
        rounds=top.whole("rounds", 1, least=1, most=MOST_ROUNDS),
        seed=top.whole("seed", 1, least=None, most=None),
    )


def _override(source: Source, overrides: Overrides) -> None:
    """Put into the content what the command line says, and remember that it did."""
    for key in ("seed", "rounds", "ttl"):
        value = getattr(overrides, key)
        if value is not None:
            source.content[key] = value
            source.given[key,] = f"--{key}"
    if overrides.store is not None:
        old = source.content.get("store", {})
        key = "url" if "://" in overrides.store else "kind"
        new: dict[str, object] = {key: overrides.store}
        if overrides.store in _CLUSTERS and isinstance(old, dict) and "servers" in old:
            new["servers"] = old["servers"]
        source.content["store"] = new
        source.given["store", key] = "--store"
    fleet = source.content.setdefault("fleet", {})
    if overrides.mode is not None and isinstance(fleet, dict):
        if fleet.get("mode", MODES[0].name) != overrides.mode:
            fleet.pop("shards", None)
            fleet.pop("seats", None)
        fleet["mode"] = overrides.mode
        source.given["fleet", "mode"] = "--mode"


def _ttl_s(top: Table) -> float | None:
    if "ttl" not in top:
        return None
    ttl_s = top.seconds("ttl", 0.0, least=_TTL_LEAST_S, most=_TTL_MOST_S)
    top.finds(lambda: Timing.of(ttl_s), "ttl")
    return ttl_s


def usual_ttl_s(place: str) -> float:
    """How long a silent member is waited for on that kind of store unless somebody says."""
    kind, is_url, _ = place.partition("://")
    manner = kind_named(kind)
    return manner.ttl_s if is_url else manner.own_ttl_s


def _store(source: Source) -> StorePlan:
    table = source.table(("store",), _STORE)
    if "url" in table:
        return _store_at(table)
    kind = table.choice("kind", OWN_KINDS, noun="store", default="sqlite")
    servers = table.whole("servers", 1, least=1, most=3)
    if servers not in (1, 3):
        table.refuse("servers", f"servers is {servers}", "It can be 1 or 3.")
    if servers != 1 and kind not in _CLUSTERS:
        what = "is a file, without servers" if kind == "sqlite" else "is one process"
        table.refuse(
            "servers",
            f"servers is {servers}, and {kind} {what}",
            f"Leave servers out, or choose {' or '.join(_CLUSTERS)}.",
        )
    return StorePlan(place=kind, servers=servers, told=table.where("kind"))


def _store_at(table: Table) -> StorePlan:
    """A store of the user's."""
    for key in ("kind", "servers"):
        if key in table:
            table.refuse(
                key,
                f"{key} is of a store that is made for the run, and url names one of yours",
                f"Leave {key} or url out.",
            )
    url = table.text("url")
    scheme, is_url, rest = url.partition("://")
    if not is_url:
        table.refuse("url", f"{url!r} is no URL", "Write SCHEME://HOST:PORT/GROUP.")
    if scheme not in known_schemes():
        known = f"Known are: {listed(known_schemes())}."
        table.refuse("url", f"there is no store for {scheme}://", known)
    if scheme == "memory" and ":" not in rest.partition("/")[0]:
        table.refuse(
            "url",
            "a store in memory without a port lives in one process, and chaos starts several",
            'Write kind = "memory", which is served for the run, or the URL of one that is served.',
        )
    return StorePlan(place=url, told=table.where("url"))


def _fleet(source: Source) -> FleetPlan:
    table = source.table(("fleet",), _FLEET)
    members = table.whole("members", 3, least=1, most=_MOST_MEMBERS)
    command, roles = table.texts("command"), table.texts("roles")
    if "command" in table:
        if not command:
            table.refuse("command", "command is empty", 'Write command = ["program", "option"].')
        for key in ("mode", "shards", "seats"):
            if key in table:
                table.refuse(
                    key,
                    f"{key} is of the lab's own work, and command starts a daemon of yours",
                    f"Leave {key} or command out.",
                )
        for role in roles:
            table.finds(partial(checked_name, "role", role), "roles")
        line = source.line(("fleet", "command"))
        return FleetPlan(members=members, command=command, roles=roles, line=line)
    if "roles" in table:
        table.refuse(
            "roles",
            "roles are those of a daemon of yours, and no command says which",
            'Add command = ["program", …], or leave roles out.',
        )
    mode = table.choice("mode", [one.name for one in MODES], noun="mode", default=MODES[0].name)
    shards, seats = _shape(table, mode, members)
    return FleetPlan(members=members, mode=mode, shards=shards, seats=seats)


_SHAPED: Mapping[str, tuple[str, ...]] = {"localized": ("shards",), "co-leaders": ("seats",)}


def _shape(table: Table, mode: str, members: int) -> tuple[int | None, int | None]:
    for key in ("shards", "seats"):
        if key in table and key not in _SHAPED.get(mode, ()):
            [other] = (name for name, keys in _SHAPED.items() if key in keys)
            table.refuse(
                key, f"mode {mode} has no {key} to choose", f'Leave it out, or mode = "{other}".'
            )
    usual = mode_named(mode)
    shards = table.whole("shards", usual.shards, least=1, most=PARTITIONS)
    seats = table.whole("seats", usual.seats, least=1, most=_MOST_MEMBERS)
    if seats > members:
        table.refuse(
            "seats" if "seats" in table else "mode",
            f"{seats} seats cannot be filled by {members} members: each takes one of a shard",
            f"Write members = {seats} or more in [fleet], or fewer seats.",
        )
    return (shards if "shards" in table else None), (seats if "seats" in table else None)


def _faults(top: Table, usual_s: float) -> tuple[FaultPlan, ...]:
    source = top.source
    found = source.content.get("fault", [])
    if isinstance(found, dict):
        top.refuse("fault", "fault is one table", "Write [[fault]], in double brackets.")
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        top.refuse("fault", "fault is no table", "Begin each fault with a line [[fault]].")
    if not found:
        top.refuse("fault", "nothing strikes: there is no fault", "Add a table [[fault]].")
    return tuple(_fault(source, number, usual_s) for number in range(len(found)))


def _fault(source: Source, number: int, usual_s: float) -> FaultPlan:
    place = "fault", number
    raw = source.content["fault"][number]
    any_key = source.table(place, {*_FAULT, *raw})  # which there may be, only the kind can tell
    named = CATALOGUE[any_key.choice("kind", list(CATALOGUE), noun="fault")]
    _refuse_options(source, place, named, raw)
    table = source.table(place, (*_FAULT, *(option.name for option in named.options)))
    return FaultPlan(
        kind=named.name,
        target=_target(table, named),
        at_s=table.seconds("at", 1.0, most=LONGEST_S),
        for_s=table.seconds("for", usual_s, most=LONGEST_S, zero=False),
        options={option.name: _option(table, option) for option in named.options},
        line=table.line(),
    )


def _refuse_options(
    source: Source, place: tuple[str, int], kind: FaultKind, raw: Mapping[str, object]
) -> None:
    """An option of other faults is no unknown word, but out of place."""
    own = [option.name for option in kind.options]
    for key in raw:
        owners = [
            one.name for one in CATALOGUE.values() if key in {option.name for option in one.options}
        ]
        if owners and key not in own:
            takes = f"It takes {listed(own)}." if own else "It takes none."
            source.refuse(
                (*place, key),
                f"{key} is an option of {listed(owners)}, not of {kind.name}",
                takes,
            )


def _target(table: Table, kind: FaultKind) -> str:
    if not kind.targets:
        if "target" in table:
            table.refuse("target", f"{kind.name} strikes nobody in particular", "Leave it out.")
        return ""
    target = table.choice("target", (*MEMBERS, *SERVERS), noun="target", default=kind.targets[0])
    if target not in kind.targets:
        table.refuse(
            "target", f"{kind.name} cannot strike {target}", f"Choose: {listed(kind.targets)}."
        )
    return target


def _option(table: Table, option: Option) -> float:
    if option.kind == "seconds":
        return table.seconds(option.name, option.default, most=LONGEST_S)
    if option.kind == "share":
        return table.share(option.name, option.default)
    return table.whole(option.name, int(option.default), least=0, most=_MOST_MEMBERS)
