"""What a zookeeper:// URL names, and the credentials beside it.

Owns the syntax, the options and the environment variables. Opens no connection. Secrets come from
the environment or from files that it names, never from the URL; nothing here prints them.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from coord.address import Address, parsed_address, positive_option, switch_option
from coord.errors import ConfigError, MissingExtra
from coord_zookeeper.acl import ACLS, CREATOR, OPEN

__all__ = ["AUTH", "AUTH_FILE", "Target", "target_of"]

DEFAULT_PORT = 2181
DEFAULT_TICK_S = 2.0

AUTH = "COORD_ZOOKEEPER_AUTH"
AUTH_FILE = "COORD_ZOOKEEPER_AUTH_FILE"
_TLS_FILES = {
    "ca": "COORD_ZOOKEEPER_CA",
    "cert": "COORD_ZOOKEEPER_CERT",
    "key": "COORD_ZOOKEEPER_KEY",
}
_KEY_PASSWORD = "COORD_ZOOKEEPER_KEY_PASSWORD"  # noqa: S105  a variable's name
_OPTIONS = {"tick_s", "ask_role", "acl", "tls", "check_hostname", *_TLS_FILES}
_SYNTAX = (
    "Write zookeeper://host:2181,host:2181/group, with a chroot before the group if there is one "
    "(/coord/prod/group), and options tick_s=, ask_role=, acl=, tls=, ca=, cert=, key=, "
    "check_hostname=."
)
_AUTH_PARTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which servers, which place on them, and how to be let in."""

    hosts: str
    parents: tuple[str, ...]
    group: str
    tick_s: float = DEFAULT_TICK_S
    ask_role: bool = True
    acl: str = OPEN
    auth: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    sasl: Mapping[str, str] | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None

    @property
    def where(self) -> str:
        """The servers, for messages."""
        return self.hosts


def target_of(url: str) -> Target:
    """Read a URL and the environment. Raises ConfigError."""
    address = parsed_address(url, scheme="zookeeper", options=_OPTIONS, syntax=_SYNTAX, deep=True)
    hosts = address.hosts(DEFAULT_PORT, syntax=_SYNTAX)
    if (address.parents or (address.group,))[0] == "zookeeper":
        raise ConfigError(f"{url!r} names ZooKeeper's own node", cure=_SYNTAX)
    auth, sasl = _credentials()
    acl = address.options.get("acl", CREATOR if auth or sasl else OPEN)
    if acl not in ACLS:
        raise ConfigError(f"acl={acl} in {url!r}", cure=f"acl is {' or '.join(sorted(ACLS))}.")
    if acl == CREATOR and not (auth or sasl):
        raise ConfigError(
            f"acl={CREATOR} in {url!r} without credentials", cure=f"Set {AUTH} or {AUTH_FILE}."
        )
    return Target(
        hosts=",".join(map(str, hosts)),
        parents=address.parents,
        group=address.group,
        tick_s=positive_option(address, "tick_s", DEFAULT_TICK_S),
        ask_role=switch_option(address, "ask_role", default=True),
        acl=acl,
        auth=auth,
        sasl=sasl,
        tls=_tls(address),
    )


def _credentials() -> tuple[tuple[tuple[str, str], ...], Mapping[str, str] | None]:
    """What the environment says, without ever repeating it."""
    text, source = os.environ.get(AUTH, ""), AUTH
    if not text and os.environ.get(AUTH_FILE):
        source = AUTH_FILE
        try:
            text = Path(os.environ[AUTH_FILE]).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"the file that {AUTH_FILE} names cannot be read ({type(error).__name__})",
                cure="It holds one line, digest:user:password or sasl:user:password.",
            ) from error
    if not text:
        return (), None
    parts = text.split(":", _AUTH_PARTS - 1)
    if len(parts) != _AUTH_PARTS or parts[0] not in {"digest", "sasl"} or not all(parts):
        raise ConfigError(
            f"{source} cannot be read (it is not repeated here)",
            cure="Write digest:user:password, or sasl:user:password for SASL with DIGEST-MD5.",
        )
    scheme, user, password = parts
    if scheme == "digest":
        return (("digest", f"{user}:{password}"),), None
    if find_spec("puresasl") is None:
        raise MissingExtra(
            "SASL needs the package pure-sasl", cure="pip install 'coord[zookeeper]'"
        )
    return (), {"mechanism": "DIGEST-MD5", "username": user, "password": password}


def _tls(address: Address) -> ssl.SSLContext | None:
    """A context if TLS is wanted; files are read now, so that mistakes show at once."""
    files = {
        name: address.options.get(name) or os.environ.get(variable, "")
        for name, variable in _TLS_FILES.items()
    }
    named = any(name in address.options for name in _TLS_FILES)
    if not switch_option(address, "tls", default=named):
        if named:
            raise ConfigError(
                f"{address.url!r} names certificates and says tls=false", cure="Choose one."
            )
        return None
    if files["key"] and not files["cert"]:
        raise ConfigError("a TLS key is named without its certificate", cure="Name both, or none.")
    try:
        context = ssl.create_default_context(cafile=files["ca"] or None)
        if files["cert"]:
            password = os.environ.get(_KEY_PASSWORD, "")
            context.load_cert_chain(files["cert"], files["key"] or None, lambda: password)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise ConfigError(
            f"the TLS files that were named cannot be used ({reason})",
            cure="ca, cert and key name PEM files that this process can read; "
            f"{_KEY_PASSWORD} opens an encrypted key.",
        ) from error
    context.check_hostname = switch_option(address, "check_hostname", default=True)
    return context
