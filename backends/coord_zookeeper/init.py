"""`coord init`: the chroot and a group's directories.

Owns the making of what members do not make in passing.
"""

from __future__ import annotations

from coord.spi import Probe
from coord_zookeeper.deadline import Deadline
from coord_zookeeper.failures import refused
from coord_zookeeper.group import Group, make_layout
from coord_zookeeper.requests import NODE_EXISTS, create, refusal
from coord_zookeeper.url import Target

__all__ = ["init_group"]


def init_group(group: Group, target: Target, timeout_s: float) -> list[Probe]:
    """Make what is missing, one node of the chroot after the other; what there is stays."""
    link = group.link()
    found: list[Probe] = []
    path = ""
    for part in target.parents:
        path = f"{path}/{part}"
        answer = refusal(link.commit([create(path, b"", group.acl)], Deadline(timeout_s)))
        if answer is not None and answer.code != NODE_EXISTS:
            raise refused(answer.code, f"{link.where}{path}")
        value = f"{path} was there" if answer is not None else f"{path} was made"
        found.append(Probe(name=f"node {path}", ok=True, value=value))
    made = make_layout(group.layout, group.acl, link, Deadline(timeout_s))
    root = group.layout.root
    value = f"{root} was made (acl={target.acl})" if made else f"{root} was there"
    return [*found, Probe(name=f"group {group.name}", ok=True, value=value)]
