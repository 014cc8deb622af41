"""TLS and SASL on real servers: what works, and what each mistake is called."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from coord.errors import StoreRefused, StoreUnavailable
from coord.testing.servers import ZooKeeperServers
from tests.integration.zookeeper.support import (
    bare,
    group_name,
    opened,
    record_of,
    role_of,
    taken,
    until,
)
from tests.servers import require

pytestmark = pytest.mark.xdist_group("zookeeper")

PASSWORD = "keystore-pass"  # noqa: S105  it is made up
USER, SECRET = "coord", "sasl-secret"


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


def _certificate(folder: Path, name: str, *, san: str) -> None:
    """A key, and a certificate that our CA has signed."""
    (folder / f"{name}.ext").write_text(f"subjectAltName={san}\n")
    subject = ("-subj", f"/CN={name}", "-newkey", "rsa:2048", "-nodes")
    _openssl(folder, "req", *subject, "-keyout", f"{name}.key", "-out", f"{name}.csr")
    signer = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
    files = ("-in", f"{name}.csr", "-out", f"{name}.pem", "-extfile", f"{name}.ext")
    _openssl(folder, "x509", "-req", *files, *signer)
    store = ("-inkey", f"{name}.key", "-in", f"{name}.pem", "-passout", f"pass:{PASSWORD}")
    _openssl(folder, "pkcs12", "-export", *store, "-out", f"{name}.p12")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two authorities, a server's certificate and a client's, made by openssl and keytool."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ca", "stranger"):
        subject = ("-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}")
        _openssl(folder, "req", *subject, "-keyout", f"{name}.key", "-out", f"{name}.pem")
    _certificate(folder, "server", san="IP:127.0.0.1")
    _certificate(folder, "elsewhere", san="DNS:zk.example.org")
    _certificate(folder, "client", san="DNS:client")
    trust = ("-file", "ca.pem", "-keystore", "trust.p12", "-storetype", "PKCS12")
    subprocess.run(
        ["keytool", "-importcert", "-noprompt", *trust, "-storepass", PASSWORD, "-alias", "ca"],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=60,
    )
    return folder


def _tls_servers(keys: Path, *, certificate: str, client_auth: str) -> ZooKeeperServers:
    require("zookeeper")
    config = {
        "ssl.keyStore.location": str(keys / f"{certificate}.p12"),
        "ssl.keyStore.password": PASSWORD,
        "ssl.trustStore.location": str(keys / "trust.p12"),
        "ssl.trustStore.password": PASSWORD,
        "ssl.clientAuth": client_auth,
    }
    return ZooKeeperServers(config=config, secure=True)


@pytest.fixture(scope="module")
def tls_server(keys: Path) -> Iterator[ZooKeeperServers]:
    """Its clients need certificates."""
    with _tls_servers(keys, certificate="server", client_auth="need") as servers:
        yield servers


def _files(keys: Path, *, ca: str = "ca", client: str = "client") -> str:
    chosen = f"?ca={keys}/{ca}.pem"
    return chosen + (f"&cert={keys}/{client}.pem&key={keys}/{client}.key" if client else "")


def _leads_a_life(hosts: str, options: str = "") -> None:
    """A member comes, claims many keys, is seen, is woken, and goes."""
    group = group_name()
    woken = threading.Event()
    with opened(hosts, options=options) as store:
        role_of(store, group, shards=300)
        watch = store.watch(group, woken.set)
        session = store.open_session(group, record_of(), 10.0)
        assert len(taken(session, store, group)) == 300
        assert session.heartbeat(b"beacon").ttl_s == 10.0
        view = store.view(group)
        assert len(view.by_session[session.id]) == 300
        assert store.beacons(group)[session.id].payload == b"beacon"
        assert woken.wait(5.0)
        watch.close()
        session.close()
        assert not store.view(group).members
    assert until(
        lambda: not [t for t in threading.enumerate() if t.name.startswith("coord-zookeeper")]
    )


def test_a_member_lives_over_tls_with_a_clients_certificate(
    tls_server: ZooKeeperServers, keys: Path
) -> None:
    """Thousands of answers too: what TLS holds back in its buffer must not be waited for."""
    _leads_a_life(tls_server.secure_hosts, _files(keys))


def test_certificates_may_be_named_by_the_environment(
    tls_server: ZooKeeperServers, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, file in (("CA", "ca.pem"), ("CERT", "client.pem"), ("KEY", "client.key")):
        monkeypatch.setenv(f"COORD_ZOOKEEPER_{name}", str(keys / file))
    _leads_a_life(tls_server.secure_hosts, "?tls=true")


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ("?tls=true", "not trusted"),
        ("?ca={keys}/stranger.pem", "not trusted"),
    ],
)
def test_a_certificate_of_another_authority_is_not_trusted(
    tls_server: ZooKeeperServers, keys: Path, options: str, cause: str
) -> None:
    with opened(tls_server.secure_hosts, options=options.format(keys=keys)) as store:
        with pytest.raises(StoreRefused, match=cause) as caught:
            store.view("g")
        assert "ca=" in caught.value.cure


def test_a_server_that_asks_for_a_certificate_gets_one_or_refuses(
    tls_server: ZooKeeperServers, keys: Path
) -> None:
    with opened(tls_server.secure_hosts, options=_files(keys, client="")) as store:
        with pytest.raises((StoreRefused, StoreUnavailable)) as caught:
            store.view("g")
        assert "cert" in caught.value.cure or "TLS" in caught.value.cure


def test_a_certificate_for_another_name_is_accepted_only_when_told(keys: Path) -> None:
    with _tls_servers(keys, certificate="elsewhere", client_auth="none") as servers:
        options = _files(keys, client="")
        with opened(servers.secure_hosts, options=options) as store:
            with pytest.raises(StoreRefused, match="not trusted") as caught:
                store.view("g")
            assert "check_hostname" in caught.value.cure
        _leads_a_life(servers.secure_hosts, options + "&check_hostname=false")


def test_a_plain_client_on_a_tls_port_is_told(tls_server: ZooKeeperServers) -> None:
    with opened(tls_server.secure_hosts, timeout_s=1.0) as store:
        with pytest.raises(StoreUnavailable) as caught:
            store.view("g")
        assert "tls=true" in caught.value.cure


def test_a_tls_client_on_a_plain_port_is_told(
    tls_server: ZooKeeperServers, zookeeper_server: ZooKeeperServers, keys: Path
) -> None:
    for servers in (tls_server, zookeeper_server):  # Netty's and NIO's ways of refusing
        with opened(servers.hosts, options=_files(keys), timeout_s=1.0) as store:
            with pytest.raises((StoreRefused, StoreUnavailable)) as caught:
                store.view("g")
            assert "TLS" in str(caught.value) or "tls" in str(caught.value)


@pytest.fixture(scope="module")
def sasl_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZooKeeperServers]:
    """It knows one user, and serves nobody else."""
    require("zookeeper")
    jaas = tmp_path_factory.mktemp("sasl") / "jaas.conf"
    login = "org.apache.zookeeper.server.auth.DigestLoginModule required"
    jaas.write_text(f'Server {{ {login} user_{USER}="{SECRET}"; }};\n')
    config = {
        "authProvider.1": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
        "enforce.auth.enabled": "true",
        "enforce.auth.schemes": "sasl",
    }
    java = (f"-Djava.security.auth.login.config={jaas}",)
    with ZooKeeperServers(config=config, java=java) as servers:
        yield servers


def test_a_member_lives_with_sasl_and_owns_its_nodes(
    sasl_server: ZooKeeperServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COORD_ZOOKEEPER_AUTH", f"sasl:{USER}:{SECRET}")
    _leads_a_life(sasl_server.hosts)
    group = group_name()
    with opened(sasl_server.hosts) as store:
        role_of(store, group)
        options = {"mechanism": "DIGEST-MD5", "username": USER, "password": SECRET}
        with bare(sasl_server.hosts, sasl_options=options) as client:
            [acl], _ = client.get_acls(f"/{group}/roles/r")
            assert (acl.id.scheme, acl.id.id) == ("sasl", USER)


@pytest.mark.parametrize("auth", [f"sasl:{USER}:wrong", "sasl:nobody:x", ""])
def test_sasl_credentials_that_are_wrong_or_missing_are_told(
    sasl_server: ZooKeeperServers, auth: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COORD_ZOOKEEPER_AUTH", auth)
    with opened(sasl_server.hosts, timeout_s=1.0) as store:
        for _ in range(2):
            with pytest.raises((StoreRefused, StoreUnavailable)) as caught:
                store.view("g")
            assert "COORD_ZOOKEEPER_AUTH" in caught.value.cure or "sasl" in caught.value.cure
            assert SECRET not in str(caught.value)
        with pytest.raises((StoreRefused, StoreUnavailable)):
            store.open_session("g", record_of(), 5.0)
    assert until(
        lambda: not [t for t in threading.enumerate() if t.name.startswith("coord-zookeeper")]
    )
