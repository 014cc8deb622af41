"""What an etcd:// URL names, and what the environment says of who we are.

Owns the syntax and the names of the variables: those of etcdctl, which an operator has set already.
A URL carries no secrets; certificates and keys are named by variables too, so that no URL has to be
changed with them. Connects to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import grpc

from coord.address import parsed_address, switch_option
from coord.errors import ConfigError
from coord_etcd.connection import Target
from coord_etcd.keys import KINDS
from coord_etcd.login import User

__all__ = ["Place", "place_of"]

PORT = 2379
ROOT = "/coord"
_SYNTAX = (
    "Write etcd://host:port,host:port/group, with ?tls=true for TLS; a path before the group's "
    "name replaces /coord as the place of its keys. Credentials: ETCDCTL_USER, ETCDCTL_PASSWORD, "
    "ETCDCTL_CACERT, ETCDCTL_CERT, ETCDCTL_KEY."
)
_FILES = ("ETCDCTL_CACERT", "ETCDCTL_CERT", "ETCDCTL_KEY")


class Place(NamedTuple):
    """Where to connect, as whom, and where the groups' keys are."""

    targets: Sequence[Target]
    user: User | None
    root: str
    group: str


def place_of(url: str, environment: Mapping[str, str], *, timeout_s: float) -> Place:
    """Read a URL and the environment. Raises `ConfigError`."""
    address = parsed_address(url, scheme="etcd", options={"tls"}, syntax=_SYNTAX, deep=True)
    named = [name for name in _FILES if environment.get(name)]
    tls = switch_option(address, "tls", default=bool(named))
    credentials = _credentials(environment) if tls else None
    targets = [
        Target(str(host), credentials, timeout_s) for host in address.hosts(PORT, syntax=_SYNTAX)
    ]
    root = "/" + "/".join(address.parents) if address.parents else ROOT
    _check_apart(root, address.group)
    return Place(targets, _user(environment), root, address.group)


def _check_apart(root: str, group: str) -> None:
    """Refuse a place among another group's keys: /coord/prod/c/… are the claims of group prod."""
    _, _, *below = (*root[1:].split("/"), group)
    inside = KINDS.intersection(below)
    if inside:
        raise ConfigError(
            f"the group {root}/{group} may lie among the keys of another group",
            cure=f"Let nothing below the second part of the path be called {' or '.join(inside)}.",
        )


def _user(environment: Mapping[str, str]) -> User | None:
    text = environment.get("ETCDCTL_USER", "")
    if not text:
        return None
    name, colon, password = text.partition(":")
    password = environment.get("ETCDCTL_PASSWORD", "") or password
    if not name or not (colon or password):
        raise ConfigError(
            "ETCDCTL_USER names a user without a password",
            cure="Set ETCDCTL_USER=name:password, or ETCDCTL_PASSWORD beside it.",
        )
    return User(name, password)


def _credentials(environment: Mapping[str, str]) -> Any:  # noqa: ANN401  gRPC has no types
    if environment.get("ETCDCTL_INSECURE_SKIP_TLS_VERIFY", "").lower() in {"1", "true"}:
        raise ConfigError(
            "ETCDCTL_INSECURE_SKIP_TLS_VERIFY is set, and coord always verifies servers",
            cure="Unset it, and name the CA in ETCDCTL_CACERT.",
        )
    authority, certificate, key = (_content(environment, name) for name in _FILES)
    if (certificate is None) != (key is None):
        raise ConfigError(
            "a client certificate without its key, or a key without its certificate",
            cure="Set both ETCDCTL_CERT and ETCDCTL_KEY, or neither.",
        )
    return grpc.ssl_channel_credentials(authority, key, certificate)


def _content(environment: Mapping[str, str], name: str) -> bytes | None:
    path = environment.get(name)
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{name} names {path}, which cannot be read: {error.strerror}",
            cure="Correct the path, or the rights of the file.",
        ) from error
