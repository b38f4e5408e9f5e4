"""Addresses of Redis: every topology, with and without TLS; what is malformed is refused without showing secrets."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit.errors import SettingsError
from feature_repo.online.address import Address, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("redis://host", Address("standalone", False, (("host", 6379),))),
        ("redis://host:1/0", Address("standalone", False, (("host", 1),))),
        ("rediss://user@host:1/3", Address("standalone", True, (("host", 1),), "user", None, None, 3)),
        ("redis://:p%40ss%2F@[::1]:7", Address("standalone", False, (("::1", 7),), None, "p@ss/")),
        ("redis://:p@s@host", Address("standalone", False, (("host", 6379),), None, "p@s")),
        (
            "redis+sentinel://u:p@a:1,b/main/2",
            Address("sentinel", False, (("a", 1), ("b", 26379)), "u", "p", "main", 2),
        ),
        ("rediss+sentinel://a/main", Address("sentinel", True, (("a", 26379),), None, None, "main")),
        ("redis+cluster://a:1,b:2", Address("cluster", False, (("a", 1), ("b", 2)))),
        ("rediss+cluster://a:1/0", Address("cluster", True, (("a", 1),))),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("host:1", "beginning"),
        ("http://host", "beginning"),
        ("redis+mesh://host", "beginning"),
        ("redis://host?socket_timeout=100", "options"),
        ("redis://", "host is missing"),
        ("redis://host:port", "port"),
        ("redis://host:99999", "port"),
        ("redis://host/zero", "not the number"),
        ("redis://host/-1", "not the number"),
        ("redis+sentinel://host", "service"),
        ("redis+sentinel://host/main/x", "not the number"),
        ("redis+sentinel://a,,b/main", "host is missing"),
        ("redis+cluster://host/1", "only database 0"),
    ],
)
def test_what_is_malformed_is_refused(text: str, cause: str) -> None:
    with pytest.raises(SettingsError, match=cause):
        parse_address(text)


def test_a_refusal_does_not_show_the_password() -> None:
    with pytest.raises(SettingsError) as refused:
        parse_address("redis://:hunter2@host:port")
    assert "hunter2" not in str(refused.value)


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_user_and_password_can_be_quoted(user: str, password: str) -> None:
    try:
        quoted = f"{quote(user, safe='')}:{quote(password, safe='')}"
    except UnicodeEncodeError:  # a lone surrogate has no bytes
        return
    address = parse_address(f"redis://{quoted}@host")
    assert (address.username, address.password) == (user, password)
