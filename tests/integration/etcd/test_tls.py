"""TLS and client certificates, and each way to get them wrong."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from coord.clock import SYSTEM_CLOCK
from coord.errors import Certainty, ConfigError, CoordError, StoreRefused, StoreUnavailable
from coord.testing.servers import EtcdServers
from tests.integration.etcd.tools import group_name, opened, record, role_of, started, take

pytestmark = pytest.mark.xdist_group("etcd")

SOON_S = 4.0  # well above the timeout of two seconds


@dataclass(frozen=True)
class _Paper:
    """A key and a certificate, as files."""

    certificate: Path
    key: Path


class _Authority:
    """A CA for one test run."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._own = self._signed(self._name, self._key, authority=True)
        self.certificate = folder / f"{name}.pem"
        self.certificate.write_bytes(self._own.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> _Paper:
        """A certificate for 127.0.0.1, and for a user of this name."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        paper = _Paper(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        signed = self._signed(subject, key, authority=False)
        paper.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        paper.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return paper

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, authority: bool
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        place = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(place, critical=False)
            .sign(self._key, hashes.SHA256())
        )


@dataclass(frozen=True)
class _Guarded:
    servers: EtcdServers
    authority: Path
    client: _Paper
    stranger: _Paper
    other_authority: Path


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Guarded]:
    """One etcd that speaks TLS and wants client certificates."""
    folder = tmp_path_factory.mktemp("tls")
    ours, theirs = _Authority(folder, "ours"), _Authority(folder, "theirs")
    server = ours.issue("server")
    flags = [
        *("--cert-file", str(server.certificate)),
        *("--key-file", str(server.key)),
        *("--trusted-ca-file", str(ours.certificate)),
        "--client-cert-auth",
    ]
    with started(lambda: EtcdServers(flags=flags, client_scheme="https")) as servers:
        yield _Guarded(
            servers, ours.certificate, ours.issue("client"), theirs.issue("x"), theirs.certificate
        )


def _environment(
    monkeypatch: pytest.MonkeyPatch, authority: Path | None, client: _Paper | None
) -> None:
    if authority is not None:
        monkeypatch.setenv("ETCDCTL_CACERT", str(authority))
    if client is not None:
        monkeypatch.setenv("ETCDCTL_CERT", str(client.certificate))
        monkeypatch.setenv("ETCDCTL_KEY", str(client.key))


def test_certificates_come_from_where_etcdctl_looks(
    guarded: _Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They alone turn TLS on; heartbeats, claims and watches go over it."""
    _environment(monkeypatch, guarded.authority, guarded.client)
    group = group_name()
    with opened(guarded.servers.url("unused")) as store:
        session = store.open_session(group, record(), 60)
        take(store, group, session, role_of(store, group, shards=10))
        session.heartbeat(b"{}")
        findings = {finding.name: finding for finding in store.probe(group)}
        assert findings["login"].value == "no user, with TLS"
        assert all(f.ok for name, f in findings.items() if name != "version")
        session.close()


@pytest.mark.parametrize("case", ["wrong ca", "no client", "wrong client", "plain to tls"])
def test_what_is_wrong_is_named_soon(
    guarded: _Guarded, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    kind: type[CoordError] = StoreUnavailable
    told = "client certificates"
    if case == "wrong ca":
        _environment(monkeypatch, guarded.other_authority, guarded.client)
        kind, told = StoreRefused, "ETCDCTL_CACERT"
    elif case == "no client":
        _environment(monkeypatch, guarded.authority, None)
    elif case == "wrong client":
        _environment(monkeypatch, guarded.authority, guarded.stranger)
    else:
        told = "tls=true"
    begun_s = SYSTEM_CLOCK.now()
    with opened(guarded.servers.url("unused")) as store, pytest.raises(kind) as raised:
        store.open_session(group_name(), record(), 10)
    assert told in raised.value.cure, str(raised.value)
    assert SYSTEM_CLOCK.now() - begun_s < SOON_S


def test_a_refused_certificate_is_one_json_object_on_stderr(guarded: _Guarded) -> None:
    """Left alone, gRPC writes a line of its own there for each handshake that fails."""
    environment = {name: os.environ[name] for name in os.environ.keys() - {"GRPC_VERBOSITY"}}
    outcome = subprocess.run(
        [sys.executable, "-m", "coord", "status", guarded.servers.url("unused"), "--json"],
        env={**environment, "ETCDCTL_CACERT": str(guarded.other_authority)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    told = json.loads(outcome.stderr)
    assert (told["schema"], told["exit_code"], outcome.returncode) == ("coord.error/1", 4, 4)
    assert "ETCDCTL_CACERT" in told["cure"]


def test_tls_to_a_plain_port_is_named(alone: EtcdServers) -> None:
    url = alone.url("unused", tls="true")
    with opened(url) as store, pytest.raises(StoreUnavailable) as raised:
        store.view(group_name())
    assert "ended the TLS handshake" in raised.value.cause
    assert "tls=true" in raised.value.cure
    assert raised.value.certainty is Certainty.NOT_APPLIED


def test_a_certificate_that_cannot_be_read_is_named(
    alone: EtcdServers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ETCDCTL_CACERT", str(tmp_path / "missing.pem"))
    with pytest.raises(ConfigError, match="ETCDCTL_CACERT"), opened(alone.url("unused")):
        pass


def test_a_certificate_without_its_key_is_named(
    guarded: _Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETCDCTL_CERT", str(guarded.client.certificate))
    with pytest.raises(ConfigError, match="key"), opened(guarded.servers.url("unused")):
        pass


def test_unverified_servers_are_not_offered(
    guarded: _Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    _environment(monkeypatch, guarded.authority, guarded.client)
    monkeypatch.setenv("ETCDCTL_INSECURE_SKIP_TLS_VERIFY", "true")
    with pytest.raises(ConfigError, match="verifies"), opened(guarded.servers.url("unused")):
        pass
