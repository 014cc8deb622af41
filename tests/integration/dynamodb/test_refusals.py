"""What is wrong with the way to the table, or the table: cause and cure, at once, no secrets."""

from __future__ import annotations

import http.server
import logging
import secrets
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from coord import Coordinator
from coord.clock import SYSTEM_CLOCK
from coord.errors import Certainty, ConfigError, CoordError, StoreRefused, StoreUnavailable
from coord.testing.proxy import FaultProxy
from coord_dynamodb import DynamoDBStore
from coord_dynamodb.url import Target
from tests.integration.dynamodb.conftest import Desk
from tests.integration.dynamodb.hook import Hook

pytestmark = pytest.mark.xdist_group("dynamodb")

QUICKLY_S = 3.0  # a timeout of 1 s, on a busy machine


def _opening(desk: Desk, store: DynamoDBStore) -> CoordError:
    """The error that a member meets, which must come soon."""
    begun_s = SYSTEM_CLOCK.now()
    with pytest.raises(CoordError) as caught:
        desk.member(store)
    assert SYSTEM_CLOCK.now() - begun_s <= QUICKLY_S
    assert caught.value.cause
    assert caught.value.cure
    return caught.value


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# ------------------------------------------------------------------------------------- the way


def test_a_server_that_is_down_is_named_and_nothing_was_done(desk: Desk) -> None:
    port = _free_port()
    error = _opening(desk, desk.store(f"http://127.0.0.1:{port}", timeout_s=1.0))
    assert isinstance(error, StoreUnavailable)
    assert error.certainty is Certainty.NOT_APPLIED
    assert f"127.0.0.1:{port}" in error.cause


def test_a_member_waits_for_a_server_that_is_down_at_start(desk: Desk, proxy: FaultProxy) -> None:
    proxy.admit("refuse")
    url = desk.server.url(
        desk.group, table="rules", endpoint=f"http://{proxy.hostport}", batch="10"
    )
    repair = threading.Timer(1.0, proxy.admit, ["serve"])
    repair.start()
    with (
        Coordinator(url, member="early", ttl_s=3.0) as fleet,
        fleet.lead("r", timeout_s=30) as term,
    ):
        assert term.token > 0
    repair.join(10.0)


def test_a_member_survives_a_server_that_goes_and_comes_back(desk: Desk, proxy: FaultProxy) -> None:
    store = desk.store(f"http://{proxy.hostport}", timeout_s=1.0)
    session = desk.member(store)
    proxy.admit("refuse")
    proxy.reset()
    with pytest.raises(StoreUnavailable):
        session.heartbeat(b"")
    proxy.admit("serve")
    session.heartbeat(b"")
    assert set(store.view(desk.group).members) == {session.id}


@contextmanager
def _listening(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server of another kind on a free port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    handle(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5.0)


def test_a_port_of_something_else_is_told_from_dynamodb(desk: Desk) -> None:
    class Page(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

        def do_POST(self) -> None:
            body = b"<html>welcome</html>"
            self.send_response(404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        error = _opening(desk, desk.store(endpoint, timeout_s=1.0))
        server.shutdown()
        thread.join(5.0)
    assert isinstance(error, StoreRefused)
    assert "does not answer as DynamoDB does" in error.cause


def test_a_port_that_speaks_no_http_is_named(desk: Desk) -> None:
    with _listening(lambda connection: connection.sendall(b"SSH-2.0-other\r\n")) as port:
        error = _opening(desk, desk.store(f"http://127.0.0.1:{port}", timeout_s=1.0))
    assert str(port) in error.cause


def test_https_to_a_port_without_tls_says_so(desk: Desk) -> None:
    error = _opening(desk, desk.store(f"https://{desk.server.hosts}", timeout_s=1.0))
    assert isinstance(error, StoreRefused)
    assert "TLS" in error.cause
    assert "https" in error.cure


def test_a_port_that_closes_plain_connections_is_asked_about_tls(desk: Desk) -> None:
    """As ports do that speak TLS alone."""
    with _listening(lambda connection: connection.close()) as port:
        error = _opening(desk, desk.store(f"http://127.0.0.1:{port}", timeout_s=1.0))
    assert "https://" in error.cure


# ----------------------------------------------------------------------------------- the table


def test_a_missing_table_is_named_with_the_command_that_makes_it(desk: Desk) -> None:
    store = desk.store(table="nowhere")
    error = _opening(desk, store)
    assert isinstance(error, StoreRefused)
    assert "there is no table nowhere" in error.cause
    assert "coord init" in error.cure
    with pytest.raises(StoreRefused, match="coord init"):
        store.view(desk.group)
    assert [finding.ok for finding in store.probe(desk.group)] == [True, False]


def test_a_member_of_a_missing_table_fails_before_any_work(desk: Desk) -> None:
    url = desk.server.url(desk.group, table="nowhere")
    with (
        pytest.raises(StoreRefused, match="coord init"),
        Coordinator(url, ttl_s=3.0) as fleet,
        fleet.lead("r", timeout_s=20),
    ):
        pytest.fail("work was begun")


def _table(desk: Desk, name: str, *key: tuple[str, str, str]) -> None:
    desk.client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": n, "KeyType": role} for n, role, _ in key],
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": t} for n, _, t in key],
    )


@pytest.mark.parametrize(
    "key",
    [
        (("id", "HASH", "S"),),
        (("pk", "HASH", "S"), ("sk", "RANGE", "N")),
        (("sk", "HASH", "S"), ("pk", "RANGE", "S")),
    ],
    ids=["other-names", "other-type", "other-order"],
)
def test_a_table_with_another_key_is_refused(
    desk: Desk, key: tuple[tuple[str, str, str], ...]
) -> None:
    name = f"other-{secrets.token_hex(3)}"
    _table(desk, name, *key)
    store = desk.store(table=name)
    for call in (desk.member, lambda store: store.view(desk.group), lambda s: s.init(desk.group)):
        with pytest.raises(StoreRefused, match=f"table {name}") as caught:
            call(store)
        assert f"has the key {key[0][0]} (hash, {key[0][2]})" in caught.value.cause
        assert "name another table" in caught.value.cure
    assert [finding.ok for finding in store.probe(desk.group)][-1] is False


def test_a_table_that_is_being_made_is_waited_for(desk: Desk, hook: Hook) -> None:
    """The local server makes tables at once, so its answers are changed to say what Amazon does."""
    store = desk.store(hook.endpoint)
    hook.pretend("DescribeTable", "Table", "TableStatus", "CREATING", times=1)
    error = _opening(desk, store)
    assert isinstance(error, StoreUnavailable)
    assert "CREATING" in error.cause
    assert "coord init" in error.cure
    assert error.certainty is Certainty.NOT_APPLIED
    hook.pretend("DescribeTable", "Table", "TableStatus", "CREATING", times=3)
    findings = store.init(desk.group)
    assert "already" in findings[0].value
    assert all(finding.ok for finding in findings), findings
    desk.member(store)


# ----------------------------------------------------------------------- region and credentials


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A process in which boto3 finds nothing."""
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


def _open(url: str) -> None:
    DynamoDBStore.from_url(url, timeout_s=1.0).store.close()


def test_a_missing_region_is_refused_before_anything_is_asked(bare: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no region") as caught:
        _open("dynamodb://leases/g")
    assert "region=" in caught.value.cure


def test_missing_credentials_are_refused_before_anything_is_asked(bare: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no credentials") as caught:
        _open("dynamodb://leases/g?region=us-east-1")
    assert "AWS_ACCESS_KEY_ID" in caught.value.cure


def test_a_server_of_this_machine_needs_no_credentials(
    desk: Desk, bare: pytest.MonkeyPatch
) -> None:
    """Nobody there looks at them, and `coord init` works as it is written."""
    endpoint = desk.target().endpoint
    url = f"dynamodb://{desk.target().table}/nobody?region=us-east-1&endpoint={endpoint}"
    opened = DynamoDBStore.from_url(url, timeout_s=2.0)
    assert opened.store.view(opened.group).members == {}
    opened.store.close()


def test_a_server_elsewhere_needs_them(bare: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no credentials"):
        _open("dynamodb://leases/g?region=us-east-1&endpoint=http://192.0.2.1:8000")


def test_half_of_the_credentials_is_none(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    with pytest.raises(ConfigError, match="boto3"):
        _open("dynamodb://leases/g?region=us-east-1")


def test_a_profile_that_is_not_there_is_named(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ConfigError, match="nobody"):
        _open("dynamodb://leases/g?region=us-east-1")


def test_region_and_credentials_may_come_from_files(
    bare: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[profile blue]\nregion = eu-west-3\n")
    (tmp_path / "credentials").write_text(
        "[blue]\naws_access_key_id = a\naws_secret_access_key = b\n"
    )
    bare.setenv("AWS_PROFILE", "blue")
    with closing(DynamoDBStore(Target("leases"), timeout_s=1.0)) as store:
        assert store._maker.region == "eu-west-3"
        assert store._link.endpoint == "https://dynamodb.eu-west-3.amazonaws.com"


def test_the_region_comes_from_the_url_then_the_variables_that_aws_and_boto3_name(
    bare: pytest.MonkeyPatch,
) -> None:
    bare.setenv("AWS_ACCESS_KEY_ID", "a")
    bare.setenv("AWS_SECRET_ACCESS_KEY", "b")
    for variable, region in (("AWS_DEFAULT_REGION", "eu-west-1"), ("AWS_REGION", "eu-west-2")):
        bare.setenv(variable, region)
        with closing(DynamoDBStore(Target("leases"), timeout_s=1.0)) as store:
            assert store._maker.region == region
    with closing(DynamoDBStore(Target("leases", region="eu-west-3"), timeout_s=1.0)) as store:
        assert store._maker.region == "eu-west-3"


# ---------------------------------------------------------------------------- refused by the server


REFUSALS = {
    "UnrecognizedClientException": ("The security token included is invalid.", "credentials"),
    "InvalidSignatureException": ("The Canonical String should have been: {token}", "credentials"),
    "ExpiredTokenException": ("The security token is expired: {token}", "credentials"),
    "AccessDeniedException": (
        "User: arn:aws:iam::1:user/x is not authorized to perform: dynamodb:DescribeTable on y",
        "dynamodb:DescribeTable",
    ),
}


@pytest.mark.parametrize("code", REFUSALS)
def test_a_refusal_of_rights_names_what_is_missing(desk: Desk, hook: Hook, code: str) -> None:
    message, told = REFUSALS[code]
    hook.refuse("DescribeTable", code, times=None, message=message.format(token="t0ken"))  # noqa: S106
    error = _opening(desk, desk.store(hook.endpoint))
    assert isinstance(error, StoreRefused)
    assert told in str(error)
    assert "t0ken" not in str(error)


def test_a_right_that_is_missing_later_is_named(desk: Desk, hook: Hook) -> None:
    store = desk.store(hook.endpoint)
    session = desk.member(store)
    message = "User: x is not authorized to perform: dynamodb:UpdateItem on resource: y"
    hook.refuse("UpdateItem", "AccessDeniedException", message=message)
    with pytest.raises(StoreRefused, match="dynamodb:UpdateItem") as caught:
        session.heartbeat(b"")
    assert "policy" in caught.value.cure


def test_a_wrong_wall_clock_is_told_from_wrong_credentials(desk: Desk, hook: Hook) -> None:
    message = "Signature expired: 20200101T000000Z is now earlier than 20200101T010000Z"
    hook.refuse("DescribeTable", "InvalidSignatureException", times=None, message=message)
    error = _opening(desk, desk.store(hook.endpoint))
    assert "clock" in error.cure


def test_no_secret_is_in_any_error(
    desk: Desk, hook: Hook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor in what is logged by us, with everything that boto3 knows about the failure behind it."""
    hidden = {"AWS_SECRET_ACCESS_KEY": "SECRETKEY99", "AWS_SESSION_TOKEN": "SESSIONTOKEN99"}
    for name, value in hidden.items():
        monkeypatch.setenv(name, value)
    caplog.set_level(logging.DEBUG, logger="coord")
    said: list[str] = []
    echo = "signed headers: SESSIONTOKEN99 SECRETKEY99"
    for code in [*REFUSALS, "ValidationException", "ResourceNotFoundException"]:
        hook.refuse("DescribeTable", code, times=1, message=echo)
        store = desk.store(hook.endpoint)
        with pytest.raises(CoordError) as caught:
            desk.member(store)
        if code != "ValidationException":  # whose message is the server's, of requests' form
            said.extend(traceback.format_exception(caught.value))
        said.extend(f"{finding}" for finding in store.probe(desk.group))
    said.extend(record.getMessage() for record in caplog.records if "coord" in record.name)
    assert said
    for line in said:
        assert not any(secret in line for secret in hidden.values()), line
