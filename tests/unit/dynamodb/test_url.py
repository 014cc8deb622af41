"""What a dynamodb:// URL names, and which are refused."""

from __future__ import annotations

import pytest

from coord.errors import ConfigError
from coord_dynamodb.url import Target, default_poll_s, parsed


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("dynamodb://leases", Target("leases")),
        ("dynamodb://leases/prod", Target("leases", "prod")),
        ("dynamodb://a.b_c-D/prod?region=eu-west-1", Target("a.b_c-D", "prod", "eu-west-1")),
        (
            "dynamodb://leases/prod?region=us-east-1&endpoint=http://127.0.0.1:8000",
            Target("leases", "prod", "us-east-1", "http://127.0.0.1:8000"),
        ),
        (
            "dynamodb://leases/g?endpoint=https%3A%2F%2Fdb.example%2F&batch=10&poll=0.5",
            Target("leases", "g", None, "https://db.example/", 10, 0.5),
        ),
        (
            "dynamodb://leases/g?billing=provisioned&rcu=20&wcu=30",
            Target("leases", "g", provisioned=(20, 30)),
        ),
        ("dynamodb://leases/g?billing=on-demand", Target("leases", "g")),
    ],
)
def test_a_url_names_table_group_and_the_way(url: str, target: Target) -> None:
    assert parsed(url) == target


@pytest.mark.parametrize(
    "url",
    [
        "dynamodb://",
        "dynamodb:///prod",
        "dynamodb://ab/prod",
        "dynamodb://tab:le/prod",
        "dynamodb://leases/prod/more",
        "dynamodb://leases/pr od",
        "dynamodb://leases/prod#x",
        "dynamodb://leases/prod?region=US",
        "dynamodb://leases/prod?region=",
        "dynamodb://leases/prod?endpoint=127.0.0.1:8000",
        "dynamodb://leases/prod?endpoint=ftp://h:1",
        "dynamodb://leases/prod?endpoint=http://h:1/path",
        "dynamodb://leases/prod?batch=2",
        "dynamodb://leases/prod?batch=101",
        "dynamodb://leases/prod?batch=9.5",
        "dynamodb://leases/prod?batch=many",
        "dynamodb://leases/prod?poll=0",
        "dynamodb://leases/prod?poll=-1",
        "dynamodb://leases/prod?billing=free",
        "dynamodb://leases/prod?billing=provisioned",
        "dynamodb://leases/prod?billing=provisioned&rcu=1",
        "dynamodb://leases/prod?billing=provisioned&rcu=0.5&wcu=1",
        "dynamodb://leases/prod?rcu=1&wcu=1",
        "dynamodb://leases/prod?colour=red",
        "etcd://leases/prod",
    ],
)
def test_what_names_no_table_is_refused_with_a_cure(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parsed(url)
    assert caught.value.cure


def test_a_secret_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        parsed("dynamodb://AKIA:s3cret@leases/prod")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(("timeout_s", "poll_s"), [(0.05, 0.1), (0.2, 0.2), (1.0, 1.0), (5.0, 1.0)])
def test_a_watch_looks_once_a_timeout_within_limits(timeout_s: float, poll_s: float) -> None:
    assert default_poll_s(timeout_s) == poll_s
