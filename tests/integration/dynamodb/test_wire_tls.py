"""The same over TLS, as with Amazon itself: whole answers in time, and an end that waits for none.

DynamoDB Local speaks no TLS, so a server of the test's own stands in: it answers each query with
an empty page, at once, byte by byte, or never.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from coord.errors import Certainty, StoreError, StoreUnavailable
from coord_dynamodb import DynamoDBStore
from coord_dynamodb.url import Target

pytestmark = pytest.mark.xdist_group("dynamodb")

NOISE_S = 8.0
LONG_S = 60.0
PAGE = b'{"ConsumedCapacity": {"CapacityUnits": 0.5}, "Items": [], "Count": 0}'


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    pause_s: ClassVar[list[float]]
    asked: ClassVar[threading.Event]
    over: ClassVar[threading.Event]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.set()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(PAGE)}\r\n\r\n".encode()
        with suppress(OSError):  # the client has gone
            for byte in head + PAGE:
                if self.pause_s[0] and self.over.wait(self.pause_s[0]):
                    return
                self.wfile.write(bytes([byte]))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone is what is tested."""


class _Secured:
    """The server, and how long it waits before each byte."""

    def __init__(self, port: int, handler: type[_Handler]) -> None:
        self.handler = handler
        self.endpoint = f"https://127.0.0.1:{port}"

    def store(self, timeout_s: float) -> DynamoDBStore:
        target = Target(table="secured", region="us-east-1", endpoint=self.endpoint)
        return DynamoDBStore(target, timeout_s=timeout_s)


def _paper(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    place = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(place, critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "paper.pem", folder / "paper.key"
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    )
    return certificate, secret


@pytest.fixture
def secured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Secured]:
    certificate, secret = _paper(tmp_path)
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
        ("AWS_CA_BUNDLE", str(certificate)),
    ):
        monkeypatch.setenv(name, value)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, secret)
    shared = {"pause_s": [0.0], "asked": threading.Event(), "over": threading.Event()}
    handler: type[_Handler] = type("Handler", (_Handler,), shared)
    with _Server(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield _Secured(server.server_address[1], handler)
        finally:
            handler.over.set()
            server.shutdown()
            thread.join(NOISE_S)


def test_an_answer_that_trickles_in_over_tls_holds_nobody_either(secured: _Secured) -> None:
    store = secured.store(2.0)
    try:
        assert store.view("g").members == {}
        secured.handler.pause_s[0] = 0.2  # 100 bytes and more: 20 s
        begun_s = time.monotonic()
        with pytest.raises(StoreUnavailable) as caught:
            store.view("g")
        assert time.monotonic() - begun_s < 2.0 + NOISE_S
        assert caught.value.certainty is Certainty.UNKNOWN
    finally:
        store.close()


def test_closing_over_tls_waits_for_no_answer(secured: _Secured) -> None:
    store = secured.store(LONG_S)
    failed: list[StoreError] = []

    def look() -> None:
        try:
            store.view("g")
        except StoreError as error:
            failed.append(error)

    secured.handler.pause_s[0] = LONG_S
    caller = threading.Thread(target=look)
    caller.start()
    assert secured.handler.asked.wait(NOISE_S)
    begun_s = time.monotonic()
    store.close()
    caller.join(NOISE_S)
    assert time.monotonic() - begun_s < NOISE_S
    assert not caller.is_alive()
    assert "is closed" in str(failed[0])
