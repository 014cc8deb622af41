"""`S3Fence` on moto's S3, in a process of its own: who was superseded overwrites nothing."""

from __future__ import annotations

import http.client
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from coord.errors import ConfigError, Fenced, LeadershipLost, StoreConflict, UsageError
from coord.testing import fake_term
from coord.testing.proxy import FaultProxy
from coord.testing.servers.ports import HOST, Ports
from coord_dynamodb import S3Fence
from tests.integration.dynamodb.test_fence import Tenure, tenure

pytestmark = pytest.mark.xdist_group("dynamodb")

START_S = 60.0


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2.0)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except OSError:
        return False
    else:
        return True
    finally:
        connection.close()


@pytest.fixture(scope="module")
def s3_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Moto's server, stopped by its pid."""
    ports = Ports()
    port = ports.take()
    log = Path(tmp_path_factory.mktemp("moto")) / "log"
    command = [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as moto:
        try:
            until_s = time.monotonic() + START_S
            while not _answers(port):
                assert moto.poll() is None, log.read_text()
                assert time.monotonic() < until_s, log.read_text()
                time.sleep(0.1)
            yield port
        finally:
            moto.kill()
            ports.close()


@pytest.fixture
def s3(s3_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    with FaultProxy((HOST, s3_port)) as proxy:
        yield proxy


class Bucket:
    """A bucket, and acts on one object of it."""

    def __init__(self, hostport: str) -> None:
        self.client: Any = boto3.client(
            "s3",
            region_name="us-east-1",
            endpoint_url=f"http://{hostport}",
            config=Config(read_timeout=20, s3={"addressing_style": "path"}),
        )
        self.name = f"state-{secrets.token_hex(4)}"
        self.client.create_bucket(Bucket=self.name)

    def fence(self, term: Any, key: str = "x") -> S3Fence:  # noqa: ANN401  a term or its like
        return S3Fence(term, self.client, bucket=self.name, key=key)

    def act(self, term: Any, body: str, key: str = "x") -> None:  # noqa: ANN401
        with self.fence(term, key) as stored:
            stored.write(body.encode())

    def body(self, key: str = "x") -> str:
        found: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return found.decode()


@pytest.fixture
def bucket(s3: FaultProxy) -> Iterator[Bucket]:
    found = Bucket(s3.hostport)
    yield found
    found.client.close()


def test_a_stale_token_is_refused_and_a_newer_one_accepted(bucket: Bucket) -> None:
    bucket.act(tenure(5), "first")
    bucket.act(tenure(5), "again")
    bucket.act(tenure(9), "successor")
    with pytest.raises(Fenced, match="token 9 has acted already"):
        bucket.act(tenure(5), "stale")
    assert bucket.body() == "successor"


def test_the_generation_decides_before_the_token(bucket: Bucket) -> None:
    bucket.act(tenure(90), "one")
    bucket.act(tenure(5, generation=2, shard=3), "two")
    with pytest.raises(Fenced, match="generation 2"):
        bucket.act(tenure(91), "stale")
    assert bucket.body() == "two"


def test_a_stale_leader_that_has_read_before_writes_nothing(bucket: Bucket) -> None:
    """Both have read the same object; the successor writes first."""
    bucket.act(tenure(5), "first")
    old, new = bucket.fence(tenure(5)), bucket.fence(tenure(9))
    with pytest.raises(Fenced), old as stale:  # noqa: PT012
        assert stale.read() == b"first"
        with new as stored:
            assert stored.read() == b"first"
            stored.write(b"successor")
        stale.write(b"stale")
    assert bucket.body() == "successor"


def test_the_first_writes_of_two_leaders_have_one_winner_of_each_token(bucket: Bucket) -> None:
    old, new = bucket.fence(tenure(5)), bucket.fence(tenure(9))
    with pytest.raises(Fenced), old as stale:  # noqa: PT012
        assert stale.read() is None
        with new as stored:
            assert stored.read() is None
            stored.write(b"new")
        stale.write(b"old")
    assert bucket.body() == "new"


def test_a_newer_leader_that_has_read_does_not_lose_an_older_ones_last_write(
    bucket: Bucket,
) -> None:
    """That write came first, and is part of what the newer one has to build on."""
    bucket.act(tenure(5), "first")
    new = bucket.fence(tenure(9))
    with pytest.raises(StoreConflict), new as stored:  # noqa: PT012
        before = stored.read()
        bucket.act(tenure(5), "last")
        stored.write((before or b"") + b" and more")
    assert bucket.body() == "last"
    bucket.act(tenure(9), "without reading")
    assert bucket.body() == "without reading"


def test_a_write_whose_answer_was_lost_is_recognised(bucket: Bucket, s3: FaultProxy) -> None:
    bucket.act(tenure(5), "first")
    trap = s3.on_request(b"PUT /", "lose_reply")
    with bucket.fence(tenure(5)) as stored:
        stored.read()
        stored.write(b"second")
    assert trap.fired == 1
    assert bucket.body() == "second"


def test_a_late_write_of_a_superseded_leader_lands_nowhere(bucket: Bucket, s3: FaultProxy) -> None:
    bucket.act(tenure(5), "first")
    direct = Bucket.__new__(Bucket)
    host, port = s3.target
    direct.client, direct.name = Bucket(f"{host}:{port}").client, bucket.name
    failed: list[BaseException] = []

    def late() -> None:
        try:
            bucket.act(tenure(5), "late")
        except Exception as error:  # noqa: BLE001  kept for the main thread
            failed.append(error)

    trap = s3.on_request(b"PUT /", "hold")
    thread = threading.Thread(target=late)
    thread.start()
    assert trap.wait(10.0)
    direct.act(tenure(9), "successor")
    s3.requests.mend()
    thread.join(30.0)
    direct.client.close()
    assert [type(error) for error in failed] == [Fenced]
    assert bucket.body() == "successor"


def test_an_object_belongs_to_one_seat_of_a_generation(bucket: Bucket) -> None:
    bucket.act(tenure(5), "mine")
    for other in (
        tenure(9, seat=1),
        tenure(9, shard=1),
        Tenure(tenure(9).key._replace(role="q"), 9),
    ):
        with pytest.raises(ConfigError, match="object of its own"):
            bucket.act(other, "theirs")
    assert bucket.body() == "mine"


def test_an_object_without_a_stamp_is_taken_over(bucket: Bucket) -> None:
    bucket.client.put_object(Bucket=bucket.name, Key="x", Body=b"before", Metadata={"a": "b"})
    bucket.act(tenure(5), "mine")
    with pytest.raises(Fenced):
        bucket.act(tenure(4), "stale")


def test_metadata_that_cannot_be_read_stops_everybody(bucket: Bucket) -> None:
    bucket.client.put_object(
        Bucket=bucket.name, Key="x", Body=b"", Metadata={"coord-fence": "[1,2"}
    )
    with pytest.raises(ConfigError, match="coord-fence"):
        bucket.act(tenure(5), "mine")


def test_what_the_user_gives_beside_the_body_is_kept(bucket: Bucket) -> None:
    with bucket.fence(tenure(5)) as stored:
        stored.write(b"{}", ContentType="application/json", Metadata={"made-by": "reaper"})
    found = bucket.client.head_object(Bucket=bucket.name, Key="x")
    assert found["ContentType"] == "application/json"
    assert found["Metadata"]["made-by"] == "reaper"


def test_a_block_that_raises_or_a_term_that_is_over_writes_nothing(bucket: Bucket) -> None:
    term = fake_term("reaper")
    with bucket.fence(term) as stored:
        stored.write(b"mine")
    with pytest.raises(OSError, match="no"), bucket.fence(term) as stored:  # noqa: PT012
        stored.write(b"half")
        raise OSError("no")
    with pytest.raises(LeadershipLost), bucket.fence(term) as stored:  # noqa: PT012
        stored.write(b"late")
        term.clock.advance(1000.0)
    assert bucket.body() == "mine"


def test_wrong_use_is_told(bucket: Bucket) -> None:
    fence = bucket.fence(tenure(5))
    with fence, pytest.raises(UsageError, match="in use"):
        fence.__enter__()
    with pytest.raises(UsageError, match="not entered"):
        fence.__exit__(None, None, None)
