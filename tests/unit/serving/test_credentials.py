import re

import pytest
from callers import make_key
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.callers.credentials import LONGEST_CREDENTIAL, credential_of
from serving.callers.identity import CredentialError

KEY = "cs_0123456789ab_" + "k" * 43
TOKEN = "aaa.bbb.ccc"
VISIBLE = st.text(st.characters(min_codepoint=0, max_codepoint=255), max_size=80)


@pytest.mark.parametrize("value", [f"Bearer {KEY}", f"bearer {KEY}", f"BEARER   {KEY}"])
def test_a_key_is_taken_from_authorization(value):
    credential = credential_of([value], [])
    assert (credential.kind, credential.text) == ("key", KEY)


def test_a_key_is_taken_from_its_own_header():
    assert credential_of([], [KEY]) == credential_of([f"Bearer {KEY}"], [])


def test_a_token_is_told_from_a_key():
    credential = credential_of([f"Bearer {TOKEN}"], [])
    assert (credential.kind, credential.text) == ("token", TOKEN)


def test_every_key_that_is_made_has_the_form():
    for _ in range(50):
        key, _entry = make_key()
        assert credential_of([], [key]).text == key


@pytest.mark.parametrize(
    ("authorization", "api_key", "reason"),
    [
        ([], [], "missing"),
        ([""], [], "malformed"),
        (["Bearer"], [], "malformed"),
        (["Bearer "], [], "malformed"),
        (["Basic dXNlcjpwYXNz"], [], "malformed"),
        ([f"Bearer {TOKEN} x"], [], "malformed"),
        ([f"Bearer {TOKEN}, Bearer {TOKEN}"], [], "malformed"),
        ([f"Bearer\t{TOKEN}"], [], "malformed"),
        (["Bearer aaa.bbb"], [], "malformed"),
        (["Bearer a.b.c.d.e"], [], "malformed"),
        ([KEY], [], "malformed"),
        ([], [TOKEN], "malformed"),
        ([], [KEY + "x"], "malformed"),
        ([], [KEY + "\n"], "malformed"),
        ([], [KEY.upper()], "malformed"),
        ([], [""], "malformed"),
        ([f"Bearer {KEY}"], [KEY], "malformed"),
        ([f"Bearer {KEY}"] * 2, [], "malformed"),
        ([], [KEY] * 2, "malformed"),
        (["Bearer " + "a." * LONGEST_CREDENTIAL], [], "malformed"),
    ],
)
def test_anything_else_is_refused(authorization, api_key, reason):
    with pytest.raises(CredentialError) as refused:
        credential_of(authorization, api_key)
    assert refused.value.reason == reason


@settings(deadline=None)
@given(st.lists(VISIBLE, max_size=3), st.lists(VISIBLE, max_size=3))
def test_whatever_comes_is_a_credential_or_a_refusal_that_repeats_nothing(authorization, api_key):
    found = outcome(authorization, api_key)
    if isinstance(found, CredentialError):
        assert str(found) in _TEXTS  # so it is made of our words alone
    else:
        assert len(authorization) + len(api_key) == 1
        assert found.text in (*authorization, *api_key) or found.text in authorization[0]
        assert re.fullmatch(r"[A-Za-z0-9._~+/=-]+", found.text)


def outcome(authorization, api_key):
    try:
        return credential_of(authorization, api_key)
    except CredentialError as refused:
        return refused


def test_a_credential_does_not_show_itself():
    assert KEY not in repr(credential_of([], [KEY]))


def _texts():
    cases = [([], []), (["a", "b"], []), (["a" * 9_000], []), (["Basic a"], []), (["Bearer a"], []), ([], ["a"])]
    for authorization, api_key in cases:
        with pytest.raises(CredentialError) as refused:
            credential_of(authorization, api_key)
        yield str(refused.value)


_TEXTS = set(_texts())
