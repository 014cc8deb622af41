"""URLs of stores: what they say, and what is refused with its cause and cure."""

from __future__ import annotations

import pytest

from coord.address import Address, Host, parsed_address, positive_option, switch_option
from coord.errors import ConfigError

SYNTAX = "Write thing://host:port/group."


def _parsed(url: str, *, deep: bool = False) -> Address:
    return parsed_address(url, scheme="thing", options={"poll", "tls"}, syntax=SYNTAX, deep=deep)


def test_hosts_take_the_default_port_and_addresses_of_either_kind() -> None:
    hosts = _parsed("thing://a,b:1,[::1]:2,10.0.0.1/g").hosts(7, syntax=SYNTAX)
    assert hosts == (Host("a", 7), Host("b", 1), Host("::1", 2), Host("10.0.0.1", 7))
    assert [str(host) for host in hosts] == ["a:7", "b:1", "[::1]:2", "10.0.0.1:7"]


def test_the_group_is_the_last_part_of_the_path_and_default_where_there_is_none() -> None:
    assert _parsed("thing://a/prod").group == "prod"
    assert _parsed("thing://a").group == _parsed("thing://a/").group == "default"
    deep = _parsed("thing://a/x/y/prod", deep=True)
    assert (deep.parents, deep.group) == (("x", "y"), "prod")


def test_a_table_in_place_of_hosts_keeps_its_case() -> None:
    assert _parsed("thing://Leases.v2/prod").authority == "Leases.v2"


@pytest.mark.parametrize(
    "url",
    [
        "other://a/g",
        "thing:///g",
        "thing://a/x/g",
        "thing://a/g#part",
        "thing://a/bad name",
        "thing://a/g?unknown=1",
        "thing://a/g?poll=1&poll=2",
        "thing://[::1/g",
    ],
)
def test_a_url_that_says_something_else_is_refused_with_the_syntax_or_the_rule(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        _parsed(url)
    assert refused.value.cure


@pytest.mark.parametrize("authority", ["a:0", "a:65536", "a:x", ":1", "a,,b"])
def test_a_host_without_name_or_with_a_port_that_is_none_is_refused(authority: str) -> None:
    address = _parsed(f"thing://{authority}/g")
    with pytest.raises(ConfigError, match="host:port"):
        address.hosts(7, syntax=SYNTAX)


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError) as refused:
        _parsed("thing://root:hunter2@a/g")
    assert "hunter2" not in str(refused.value)
    assert "hunter2" not in refused.value.cure


def test_options_are_read_as_what_they_are() -> None:
    address = _parsed("thing://a/g?poll=0.5&tls=TRUE")
    assert positive_option(address, "poll", 1.0) == 0.5
    assert positive_option(address, "lag", 1.0) == 1.0
    assert switch_option(address, "tls", default=False) is True
    assert switch_option(address, "other", default=True) is True


@pytest.mark.parametrize("text", ["0", "-1", "inf", "nan", "soon"])
def test_a_number_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=f"poll={text}"):
        positive_option(_parsed(f"thing://a/g?poll={text}"), "poll", 1.0)


def test_a_switch_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="tls=maybe"):
        switch_option(_parsed("thing://a/g?tls=maybe"), "tls", default=False)
